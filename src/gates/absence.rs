//! `absence`: no line of a log matches, and the log was really read.
//!
//! The log of the tasks that are there is read from its beginning, so that a proof of life which is written once, at the
//! start, is found by every later run. Unwanted lines count since the run started, by the times that the engine gives
//! them; or from the beginning, where the manifest says so. What a task wrote that an update has replaced is no longer
//! held against the service.

use std::collections::BTreeSet;

use jiff::Timestamp;
use regex::Regex;
use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen, Trouble};
use super::words::{excerpt, pattern};
use crate::manifest::{AbsenceGate, LogSince};
use crate::observed::Task;
use crate::report::Verdict;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Absence {
    /// Full name.
    service: String,
    unwanted: Regex,
    life: Regex,
    since: LogSince,
}

/// Counts lines as they come, so that a log of any length needs no memory.
#[derive(Clone, Debug)]
pub struct Tally {
    unwanted: Regex,
    life: Regex,
    /// Older lines are no unwanted ones; `None` where every line counts.
    from: Option<Timestamp>,
    /// Lines that were read.
    read: u64,
    /// Lines that counted.
    lines: u64,
    hits: u64,
    first: String,
    alive: u64,
}

impl Tally {
    fn new(unwanted: &Regex, life: &Regex, from: Option<Timestamp>) -> Self {
        let (unwanted, life) = (unwanted.clone(), life.clone());
        Self { unwanted, life, from, read: 0, lines: 0, hits: 0, first: String::new(), alive: 0 }
    }

    /// Takes in one line, without its line break, and when it was written, if that is known.
    pub fn read(&mut self, line: &str, written: Option<Timestamp>) {
        self.read += 1;
        self.alive += u64::from(self.life.is_match(line));
        if self.from.is_some_and(|from| written.is_some_and(|written| written < from)) {
            return;
        }
        self.lines += 1;
        if self.unwanted.is_match(line) {
            if self.hits == 0 {
                self.first = excerpt(line);
            }
            self.hits += 1;
        }
    }
}

impl Absence {
    pub(super) fn prepare(gate: &AbsenceGate) -> Result<Self, String> {
        if gate.pattern.is_empty() || gate.proof_of_life.is_empty() {
            return Err("`pattern` and `proof_of_life` must not be empty".to_owned());
        }
        Ok(Self {
            service: format!("{}_{}", gate.stack, gate.service),
            unwanted: pattern(&gate.pattern)?,
            life: pattern(&gate.proof_of_life)?,
            since: gate.since,
        })
    }

    pub(super) fn source(&self) -> String {
        format!("log of service `{}`", self.service)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let start = start(context);
        let tasks = match self.tasks(context, start).await {
            Ok(tasks) => tasks,
            Err(seen) => return seen,
        };
        let read = async {
            let from = (self.since == LogSince::Run).then_some(start);
            let mut tally = Tally::new(&self.unwanted, &self.life, from);
            for task in &tasks {
                let more = (context.shared.sources.task_log)(task.clone(), tally).await;
                tally = more.map_err(|why| {
                    Trouble::unknown(format!("the log of `{}` could not be read: {why}", self.service))
                })?;
            }
            Ok(tally)
        };
        let late = |time: &str| {
            format!(
                "the log of `{}` was not read to its end within {time}; `attempt` gives it more",
                self.service
            )
        };
        match context.budget().within(read, late).await {
            Ok(tally) => judge_absence(&tally),
            // A log that did not come says nothing either way.
            Err(trouble) => Trouble { verdict: Verdict::Unknown, ..trouble }.into(),
        }
    }

    /// The tasks whose log is read.
    async fn tasks(&self, context: &Context<'_, '_>, start: Timestamp) -> Result<BTreeSet<String>, Seen> {
        let look = context.look().await?;
        let Some(service) = look.services.get(&self.service) else {
            return Err(Seen::fail(format!("service `{}` does not exist", self.service), json!({})));
        };
        let tasks = look.tasks.get(&service.id).map(Vec::as_slice).unwrap_or_default();
        Ok(present(tasks, start))
    }
}

/// When the run started: what an earlier one changed and did not prove is proven from its start on.
fn start(context: &Context<'_, '_>) -> Timestamp {
    let sources = context.shared.sources;
    sources.changed.filter(|_| context.changed).map_or(sources.since, |changed| changed.min(sources.since))
}

/// The tasks whose log is read: those that run, and those that were made since the run started.
fn present(tasks: &[Task], start: Timestamp) -> BTreeSet<String> {
    let runs = |task: &Task| task.desired == "running" && task.state == "running";
    let is_new = |task: &Task| task.created.parse::<Timestamp>().is_ok_and(|made| made >= start);
    let counts = |task: &&Task| !task.container.is_empty() && (runs(task) || is_new(task));
    tasks.iter().filter(counts).map(|task| task.id.clone()).collect()
}

