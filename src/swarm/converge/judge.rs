//! What one look at a service says. No clock and no socket in here: time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Reason;
use crate::observed::{Task, at};

/// A service without a health check counts as running once its tasks have run for so long, unless its own monitor time
/// says otherwise: a process that fails at once needs a moment to do so.
const STEADY: Duration = Duration::from_secs(3);
/// So many tasks of one replica that ended make a crash loop.
const CRASHES: usize = 3;
/// A health check has been tried several times before it kills a task.
const UNHEALTHY: usize = 2;
/// A node tries to pull before it says that an image is missing; one such answer may be a hiccup of the registry.
const NO_IMAGE: usize = 2;
/// Ports and memory of the task before are free soon after it has stopped; a node that lacks a label is not.
const NO_NODE: Duration = Duration::from_secs(20);

/// When a look was taken.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Since the wait began.
    pub(super) elapsed: Duration,
    /// The time of day.
    pub(super) wall: Timestamp,
}

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It runs as told.
    Converged,
    /// Not yet, and this is missing.
    Waiting(String),
    /// It will not.
    Failed(Reason),
}

/// What is remembered of one service between looks.
pub(super) struct Watch {
    /// Tasks that had ended before the first look: they tell about the past. `None` before the first look.
    before: Option<Vec<String>>,
    /// Tasks that ended since, by id.
    ended: BTreeMap<String, Task>,
    /// Since when no node has been suitable.
    unplaced: Option<Duration>,
    /// Since when nothing has been alive although something should be.
    dead: Option<Duration>,
    /// Since when exactly these tasks have run.
    running: (Vec<String>, Duration),
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            before: None,
            ended: BTreeMap::new(),
            unplaced: None,
            dead: None,
            running: (Vec::new(), Duration::ZERO),
        }
    }

    /// The newest task that failed since the wait began.
    pub(super) fn last_failure(&self) -> Option<&Task> {
        self.ended.values().max_by(|a, b| a.since.cmp(&b.since))
    }

    /// Judges a service by its raw object and by those of its tasks that are made from its current spec.
    pub(super) fn judge(&mut self, service: &Value, tasks: &[Task], now: Moment) -> Verdict {
        let policy = Policy::of(service);
        self.remember(tasks, &policy);
        if let Some(verdict) = self.update_state(service) {
            return verdict;
        }
        if let Some(reason) = self.hopeless(tasks, &policy, now) {
            return Verdict::Failed(reason);
        }
        let count = Count::of(service, tasks, &policy);
        if let Some(reason) = self.nothing_alive(&count, tasks, now) {
            return Verdict::Failed(reason);
        }
        if !count.is_complete() {
            return Verdict::Waiting(count.missing(tasks, &policy));
        }
        if self.is_steady(tasks, &policy, now) {
            Verdict::Converged
        } else {
            Verdict::Waiting(format!("{}, watched for a moment", count.words()))
        }
    }

    fn remember(&mut self, tasks: &[Task], policy: &Policy) {
        let ended = tasks.iter().filter(|task| policy.is_failure(task));
        let Some(before) = &self.before else {
            self.before = Some(ended.map(|task| task.id.clone()).collect());
            return;
        };
        for task in ended.filter(|task| !before.contains(&task.id)) {
            self.ended.insert(task.id.clone(), task.clone());
        }
    }

    /// What Swarm says about an update; nothing when that stands in no one's way.
    fn update_state(&self, service: &Value) -> Option<Verdict> {
        let said = at(service, "/UpdateStatus/Message").as_str().unwrap_or_default();
        let message = match self.last_failure() {
            Some(task) if !task.error.is_empty() => format!("{said}; its task said: {}", task.error),
            _ => said.to_owned(),
        };
        match at(service, "/UpdateStatus/State").as_str().unwrap_or_default() {
            "paused" => Some(Verdict::Failed(Reason::Paused { message })),
            "rollback_completed" | "rollback_paused" => Some(Verdict::Failed(Reason::RolledBack { message })),
            "rollback_started" => Some(Verdict::Waiting("swarm is rolling it back".to_owned())),
            _ => None,
        }
    }

    /// Why waiting cannot help, where it cannot.
    fn hopeless(&mut self, tasks: &[Task], policy: &Policy, now: Moment) -> Option<Reason> {
        let mut replicas: BTreeMap<(u64, &str), Vec<&Task>> = BTreeMap::new();
        for task in self.ended.values() {
            let node = if task.slot == 0 { task.node.as_str() } else { "" };
            replicas.entry((task.slot, node)).or_default().push(task);
        }
        if let Some(reason) = replicas.values().find_map(|ended| crashed(ended, policy)) {
            return Some(reason);
        }
        let unplaced =
            tasks.iter().find(|task| task.state == "pending" && task.error.contains("no suitable node"));
        let Some(task) = unplaced else {
            self.unplaced = None;
            return None;
        };
        let since = *self.unplaced.get_or_insert(now.elapsed);
        let message = task.error.clone();
        (now.elapsed.saturating_sub(since) >= NO_NODE).then_some(Reason::NoSuitableNode { message })
    }

    /// A service that should run, has ended before the wait began and is not started again.
    fn nothing_alive(&mut self, count: &Count, tasks: &[Task], now: Moment) -> Option<Reason> {
        if count.is_complete() || tasks.is_empty() || tasks.iter().any(is_alive) {
            self.dead = None;
            return None;
        }
        let since = *self.dead.get_or_insert(now.elapsed);
        if now.elapsed.saturating_sub(since) < STEADY * 2 {
            return None;
        }
        let last = tasks.iter().max_by(|a, b| a.since.cmp(&b.since))?;
        Some(reason(last, tasks.len()))
    }

    /// True when the running tasks have run for long enough to be believed.
    fn is_steady(&mut self, tasks: &[Task], policy: &Policy, now: Moment) -> bool {
        let mut running: Vec<String> =
            tasks.iter().filter(|task| is_running(task)).map(|task| task.id.clone()).collect();
        running.sort();
        if running != self.running.0 {
            self.running = (running, now.elapsed);
        }
        let watched = now.elapsed.saturating_sub(self.running.1);
        let youngest = tasks.iter().filter(|task| is_running(task)).map(|task| age(task, now.wall)).min();
        youngest.is_none_or(|age| age.max(watched) >= policy.steady)
    }
}

