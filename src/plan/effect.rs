//! What a change of a service does to its tasks, told before it is done.
//!
//! The rule is the orchestrator's own: a task is replaced when the task template or the endpoint differs from what it
//! was made of. Where nothing but the placement differs, a task whose node still satisfies the constraints stays. A job
//! runs again after any update. Everything else changes no task.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Change;
use crate::observed::placement::{NodeFacts, meets};
use crate::observed::{Object, Observed, Task, at};

/// What a change does to the tasks of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Effect {
    /// What each field of the diff means by itself.
    pub fields: BTreeMap<String, Class>,
    /// Tasks that there are now; of a global service, one a node.
    pub tasks: u64,
    /// How many of them are ended and started again with the new spec.
    pub replaced: u64,
    /// Further tasks that are started; of a job, those of its next run (of a global job, one a node, not counted here).
    pub started: u64,
    /// Tasks that are ended for good.
    pub ended: u64,
    /// Whether a new task runs before its old one is ended.
    pub order: Order,
    /// How many tasks are replaced at once; 0 for all of them.
    pub parallelism: u64,
    /// Milliseconds between one replacement and the next.
    pub delay_ms: u64,
    /// How often so many are replaced, one after the other.
    pub rounds: u64,
    /// How much of the service is away meanwhile.
    pub downtime: Downtime,
    /// True when a new task finds no node as long as its old one runs: the update cannot go on.
    pub stuck: bool,
}

/// What a changed field means for the tasks of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// No task notices.
    Metadata,
    /// Tasks are started or ended; the others go on.
    Scale,
    /// Tasks whose node may not run them any more are replaced; the others go on.
    Placement,
    /// Tasks are replaced, because they are given another secret or config.
    Rotate,
    /// Tasks are replaced.
    RollingRestart,
    /// The job runs once more.
    RunAgain,
    /// All tasks end, and the service is made anew.
    Recreate,
}

/// Whether a new task runs before its old one is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The old task ends, then the new one starts.
    #[default]
    StopFirst,
    /// The new task runs (and is healthy, if it has a health check), then the old one ends.
    StartFirst,
}

/// How much of a service is away during a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Downtime {
    /// Nothing of it.
    #[default]
    None,
    /// A part: some tasks, and with them the host ports of their nodes.
    Reduced,
    /// All of it: for a while no task runs.
    Whole,
}

/// What an update to `body` does.
pub(super) fn of_update(observed: &Observed, service: &Object, body: &Value, diff: &[Change]) -> Effect {
    let tasks = slots(observed, service);
    let (mut effect, config) =
        (Effect { tasks: count(&tasks), ..Effect::default() }, at(body, "/UpdateConfig"));
    if let Some(started) = job(body) {
        let fields = diff.iter().map(|change| (change.field.clone(), Class::RunAgain)).collect();
        return Effect { fields, started, ended: effect.tasks, ..effect };
    }
    effect.fields = classes(diff);
    let wanted = replicas(body).unwrap_or(effect.tasks);
    let stay = effect.tasks.min(wanted);
    (effect.started, effect.ended) = (wanted - stay, effect.tasks - stay);
    effect.replaced = match effect.fields.values().max() {
        Some(Class::RollingRestart | Class::Rotate) => stay,
        Some(Class::Placement) => stay.min(misplaced(observed, &tasks, body)),
        _ => 0,
    };
    if effect.replaced > 0 {
        effect.order = order(config);
        // Without a policy one task is replaced after the other; a policy without a number means all at once.
        effect.parallelism = if config.is_null() { 1 } else { number(config, "/Parallelism") };
        effect.delay_ms = number(config, "/Delay") / 1_000_000;
        effect.rounds = effect.replaced.div_ceil(effect.together());
        effect.stuck = effect.order == Order::StartFirst && !has_room(observed, &tasks, service, body);
    }
    effect.downtime = effect.away(stay);
    effect
}

/// What it means that a service is deleted; with a diff, that it is made anew then.
pub(super) fn of_removal(observed: &Observed, service: &Object, diff: &[Change]) -> Effect {
    let tasks = count(&slots(observed, service));
    let fields = diff.iter().map(|change| (change.field.clone(), Class::Recreate)).collect();
    let downtime = if tasks == 0 { Downtime::None } else { Downtime::Whole };
    Effect { fields, tasks, ended: tasks, downtime, ..Effect::default() }
}

impl Effect {
    /// How many tasks are replaced at once.
    #[must_use]
    pub fn together(&self) -> u64 {
        let all = self.replaced.max(1);
        if self.parallelism == 0 { all } else { self.parallelism.min(all) }
    }

    fn away(&self, stay: u64) -> Downtime {
        if self.tasks > 0 && stay == 0 {
            Downtime::Whole
        } else if self.replaced == 0 || self.order == Order::StartFirst {
            Downtime::None
        } else if self.together() >= stay {
            Downtime::Whole
        } else {
            Downtime::Reduced
        }
    }
}

