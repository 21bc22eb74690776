//! `swarm`: what a stack really is, judged over one look at the engine.

use std::time::Duration;

use serde_json::{Value, json};

use super::Expected;
use super::context::Context;
use super::course::words;
use super::seen::Seen;
use super::words::seconds;
use crate::manifest::SwarmGate;
use crate::observed::placement::{NodeFacts, eligible};
use crate::observed::{Object, Observed, Task, at, ended_well};

/// As many services are named in a reason; the rest is counted.
const NAMED: usize = 5;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Swarm {
    stack: String,
    /// Full name, when the gate is for one service.
    service: Option<String>,
}

impl Swarm {
    pub(super) fn prepare(gate: &SwarmGate) -> Self {
        let service = gate.service.as_ref().map(|service| format!("{}_{service}", gate.stack));
        Self { stack: gate.stack.clone(), service }
    }

    pub(super) fn judge(&self, look: &Observed, context: &Context<'_, '_>) -> Seen {
        let expected = context.shared.sources.expected.iter();
        let expected: Vec<_> = expected
            .filter(|(name, expected)| {
                expected.stack == self.stack && self.service.as_ref().is_none_or(|service| service == *name)
            })
            .map(|(name, expected)| (name.as_str(), expected))
            .collect();
        if expected.is_empty() {
            let what = self
                .service
                .as_ref()
                .map_or_else(|| format!("stack `{}`", self.stack), |name| format!("service `{name}`"));
            return Seen::unknown(format!("{what} is not in the manifest"));
        }
        let age = context.changed.then_some(context.soak);
        let now = jiff::Timestamp::now().as_second();
        judge_services(&expected, look, &Youth { min_age: age, now })
    }
}

/// How old running tasks must be.
pub(super) struct Youth {
    /// `None` when age does not matter.
    pub(super) min_age: Option<Duration>,
    /// Unix seconds.
    pub(super) now: i64,
}

/// Judges services by their full names; every one must hold.
pub(super) fn judge_services(expected: &[(&str, &Expected)], look: &Observed, youth: &Youth) -> Seen {
    let mut problems = Vec::new();
    let mut facts = serde_json::Map::new();
    let mut running = 0;
    let nodes: Vec<NodeFacts> = look.nodes.values().map(|node| NodeFacts::read(&node.raw)).collect();
    for (name, expected) in expected {
        let Some(service) = look.services.get(*name) else {
            problems.push(format!("service `{name}` does not exist"));
            continue;
        };
        let tasks = look.tasks.get(&service.id).map_or(&[][..], Vec::as_slice);
        let view = View { name, expected, service, tasks, nodes: &nodes };
        let (found, wrong) = view.judge(youth);
        running += found.running;
        facts.insert((*name).to_owned(), json!({ "running": found.running, "wanted": found.wanted }));
        problems.extend(wrong);
    }
    let (all, tasks) = (expected.len(), if running == 1 { "task" } else { "tasks" });
    let holds = format!("{all} of {all} services as declared, {running} {tasks} running");
    let more = problems.len().saturating_sub(NAMED);
    if more > 0 {
        problems.truncate(NAMED);
        problems.push(format!("and {more} more"));
    }
    Seen::judged(&problems, holds, json!({ "services": facts }))
}

struct View<'a> {
    name: &'a str,
    expected: &'a Expected,
    service: &'a Object,
    tasks: &'a [Task],
    nodes: &'a [NodeFacts],
}

/// How many tasks there are and should be.
struct Count {
    running: u64,
    wanted: u64,
}

/// What a service's mode asks for.
enum Mode {
    Replicated(u64),
    Global,
    ReplicatedJob(u64),
    GlobalJob,
}