/// What a service says about its tasks' ends.
struct Policy {
    /// A task that ends well is done, not broken.
    may_complete: bool,
    /// How many ends of one replica are too many.
    crashes: usize,
    /// How long tasks must have run.
    steady: Duration,
    /// True when containers have a health check.
    checked: bool,
}

impl Policy {
    fn of(service: &Value) -> Self {
        let restart = at(service, "/Spec/TaskTemplate/RestartPolicy");
        let condition = at(restart, "/Condition").as_str().unwrap_or("any");
        let attempts = at(restart, "/MaxAttempts").as_u64().unwrap_or_default();
        let crashes = match (condition, usize::try_from(attempts).unwrap_or(usize::MAX)) {
            ("none", _) => 1,
            (_, 0) => CRASHES,
            (_, attempts) => CRASHES.min(attempts.saturating_add(1)),
        };
        let test = at(service, "/Spec/TaskTemplate/ContainerSpec/Healthcheck/Test/0").as_str();
        let checked = test.is_some_and(|test| test != "NONE");
        let monitor = at(service, "/Spec/UpdateConfig/Monitor").as_u64().filter(|monitor| *monitor > 0);
        let steady = if checked { Duration::ZERO } else { STEADY };
        let steady = monitor.map_or(steady, Duration::from_nanos);
        Self { may_complete: condition != "any" || is_job(service), crashes, steady, checked }
    }

    fn is_failure(&self, task: &Task) -> bool {
        match task.state.as_str() {
            "failed" | "rejected" => true,
            "complete" => !self.may_complete,
            _ => false,
        }
    }
}

fn is_job(service: &Value) -> bool {
    at(service, "/Spec/Mode/ReplicatedJob").is_object() || at(service, "/Spec/Mode/GlobalJob").is_object()
}

