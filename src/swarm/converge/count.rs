//! What a service asks of its tasks, and how many of them there are.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::desired::Condition;
use crate::observed::{Task, at, ended_well};
use crate::report::Outcome;

/// A service without a health check counts as running once its tasks have run for so long, unless its own monitor time
/// says otherwise: a process that fails at once needs a moment to do so.
pub(super) const STEADY: Duration = Duration::from_secs(3);
/// One that is stopped because it is unhealthy, and ends well, counts as running for a moment.
const CHECKED: Duration = Duration::from_secs(1);
/// So many tasks of one replica that ended make a crash loop.
const CRASHES: usize = 3;

/// What a service says about its tasks' ends.
pub(super) struct Policy {
    /// A task that ends well is done, not broken.
    may_complete: bool,
    /// How many ends of one replica are too many.
    pub(super) crashes: usize,
    /// How long tasks must have run.
    pub(super) steady: Duration,
    /// True when containers have a health check.
    pub(super) checked: bool,
}

impl Policy {
    pub(super) fn of(service: &Value) -> Self {
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
        let steady = if checked { CHECKED } else { STEADY };
        let steady = monitor.map_or(steady, Duration::from_nanos);
        Self { may_complete: condition != "any" || is_job(service), crashes, steady, checked }
    }

    pub(super) fn is_failure(&self, task: &Task) -> bool {
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
pub(super) struct Count {
    have: u64,
    want: u64,
    /// Of those, how many have ended well and are not started again.
    done: u64,
    /// An update is under way.
    updating: bool,
    what: &'static str,
}

impl Count {
    pub(super) fn of(service: &Value, tasks: &[Task], policy: &Policy, until: Condition) -> Self {
        let mode = at(service, "/Spec/Mode");
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let updating = at(service, "/UpdateStatus/State") == "updating";
        let complete = tasks.iter().filter(|task| task.state == "complete").count();
        if let Some(total) = at(mode, "/ReplicatedJob/TotalCompletions").as_u64() {
            let have = number(complete);
            return Self { have, want: total, done: have, updating, what: "completed" };
        }
        if at(mode, "/GlobalJob").is_object() {
            let have = number(complete);
            return Self { have, want: number(tasks.len().max(1)), done: have, updating, what: "completed" };
        }
        let running = tasks.iter().filter(|task| is_running(task)).count();
        // A replica that ended well and is not to be started again counts as well as one that runs.
        let done = if policy.may_complete { ended_well(tasks) } else { 0 };
        // Whoever waits for its end does not go on while it runs.
        let ends = until == Condition::Completed;
        let have = if ends { number(done) } else { number(running + done) };
        let want = match at(mode, "/Replicated/Replicas").as_u64() {
            Some(replicas) => replicas,
            None => number(tasks.iter().filter(|task| task.desired == "running").count() + done).max(1),
        };
        Self { have, want, done: number(done), updating, what: if ends { "completed" } else { "running" } }
    }

    /// What it is once it is complete.
    pub(super) const fn outcome(&self) -> Outcome {
        if self.done > 0 && self.done == self.have { Outcome::Completed } else { Outcome::Converged }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.have == self.want && !self.updating
    }

    pub(super) fn words(&self) -> String {
        format!("{} of {} {}", self.have, self.want, self.what)
    }

    pub(super) fn missing(&self, tasks: &[Task], policy: &Policy) -> String {
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

pub(super) fn is_running(task: &Task) -> bool {
    task.state == "running" && task.desired == "running"
}

/// True for a task that may still come to run.
pub(super) fn is_alive(task: &Task) -> bool {
    !has_ended(&task.state) && matches!(task.desired.as_str(), "running" | "ready" | "accepted" | "complete")
}

/// True for the state of a task that will not run again.
pub(crate) fn has_ended(state: &str) -> bool {
    matches!(state, "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned")
}

pub(super) fn age(task: &Task, wall: Timestamp) -> Duration {
    let since = task.since.parse::<Timestamp>().ok();
    since.and_then(|since| Duration::try_from(wall.duration_since(since)).ok()).unwrap_or_default()
}