fn mode(service: &Object) -> Option<Mode> {
    let mode = at(&service.raw, "/Spec/Mode");
    if let Some(replicated) = mode.get("Replicated") {
        return Some(Mode::Replicated(replicated.get("Replicas").and_then(Value::as_u64).unwrap_or(1)));
    }
    if let Some(job) = mode.get("ReplicatedJob") {
        let total = job.get("TotalCompletions").or_else(|| job.get("MaxConcurrent"));
        return Some(Mode::ReplicatedJob(total.and_then(Value::as_u64).unwrap_or(1)));
    }
    if mode.get("GlobalJob").is_some() {
        return Some(Mode::GlobalJob);
    }
    mode.get("Global").map(|_| Mode::Global)
}

impl View<'_> {
    fn judge(&self, youth: &Youth) -> (Count, Vec<String>) {
        let name = self.name;
        let mut problems = Vec::new();
        problems.extend(update_problem(name, self.service, self.expected.equal));
        let image = at(&self.service.raw, "/Spec/TaskTemplate/ContainerSpec/Image");
        let image = image.as_str().unwrap_or_default();
        if !self.expected.image.is_empty() && image != self.expected.image {
            problems
                .push(format!("`{name}` is set to image `{image}`, declared is `{}`", self.expected.image));
        }
        let Some(mode) = mode(self.service) else {
            problems.push(format!("`{name}` has a mode that is not known"));
            return (Count { running: 0, wanted: 0 }, problems);
        };
        let count = match mode {
            Mode::Replicated(replicas) => self.judge_replicated(replicas, image, &mut problems),
            Mode::Global => self.judge_global(image, &mut problems),
            Mode::ReplicatedJob(total) => self.judge_job(total, &mut problems),
            Mode::GlobalJob => self.judge_global_job(&mut problems),
        };
        problems.extend(self.age_problem(youth));
        (count, problems)
    }

    /// Tasks that are wanted and run.
    fn running(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.desired == "running" && task.state == "running")
    }

    fn eligible(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| eligible(node, &self.service.raw))
    }

    fn judge_replicated(&self, replicas: u64, image: &str, problems: &mut Vec<String>) -> Count {
        let name = self.name;
        let running = self.running().count() as u64;
        if let Some(declared) = self.expected.replicas.filter(|declared| *declared != replicas) {
            problems.push(format!("`{name}` is scaled to {replicas}, declared are {declared} replicas"));
        }
        let restart = at(&self.service.raw, "/Spec/TaskTemplate/RestartPolicy/Condition");
        let ends = restart.as_str().is_some_and(|condition| condition != "any");
        let done = if ends { ended_well(self.tasks) as u64 } else { 0 };
        if running + done != replicas {
            let why = self.last_trouble().unwrap_or_default();
            problems.push(format!("`{name}` runs {running} of {replicas} tasks{why}"));
        }
        problems.extend(self.image_problem(image));
        Count { running, wanted: replicas }
    }

    fn judge_global(&self, image: &str, problems: &mut Vec<String>) -> Count {
        problems.extend(self.nodes_problem(|id| self.running().any(|task| task.node == id), "does not run"));
        problems.extend(self.image_problem(image));
        Count { running: self.running().count() as u64, wanted: self.eligible().count() as u64 }
    }

    /// Nodes that may run it and where nothing `is_there`; a service of every node that none may run is nowhere.
    fn nodes_problem(&self, is_there: impl Fn(&str) -> bool, what: &str) -> Option<String> {
        let missing: Vec<_> = self
            .eligible()
            .filter(|node| !is_there(&node.id))
            .map(|node| format!("`{}`", node.name))
            .collect();
        if !missing.is_empty() {
            let why = self.last_trouble().unwrap_or_default();
            return Some(format!("`{}` {what} on node {}{why}", self.name, missing.join(", ")));
        }
        let nowhere = self.eligible().next().is_none();
        nowhere.then(|| format!("`{}` is global and no ready node may run it", self.name))
    }

    /// Tasks of a job's last execution that have completed.
    fn completed(&self) -> impl Iterator<Item = &Task> {
        let iteration = at(&self.service.raw, "/JobStatus/JobIteration/Index").as_u64();
        let current = move |task: &&Task| iteration.is_none() || task.iteration == iteration;
        self.tasks.iter().filter(current).filter(|task| task.state == "complete")
    }

    /// A job holds when its last execution has completed as often as it should.
    fn judge_job(&self, total: u64, problems: &mut Vec<String>) -> Count {
        let done = self.completed().count() as u64;
        if done < total {
            let why = self.last_trouble().unwrap_or_default();
            problems.push(format!("job `{}` completed {done} of {total} tasks{why}", self.name));
        }
        Count { running: done, wanted: total }
    }

    /// A job of every node holds when it has completed on each: what a node did that may no longer run it stands for no other.
    fn judge_global_job(&self, problems: &mut Vec<String>) -> Count {
        let is_done = |id: &str| self.completed().any(|task| task.node == id);
        problems.extend(self.nodes_problem(is_done, "has not completed"));
        let done = self.eligible().filter(|node| is_done(&node.id)).count() as u64;
        Count { running: done, wanted: self.eligible().count() as u64 }
    }

    fn image_problem(&self, image: &str) -> Option<String> {
        let other = self.running().find(|task| task.image != image)?;
        Some(format!("a task of `{}` runs image `{}`, its service says `{image}`", self.name, other.image))
    }

    fn age_problem(&self, youth: &Youth) -> Option<String> {
        let min = youth.min_age.filter(|min| !min.is_zero())?;
        let youngest = self.running().filter_map(|task| seconds(&task.since)).max()?;
        let age = Duration::from_secs(u64::try_from(youth.now - youngest).unwrap_or(0));
        (age < min).then(|| {
            format!("the youngest task of `{}` runs for {}, must be {}", self.name, words(age), words(min))
        })
    }

    /// What the newest task that is not running says.
    fn last_trouble(&self) -> Option<String> {
        let failing = self.tasks.iter().filter(|task| task.state != "running" && task.state != "complete");
        let task = failing.max_by(|a, b| a.created.cmp(&b.created))?;
        let exit = task.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}"));
        let said = if task.error.is_empty() { &task.message } else { &task.error };
        Some(format!(" (a task is {}: {said}{})", task.state, exit.unwrap_or_default()))
    }
}

