//! What is ours. What is not recorded here is never removed.

use std::collections::BTreeSet;

use super::{Object, Observed};
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

    /// The part of it that is still there: what a part of a run left out, what is held back, what something foreign
    /// still uses.
    #[must_use]
    pub fn still(&self, observed: &Observed) -> Self {
        let there = |names: &BTreeSet<String>, has: &dyn Fn(&String) -> bool| {
            names.iter().filter(|name| has(name)).cloned().collect()
        };
        let labelled: BTreeSet<&str> =
            observed.services.values().chain(observed.networks.values()).filter_map(Object::stack).collect();
        Self {
            version: 1,
            instance: self.instance.clone(),
            stacks: there(&self.stacks, &|name| labelled.contains(name.as_str())),
            networks: there(&self.networks, &|name| observed.networks.contains_key(name)),
            secrets: there(&self.secrets, &|name| observed.secrets.contains_key(name)),
            configs: there(&self.configs, &|name| observed.configs.contains_key(name)),
            files: there(&self.files, &|path| observed.generated.contains_key(path)),
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
