//! What a generation says of itself beside what it holds: where it comes from, and what it needs of the swarm.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Where a generation comes from: `origin.json`, written once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// When it was made, RFC 3339.
    pub created: String,
    /// SHA-256 of the compiled manifest, hex.
    pub manifest: String,
    /// The generation that this one brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<u64>,
}

/// What has to be there for a generation to run again: `needs.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Names of Swarm secrets and configs.
    pub objects: BTreeSet<String>,
    /// References of the images that are loaded from files.
    pub images: BTreeSet<String>,
    /// Keyed digest of each value, by the name of its secret or template: with it, an object that is still there is
    /// found without its value.
    pub digests: BTreeMap<String, String>,
}