/// What the state of an update says against the service.
fn update_problem(name: &str, service: &Object, equal: bool) -> Option<String> {
    let status = service.raw.get("UpdateStatus")?;
    let message = status.get("Message").and_then(Value::as_str).unwrap_or_default();
    let what = match status.get("State").and_then(Value::as_str)? {
        "completed" | "" => return None,
        "updating" => "is still being updated",
        "paused" => "has an update that was paused",
        "rollback_started" => "is being rolled back",
        "rollback_paused" => "has a rollback that was paused",
        "rollback_completed" if equal => return None,
        "rollback_completed" => "was rolled back",
        _ => "has an update in an unknown state",
    };
    Some(if message.is_empty() { format!("`{name}` {what}") } else { format!("`{name}` {what}: {message}") })
}

/// Judges that an overlay network exists.
pub(super) fn judge_network(name: &str, look: &Observed) -> Seen {
    let Some(network) = look.networks.get(name) else {
        return Seen::fail(format!("network `{name}` does not exist"), Value::Null);
    };
    let driver = network.raw.get("Driver").and_then(Value::as_str).unwrap_or_default();
    let scope = network.raw.get("Scope").and_then(Value::as_str).unwrap_or_default();
    let facts = json!({ "id": network.id, "driver": driver, "scope": scope });
    if driver == "overlay" && scope == "swarm" {
        Seen::pass(format!("network `{name}` is there"), facts)
    } else {
        Seen::fail(format!("network `{name}` is a `{driver}` network of scope `{scope}`, no overlay"), facts)
    }
}
