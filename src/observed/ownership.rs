//! What is ours. What is not recorded here is never removed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The record of what this instance made or took over. Written before anything is made (the union of old and new)
/// and again when what left has gone, so that a crash in between forgets nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    /// Version of this format: 1.
    pub version: u32,
    /// Whose record it is.
    pub instance: String,
    /// Stacks, by name: their services, and networks and volumes with their label.
    pub stacks: BTreeSet<String>,
    /// Networks outside stacks, by name.
    pub networks: BTreeSet<String>,
    /// Swarm secrets, by object name.
    pub secrets: BTreeSet<String>,
    /// Swarm configs, by object name.
    pub configs: BTreeSet<String>,
    /// Generated files, by path below the run folder.
    pub files: BTreeSet<String>,
}

impl Ownership {
    /// An empty record.
    #[must_use]
    pub fn new(instance: &str) -> Self {
        Self { version: 1, instance: instance.to_owned(), ..Self::default() }
    }

    /// Everything in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let both = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.union(b).cloned().collect();
        Self {
            version: 1,
            instance: self.instance.clone(),
            stacks: both(&self.stacks, &other.stacks),
            networks: both(&self.networks, &other.networks),
            secrets: both(&self.secrets, &other.secrets),
            configs: both(&self.configs, &other.configs),
            files: both(&self.files, &other.files),
        }
    }

    /// True when nothing is ours.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
            && self.networks.is_empty()
            && self.secrets.is_empty()
            && self.configs.is_empty()
            && self.files.is_empty()
    }
}
