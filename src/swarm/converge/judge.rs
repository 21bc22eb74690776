//! What one look at a service says. No clock and no socket in here: time is handed in.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Reason;
use super::count::{Count, Policy, STEADY, age, is_alive, is_running};
use crate::desired::Condition;
use crate::observed::{Cluster, Misfit, Task, at};
use crate::plan::Awaited;
use crate::report::Outcome;

/// A health check has been tried several times before it kills a task.
const UNHEALTHY: usize = 2;
/// A node tries to pull before it says that an image is missing; one such answer may be a hiccup of the registry.
const NO_IMAGE: usize = 2;
/// Ports and memory of the task before are free soon after it has stopped; a node that lacks a label is not.
const NO_NODE: Duration = Duration::from_secs(20);

/// When a look was taken, and what else was seen.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    /// Since the wait began.
    pub(super) elapsed: Duration,
    /// The time of day.
    pub(super) wall: Timestamp,
    /// Nodes and what is used on them; looked at only while something finds no place.
    pub(super) cluster: Option<&'a Cluster>,
}

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It runs as told, or has run.
    Done(Outcome),
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
    /// What Swarm said of an update that was over before the wait: it says nothing of this one.
    past: Value,
    /// How far it must come.
    until: Condition,
}

impl Watch {
    pub(super) fn new(awaited: &Awaited) -> Self {
        Self {
            past: awaited.past.clone(),
            until: awaited.until,
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
    pub(super) fn judge(&mut self, service: &Value, tasks: &[Task], now: &Moment<'_>) -> Verdict {
        let policy = Policy::of(service);
        self.remember(tasks, &policy);
        let count = Count::of(service, tasks, &policy, self.until);
        if let Some(verdict) = self.update_state(service, &count) {
            return verdict;
        }
        if let Some(reason) = self.hopeless(&policy).or_else(|| self.no_place(service, tasks, now)) {
            return Verdict::Failed(reason);
        }
        if let Some(reason) = self.nothing_alive(&count, tasks, now) {
            return Verdict::Failed(reason);
        }
        if !count.is_complete() {
            return Verdict::Waiting(count.missing(tasks, &policy));
        }
        if self.is_steady(tasks, &policy, now) {
            Verdict::Done(count.outcome())
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
    fn update_state(&self, service: &Value, count: &Count) -> Option<Verdict> {
        let status = at(service, "/UpdateStatus");
        let is_past = !status.is_null() && *status == self.past;
        let said = at(status, "/Message").as_str().unwrap_or_default();
        let message = match self.last_failure() {
            Some(task) if !task.error.is_empty() => format!("{said}; its task said: {}", task.error),
            _ => said.to_owned(),
        };
        match at(status, "/State").as_str().unwrap_or_default() {
            "" | "updating" | "completed" => None,
            "rollback_started" => Some(Verdict::Waiting("swarm is rolling it back".to_owned())),
            // A task that was started again may have made good what stopped the update.
            "paused" if is_past && count.is_complete() => None,
            "paused" => Some(Verdict::Failed(Reason::Paused { message })),
            "rollback_completed" | "rollback_paused" if is_past => None,
            "rollback_completed" | "rollback_paused" => Some(Verdict::Failed(Reason::RolledBack { message })),
            other => {
                Some(Verdict::Waiting(format!("swarm says `{other}` of the update, which is not known")))
            }
        }
    }

    /// Why waiting cannot help, because tasks keep ending.
    fn hopeless(&self, policy: &Policy) -> Option<Reason> {
        let mut replicas: BTreeMap<(u64, &str), Vec<&Task>> = BTreeMap::new();
        for task in self.ended.values() {
            let node = if task.slot == 0 { task.node.as_str() } else { "" };
            replicas.entry((task.slot, node)).or_default().push(task);
        }
        replicas.values().find_map(|ended| crashed(ended, policy))
    }

    /// No node takes a task, or a service that runs on every node has none to run on.
    fn no_place(&mut self, service: &Value, tasks: &[Task], now: &Moment<'_>) -> Option<Reason> {
        let Some(message) = unplaced(service, tasks, now.cluster) else {
            self.unplaced = None;
            return None;
        };
        let since = *self.unplaced.get_or_insert(now.elapsed);
        let misfit = now.cluster.map(|cluster| cluster.misfit(service));
        let Misfit { words, lasting } = misfit.unwrap_or(Misfit { words: String::new(), lasting: false });
        let patience = if lasting { STEADY } else { NO_NODE };
        (now.elapsed.saturating_sub(since) >= patience)
            .then_some(Reason::NoSuitableNode { message, nodes: words })
    }

    /// A service that should run, has ended before the wait began and is not started again.
    fn nothing_alive(&mut self, count: &Count, tasks: &[Task], now: &Moment<'_>) -> Option<Reason> {
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
    fn is_steady(&mut self, tasks: &[Task], policy: &Policy, now: &Moment<'_>) -> bool {
        let mut running: Vec<String> =
            tasks.iter().filter(|task| is_running(task)).map(|task| task.id.clone()).collect();
        running.sort();
        if running != self.running.0 {
            self.running = (running, now.elapsed);
        }
        let watched = now.elapsed.saturating_sub(self.running.1);
        let youngest = tasks.iter().filter(|task| is_running(task)).map(|task| age(task, now.wall)).min();
        let failed = policy.checked && !self.ended.is_empty();
        let steady = if failed { policy.steady.max(STEADY) } else { policy.steady };
        youngest.is_none_or(|age| age.max(watched) >= steady)
    }
}

/// True where it takes a look at the nodes to say more: something finds no place.
pub(super) fn asks_for_nodes(service: &Value, tasks: &[Task]) -> bool {
    (tasks.is_empty() && runs_everywhere(service)) || tasks.iter().any(is_unplaced)
}

fn runs_everywhere(service: &Value) -> bool {
    at(service, "/Spec/Mode/Global").is_object() || at(service, "/Spec/Mode/GlobalJob").is_object()
}

/// A task that waits for a node says why.
fn is_unplaced(task: &Task) -> bool {
    task.state == "pending" && !task.error.is_empty()
}

/// Swarm's own words for a service that finds no place.
fn unplaced(service: &Value, tasks: &[Task], cluster: Option<&Cluster>) -> Option<String> {
    if let Some(task) = tasks.iter().find(|task| is_unplaced(task)) {
        return Some(task.error.clone());
    }
    let nowhere = cluster.is_some_and(|cluster| !cluster.has_place_for(service));
    (tasks.is_empty() && runs_everywhere(service) && nowhere).then(|| "it has no task".to_owned())
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