/// Judges what was counted: no line may be unwanted, at least one must be a proof of life.
fn judge_absence(tally: &Tally) -> Seen {
    let Tally { unwanted, life, from, read, lines, hits, first, alive } = tally;
    let since = from.map(|from| format!("{from:.3}"));
    let facts =
        json!({ "read": read, "since": since, "lines": lines, "unwanted": hits, "proof_of_life": alive });
    let when = since.map_or_else(String::new, |since| format!(" since {since}"));
    if *hits > 0 {
        let reason = format!("{hits} of {lines} lines{when} match `{unwanted}`; the first is {first}");
        return Seen::fail(reason, facts).with_hope(Hope::Never);
    }
    if *alive == 0 {
        let reason = format!("no proof of life: none of {read} lines matches `{life}`");
        return Seen::new(Verdict::Unknown, reason, facts);
    }
    Seen::pass(format!("none of {lines} lines{when} matches `{unwanted}`"), facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Judges lines, each with when it was written; what counts began at second 100.
    fn judge(from: Option<i64>, lines: &[(i64, &str)]) -> Seen {
        let (unwanted, life) = (Regex::new("acme").unwrap(), Regex::new("listening").unwrap());
        let mut tally = Tally::new(&unwanted, &life, from.map(at));
        for (second, line) in lines {
            tally.read(line, Some(at(*second)));
        }
        judge_absence(&tally)
    }

    #[test]
    fn absence_needs_a_proof_of_life() {
        assert_eq!(judge(None, &[]).verdict, Verdict::Unknown);
        assert_eq!(judge(None, &[(1, "starting")]).verdict, Verdict::Unknown);
        assert_eq!(judge(None, &[(1, "starting"), (1, "listening on 443")]).verdict, Verdict::Pass);
    }

    #[test]
    fn one_unwanted_line_is_final() {
        let seen = judge(None, &[(1, "listening on 443"), (2, "acme: obtaining a certificate")]);
        assert_eq!((seen.verdict, seen.hope), (Verdict::Fail, Hope::Never));
        assert!(seen.reason.starts_with("1 of 2 lines match `acme`; the first is \"acme: obtaining"));
    }

    #[test]
    fn unwanted_lines_count_from_the_start_on_and_a_proof_of_life_whenever_it_was_written() {
        let (old, new) = ((99, "acme: once"), (100, "acme: again"));
        assert_eq!(judge(Some(100), &[(1, "listening"), old]).verdict, Verdict::Pass);
        assert_eq!(judge(None, &[(1, "listening"), old]).verdict, Verdict::Fail);
        let seen = judge(Some(100), &[(1, "listening"), old, new]);
        assert!(
            seen.reason.starts_with("1 of 1 lines since 1970-01-01T00:01:40.000Z match"),
            "{}",
            seen.reason
        );
        assert_eq!(judge(Some(100), &[(1, "starting"), (200, "still")]).verdict, Verdict::Unknown);
        // A line whose time is not known is never taken for an old one.
        let (unwanted, life) = (Regex::new("acme").unwrap(), Regex::new("listening").unwrap());
        let mut tally = Tally::new(&unwanted, &life, Some(at(100)));
        tally.read("listening", None);
        tally.read("acme", None);
        assert_eq!(judge_absence(&tally).verdict, Verdict::Fail);
    }

    fn task(id: &str, made: i64, state: &str) -> Task {
        Task {
            id: id.to_owned(),
            container: format!("c-{id}"),
            created: at(made).to_string(),
            desired: if state == "running" { "running" } else { "shutdown" }.to_owned(),
            state: state.to_owned(),
            ..Task::default()
        }
    }

    #[test]
    fn what_runs_is_read_and_what_the_run_made_and_nothing_of_what_was_replaced() {
        let read = |tasks: &[Task]| present(tasks, at(1000)).into_iter().collect::<Vec<_>>();
        // A switch or a boot that changed nothing, and `verify`: the task began long ago.
        assert_eq!(read(&[task("before", 50, "shutdown"), task("now", 100, "running")]), ["now"]);
        // The run replaced it, and its first try crashed.
        let fresh =
            [task("old", 100, "shutdown"), task("crashed", 1001, "failed"), task("new", 1003, "running")];
        assert_eq!(read(&fresh), ["crashed", "new"]);
        // Nothing runs: nothing of the past is taken for a proof.
        assert_eq!(read(&[task("old", 100, "failed")]), Vec::<String>::new());
    }
}