/// How many tasks there shall be, and how many there are.
struct Count {
    have: u64,
    want: u64,
    /// An update is under way.
    updating: bool,
    what: &'static str,
}

impl Count {
    fn of(service: &Value, tasks: &[Task], policy: &Policy) -> Self {
        let mode = at(service, "/Spec/Mode");
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let updating = at(service, "/UpdateStatus/State") == "updating";
        let complete = tasks.iter().filter(|task| task.state == "complete").count();
        if let Some(total) = at(mode, "/ReplicatedJob/TotalCompletions").as_u64() {
            return Self { have: number(complete), want: total, updating, what: "completed" };
        }
        if at(mode, "/GlobalJob").is_object() {
            return Self {
                have: number(complete),
                want: number(tasks.len().max(1)),
                updating,
                what: "completed",
            };
        }
        let running = tasks.iter().filter(|task| is_running(task)).count();
        // A replica that ended well and is not to be started again counts as well as one that runs.
        let done = if policy.may_complete { ended_well(tasks) } else { 0 };
        let have = number(running + done);
        let want = match at(mode, "/Replicated/Replicas").as_u64() {
            Some(replicas) => replicas,
            None => number(tasks.iter().filter(|task| task.desired == "running").count() + done).max(1),
        };
        Self { have, want, updating, what: "running" }
    }

    const fn is_complete(&self) -> bool {
        self.have == self.want && !self.updating
    }

    fn words(&self) -> String {
        format!("{} of {} {}", self.have, self.want, self.what)
    }

    fn missing(&self, tasks: &[Task], policy: &Policy) -> String {
        let mut words = self.words();
        if self.updating && self.have == self.want {
            words.push_str(", swarm is still watching the update");
        }
        let behind = tasks.iter().find(|task| is_alive(task) && !is_running(task));
        if let Some(task) = behind {
            let waits = if task.state == "starting" && policy.checked { " (health check)" } else { "" };
            words = format!("{words}, a task is {}{waits}", task.state);
            if !task.error.is_empty() {
                words = format!("{words}: {}", task.error);
            }
        }
        words
    }
}

/// Replicas whose newest task is complete.
fn ended_well(tasks: &[Task]) -> usize {
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

fn is_running(task: &Task) -> bool {
    task.state == "running" && task.desired == "running"
}

/// True for a task that may still come to run.
fn is_alive(task: &Task) -> bool {
    let ended = matches!(
        task.state.as_str(),
        "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned"
    );
    !ended && matches!(task.desired.as_str(), "running" | "ready" | "accepted" | "complete")
}

fn age(task: &Task, wall: Timestamp) -> Duration {
    let since = task.since.parse::<Timestamp>().ok();
    since.and_then(|since| Duration::try_from(wall.duration_since(since)).ok()).unwrap_or_default()
}

/// Why a replica is given up, once enough of its tasks have ended.
fn crashed(ended: &[&Task], policy: &Policy) -> Option<Reason> {
    let last = ended.iter().max_by(|a, b| a.since.cmp(&b.since))?;
    let reason = reason(last, ended.len());
    let enough = match reason {
        Reason::ImageMissing { .. } => NO_IMAGE.min(policy.crashes),
        Reason::Unhealthy { .. } => UNHEALTHY.min(policy.crashes),
        _ => policy.crashes,
    };
    (ended.len() >= enough).then_some(reason)
}

/// What the end of a task means.
fn reason(last: &Task, failures: usize) -> Reason {
    let (task, error) = (last.id.clone(), last.error.clone());
    let says = |text: &str| last.error.contains(text);
    if says("No such image")
        || says("pull access denied")
        || says("manifest unknown")
        || says("failed to resolve")
    {
        return Reason::ImageMissing { image: last.image.clone(), message: error };
    }
    if says("unhealthy container") {
        return Reason::Unhealthy { task, error, failures };
    }
    if last.state == "rejected" {
        return Reason::Rejected { task, error };
    }
    let error = if error.is_empty() { last.message.clone() } else { error };
    Reason::CrashLoop { task, error, exit_code: last.exit_code, failures }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
