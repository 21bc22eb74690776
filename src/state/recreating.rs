//! What a run was allowed to delete and make anew, until it has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::StateError;
use super::files::{read_json, write_json};
use crate::address::Address;

/// An allowance that was used. A run that is killed with half of it down leaves this, and the next one, which nobody
/// may be there to allow anything to, brings it up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recreating {
    /// Digest of the compiled manifest that it was given for.
    pub manifest: String,
    /// What may be deleted and made anew.
    pub addresses: BTreeSet<Address>,
}

impl Recreating {
    /// What was allowed for this manifest and is not done yet. A file that is not readable allows nothing.
    #[must_use]
    pub fn read(state: &Path, manifest: &str) -> BTreeSet<Address> {
        match read_json::<Self>(&path(state)) {
            Ok(Some(left)) if left.manifest == manifest => left.addresses,
            _ => BTreeSet::new(),
        }
    }

    /// Writes `<state>/recreating.json` if it differs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, state: &Path) -> Result<bool, StateError> {
        write_json(&path(state), self)
    }

    /// Forgets it: everything is up again.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(state: &Path) -> Result<(), StateError> {
        match fs::remove_file(path(state)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::io("remove", path(state))(error))
            }
            _ => Ok(()),
        }
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("recreating.json")
}
