//! What is ours. What is not recorded here is never removed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Object, Observed, STACK_LABEL, at};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// Named volumes of stacks, by name: they stay when their stack leaves, and are removed only when asked.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// Secrets that docker made and that the manifest said to trust: object name → the name of ours that the value had
    /// then. Another value is another name, and then the object is trusted no more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trusted: BTreeMap<String, String>,
}

/// Names of the volumes of a stack that a service spec mounts: those that carry the stack's label, as docker puts it
/// on every volume that is not external.
#[must_use]
pub fn stack_volumes(spec: &Value, stack: &str) -> Vec<String> {
    let mounts =
        at(spec, "/TaskTemplate/ContainerSpec/Mounts").as_array().map(Vec::as_slice).unwrap_or_default();
    let own = mounts.iter().filter(|mount| {
        let labels = at(mount, "/VolumeOptions/Labels");
        labels.get(STACK_LABEL).and_then(Value::as_str) == Some(stack)
    });
    own.filter_map(|mount| mount.get("Source")?.as_str().map(str::to_owned)).collect()
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
            volumes: both(&self.volumes, &other.volumes),
            trusted: self.trusted.iter().chain(&other.trusted).map(|(a, b)| (a.clone(), b.clone())).collect(),
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
            // Not looked at: a volume that somebody else removed costs nothing here.
            volumes: self.volumes.clone(),
            trusted: {
                let left = self.trusted.iter().filter(|(name, _)| observed.secrets.contains_key(*name));
                left.map(|(name, wanted)| (name.clone(), wanted.clone())).collect()
            },
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
            && self.volumes.is_empty()
    }
}
