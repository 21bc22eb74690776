//! What this boot has proven already, so that soak applies to the rest only.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StateError;
use super::files::{read_json, write_json};
use crate::address::Address;

/// Gates that held for one manifest during this boot. Lives in the run folder: a boot forgets it, on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Digest of the compiled manifest.
    pub manifest: String,
    /// The kernel's boot id.
    pub boot: String,
    /// When the run began that changed something last, RFC 3339; empty where none did in this boot. What is not proven
    /// since is proven from there on.
    #[serde(default)]
    pub since: String,
    /// Gates, by address.
    pub gates: BTreeSet<Address>,
}

impl Proven {
    /// What is proven of this manifest in this boot. A file that is not readable proves nothing.
    #[must_use]
    pub fn read(run: &Path, manifest: &str, boot: &str) -> Self {
        match read_json::<Self>(&run.join("proven.json")) {
            Ok(Some(proven)) if proven.manifest == manifest && proven.boot == boot => proven,
            _ => Self { manifest: manifest.to_owned(), boot: boot.to_owned(), ..Self::default() },
        }
    }

    /// Writes `<run>/proven.json` if it differs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &Path) -> Result<bool, StateError> {
        write_json(&run.join("proven.json"), self)
    }
}
