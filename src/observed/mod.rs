//! What the engine and the host said, as data. Typed views stand beside the raw JSON, never in its place: what a
//! newer engine adds must not be lost between reading and writing.

mod access;
mod baseline;
mod drone;
mod forge;
mod health;
mod host;
mod inventory;
mod misfit;
mod ownership;
pub mod placement;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use access::{AccessPlace, GiteaApplicationSeen, GiteaTokenSeen, scopes};
pub use baseline::Baseline;
pub use drone::{DroneAnswers, DroneRepositorySeen, DroneSeen, OauthSeen, TrialSeen};
pub use forge::{
    ForgeRecord, ForgeSeen, GiteaHookSeen, GiteaRepositorySeen, GiteaSeen, HookPlace, HookSeen, events,
};
pub use health::{Disk, HostHealth, Listener, Process, Protocol, Room, Stale, StaleProcess, UnitHealth};
pub use host::{
    Ask, HostSeen, LinkSeen, StoreSeen, SystemSeen, UnitSeen, UnitState, UnitsSeen, Wish, is_leftover,
    leftover,
};
pub use inventory::{Container, Inventory, Stock};
pub use misfit::{Cluster, Misfit};
pub use ownership::{Ownership, stack_volumes};

/// The value at a JSON pointer without escapes, `null` where there is none. Several times as quick as
/// [`Value::pointer`], which makes a new string of every key.
#[must_use]
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    let step = |value: &'a Value, key: &str| match value {
        Value::Array(list) => key.parse::<usize>().ok().and_then(|index| list.get(index)),
        // One after the other, most names are passed by for their length, without a look at where their text lies.
        Value::Object(fields) if fields.len() <= FEW => {
            fields.iter().find_map(|(name, value)| (name == key).then_some(value))
        }
        other => other.get(key),
    };
    let (mut value, mut pointer) = (value, pointer);
    // Keys are short: a searcher takes longer to begin than to find.
    while let Some(rest) = pointer.strip_prefix('/') {
        let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(found) = step(value, key) else { return &Value::Null };
        (value, pointer) = (found, after);
    }
    value
}

/// So many fields of an object lie beside each other.
const FEW: usize = 11;

/// One look at the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The engine.
    pub engine: EngineInfo,
    /// The swarm as this node sees it.
    pub swarm: SwarmState,
    /// Networks of every scope, by name.
    pub networks: BTreeMap<String, Object>,
    /// Services, by name.
    pub services: BTreeMap<String, Object>,
    /// Swarm secrets, by name; never a value.
    pub secrets: BTreeMap<String, Object>,
    /// Swarm configs, by name.
    pub configs: BTreeMap<String, Object>,
    /// Nodes, by id.
    pub nodes: BTreeMap<String, Object>,
    /// What the host says beside the engine.
    #[serde(default)]
    pub host: HostSeen,
    /// What forges say.
    #[serde(default)]
    pub forge: ForgeSeen,
    /// Tasks, by service id.
    pub tasks: BTreeMap<String, Vec<Task>>,
    /// Digests and references of the images that the engine holds: ids (`sha256:...`), `name:tag` and
    /// `name@sha256:...`.
    pub images: BTreeSet<String>,
    /// Ids of the images that the engine holds, by `name:tag` and by `name@sha256:...`.
    #[serde(default)]
    pub image_ids: BTreeMap<String, String>,
    /// Files of the secrets folder, by name (`NAME`, `rendered/NAME`).
    pub files: BTreeMap<String, InstalledFile>,
    /// Generated files, by path below `<run>/generated`.
    pub generated: BTreeMap<String, InstalledFile>,
}

/// The engine's own words about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Version, `20.10.24`.
    pub version: String,
    /// API version that is spoken with it, `1.41`.
    pub api: String,
    /// The node's host name.
    pub name: String,
    /// Operating system and architecture in Go's words, `linux/amd64`.
    pub platform: String,
}

/// The swarm as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwarmState {
    /// Not part of a swarm.
    #[default]
    Inactive,
    /// Part of one but not a manager; the text is the engine's own state word.
    NotManager(String),
    /// A manager that can be written to.
    Manager(Box<ManagerState>),
}

/// What a manager says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ManagerState {
    /// Id of the swarm.
    pub swarm_id: String,
    /// Id of this node.
    pub node_id: String,
    /// Address that this node advertises.
    pub node_addr: String,
    /// Version index of the swarm object.
    pub version: u64,
    /// The raw swarm object (`GET /swarm`), join tokens taken out.
    pub raw: Value,
}

/// An object of the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Version index to send with an update; 0 where the kind has none.
    pub version: u64,
    /// Labels of the object itself.
    pub labels: BTreeMap<String, String>,
    /// Everything the engine said.
    pub raw: Value,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Replica number; 0 for a global service.
    pub slot: u64,
    /// Node it was put on; empty while pending.
    pub node: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The state that the orchestrator wants, lower case.
    pub desired: String,
    /// The state that it is in, lower case.
    pub state: String,
    /// When it came into that state, RFC 3339.
    pub since: String,
    /// The engine's message.
    pub message: String,
    /// The error, where there is one.
    pub error: String,
    /// Exit code of its container, where it ended.
    pub exit_code: Option<i64>,
    /// Id of its container.
    pub container: String,
    /// The image of its spec.
    pub image: String,
    /// Which run of a job it belongs to; `None` where it is no task of a job.
    pub iteration: Option<u64>,
}

/// Replicas (of a global service: nodes) whose newest task has ended well.
pub fn ended_well<'a>(tasks: impl IntoIterator<Item = &'a Task>) -> usize {
    let mut newest: BTreeMap<(u64, &str), &Task> = BTreeMap::new();
    for task in tasks {
        let node = if task.slot == 0 { task.node.as_str() } else { "" };
        let kept = newest.entry((task.slot, node)).or_insert(task);
        if task.created > kept.created {
            *kept = task;
        }
    }
    newest.values().filter(|task| task.state == "complete").count()
}

impl Object {
    /// What is stored of it as its spec; null where the kind has none.
    #[must_use]
    pub fn spec(&self) -> &Value {
        at(&self.raw, "/Spec")
    }

    /// The stack that the object belongs to by docker's label.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.labels.get(STACK_LABEL).map(String::as_str)
    }
}

/// The label by which docker finds the objects of a stack; the only one that Holdfast puts on them.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// A file that is installed, or shall be, under the run folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    /// Keyed digest of the content, 12 hex digits; never the content.
    pub digest: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode bits.
    pub mode: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_in_small_and_in_large_objects_as_by_a_pointer() {
        for fields in 0..=3 * FEW {
            let names = (0..fields).map(|field| (format!("{field:x}"), Value::from(field)));
            let value = serde_json::json!({ "a": [{}, names.collect::<Value>()] });
            for field in 0..=3 * FEW {
                let pointer = format!("/a/1/{field:x}");
                assert_eq!(
                    at(&value, &pointer),
                    value.pointer(&pointer).unwrap_or(&Value::Null),
                    "{pointer}"
                );
            }
        }
    }
}