/// The class of each field. A placement counts for itself only while no other field of the task changes.
fn classes(diff: &[Change]) -> BTreeMap<String, Class> {
    let mut fields: BTreeMap<String, Class> = BTreeMap::new();
    for change in diff {
        let class = class(change);
        let known = fields.entry(change.field.clone()).or_insert(class);
        *known = class.max(*known);
    }
    if fields.values().any(|class| matches!(class, Class::Rotate | Class::RollingRestart)) {
        for class in fields.values_mut().filter(|class| **class == Class::Placement) {
            *class = Class::RollingRestart;
        }
    }
    fields
}

/// True when the engine would take the change and replace no task for it, although it should: it looks at the endpoint
/// only where something else than the placement makes it compare whole tasks.
pub(super) fn goes_unnoticed(diff: &[Change]) -> bool {
    let mut of_tasks = diff.iter().filter(|change| inside(change, "TaskTemplate")).peekable();
    diff.iter().any(|change| inside(change, "EndpointSpec"))
        && of_tasks.peek().is_some()
        && of_tasks.all(|change| inside(change, "TaskTemplate.Placement"))
}

fn inside(change: &Change, message: &str) -> bool {
    let rest = change.field.strip_prefix(message);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn class(change: &Change) -> Class {
    let field = change.field.as_str();
    let inside = |message: &str| inside(change, message);
    let renamed = change.before.is_some() && change.after.is_some();
    if inside("Mode") {
        Class::Scale
    } else if inside("TaskTemplate.Placement") {
        Class::Placement
    } else if renamed && (field.ends_with("].SecretName") || field.ends_with("].ConfigName")) {
        Class::Rotate
    } else if inside("TaskTemplate") || inside("EndpointSpec") {
        Class::RollingRestart
    } else {
        Class::Metadata
    }
}

/// The tasks that are meant to run, by replica, or by node for a global service; of several the newest.
type Slots<'a> = BTreeMap<(u64, &'a str), &'a Task>;

fn slots<'a>(observed: &'a Observed, service: &Object) -> Slots<'a> {
    let tasks = observed.tasks.get(&service.id).map(Vec::as_slice).unwrap_or_default();
    let mut slots = Slots::new();
    for task in tasks.iter().filter(|task| matches!(task.desired.as_str(), "running" | "ready")) {
        let key = (task.slot, if task.slot == 0 { task.node.as_str() } else { "" });
        let newest = slots.entry(key).or_insert(task);
        if newest.created < task.created {
            *newest = task;
        }
    }
    slots
}

fn count(slots: &Slots<'_>) -> u64 {
    slots.len() as u64
}

/// How many replicas are asked for; `None` for a global service.
fn replicas(body: &Value) -> Option<u64> {
    match at(body, "/Mode/Global") {
        Value::Null => Some(at(body, "/Mode/Replicated/Replicas").as_u64().unwrap_or(1)),
        _ => None,
    }
}

/// How many tasks a run of a job starts, as far as it says; `None` for a service that is no job.
fn job(body: &Value) -> Option<u64> {
    if at(body, "/Mode/GlobalJob").is_object() {
        return Some(0);
    }
    let job = at(body, "/Mode").get("ReplicatedJob")?;
    let said = |key| at(job, key).as_u64();
    Some(said("/TotalCompletions").or_else(|| said("/MaxConcurrent")).unwrap_or(1))
}

fn order(config: &Value) -> Order {
    if at(config, "/Order") == "start-first" { Order::StartFirst } else { Order::StopFirst }
}

fn number(value: &Value, pointer: &str) -> u64 {
    at(value, pointer).as_u64().unwrap_or_default()
}

/// Tasks whose node does not satisfy the constraints of `body`.
fn misplaced(observed: &Observed, slots: &Slots<'_>, body: &Value) -> u64 {
    let stays = |task: &&&Task| {
        observed.nodes.get(&task.node).is_some_and(|node| meets(&NodeFacts::read(&node.raw), body))
    };
    count(slots) - slots.values().filter(stays).count() as u64
}

/// True when some node can take a further task while all old ones run.
fn has_room(observed: &Observed, slots: &Slots<'_>, service: &Object, body: &Value) -> bool {
    let most = number(body, "/TaskTemplate/Placement/MaxReplicas");
    let (before, after) = (host_ports(at(&service.raw, "/Spec")), host_ports(body));
    let shares_port = after.iter().any(|port| before.contains(port));
    if !shares_port && most == 0 {
        return true;
    }
    let room = |node: &&Object| {
        let here = slots.values().filter(|task| task.node == node.id).count() as u64;
        meets(&NodeFacts::read(&node.raw), body) && !(shares_port && here > 0) && (most == 0 || here < most)
    };
    // A global service has its place on every node already.
    replicas(body).is_some() && observed.nodes.values().any(|node| room(&node))
}

/// Ports that a task holds on its node: number and protocol.
fn host_ports(spec: &Value) -> Vec<(u64, &str)> {
    let ports = at(spec, "/EndpointSpec/Ports").as_array().into_iter().flatten();
    let host = ports.filter(|port| at(port, "/PublishMode") == "host");
    let fixed =
        host.map(|port| (number(port, "/PublishedPort"), at(port, "/Protocol").as_str().unwrap_or("tcp")));
    fixed.filter(|(port, _)| *port > 0).collect()
}
