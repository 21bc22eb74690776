//! `absence`: no line of a log matches, and the log was really read.
//!
//! What counts is the log of the tasks that are there: of those made since the run started, and of those that ran
//! before and still do, from their beginning. A proof of life that is written once at the start is so found on every
//! later run, and what a task wrote that an update has replaced is no longer held against the service.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen, Trouble};
use super::words::{excerpt, pattern, seconds};
use crate::manifest::AbsenceGate;
use crate::observed::Task;
use crate::report::Verdict;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Absence {
    /// Full name.
    service: String,
    unwanted: Regex,
    life: Regex,
}

/// Counts lines as they come, so that a log of any length needs no memory.
#[derive(Clone, Debug)]
pub struct Tally {
    unwanted: Regex,
    life: Regex,
    lines: u64,
    hits: u64,
    first: String,
    alive: u64,
}

impl Tally {
    fn new(unwanted: &Regex, life: &Regex) -> Self {
        let (unwanted, life) = (unwanted.clone(), life.clone());
        Self { unwanted, life, lines: 0, hits: 0, first: String::new(), alive: 0 }
    }

    /// Takes in one line, without its line break.
    pub fn read(&mut self, line: &str) {
        self.lines += 1;
        self.alive += u64::from(self.life.is_match(line));
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
        })
    }

    pub(super) fn source(&self) -> String {
        format!("log of service `{}`", self.service)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let (tasks, since) = match self.window(context).await {
            Ok(window) => window,
            Err(seen) => return seen,
        };
        let read = async {
            let mut tally = Tally::new(&self.unwanted, &self.life);
            for task in &tasks {
                let more = (context.shared.sources.task_log)(task.clone(), since, tally).await;
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

    /// The tasks whose log counts, and from when on.
    async fn window(&self, context: &Context<'_, '_>) -> Result<(BTreeSet<String>, i64), Seen> {
        let look = context.look().await?;
        let Some(service) = look.services.get(&self.service) else {
            return Err(Seen::fail(format!("service `{}` does not exist", self.service), json!({})));
        };
        let tasks = look.tasks.get(&service.id).map(Vec::as_slice).unwrap_or_default();
        Ok(window(tasks, context.shared.sources.since))
    }
}

/// The tasks whose log counts, and from when on: since the run started, or since the oldest task that runs was made.
fn window(tasks: &[Task], start: i64) -> (BTreeSet<String>, i64) {
    let made = |task: &Task| seconds(&task.created);
    let runs = |task: &&Task| task.desired == "running" && task.state == "running";
    let since = tasks.iter().filter(runs).filter_map(made).chain([start]).min().unwrap_or(start);
    let counts = |task: &&Task| !task.container.is_empty() && made(task).is_none_or(|made| made >= since);
    (tasks.iter().filter(counts).map(|task| task.id.clone()).collect(), since)
}

/// Judges what was counted: no line may be unwanted, at least one must be a proof of life.
fn judge_absence(tally: &Tally) -> Seen {
    let Tally { unwanted, life, lines, hits, first, alive } = tally;
    let facts = json!({ "lines": lines, "unwanted": hits, "proof_of_life": alive });
    if *hits > 0 {
        let reason = format!("{hits} of {lines} lines match `{unwanted}`; the first is {first}");
        return Seen::fail(reason, facts).with_hope(Hope::Never);
    }
    if *alive == 0 {
        let reason = format!("no proof of life: none of {lines} lines matches `{life}`");
        return Seen::new(Verdict::Unknown, reason, facts);
    }
    Seen::pass(format!("none of {lines} lines matches `{unwanted}`"), facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lines: &[&str]) -> Seen {
        let mut tally = Tally::new(&Regex::new("acme").unwrap(), &Regex::new("listening").unwrap());
        for line in lines {
            tally.read(line);
        }
        judge_absence(&tally)
    }

    #[test]
    fn absence_needs_a_proof_of_life() {
        assert_eq!(judge(&[]).verdict, Verdict::Unknown);
        assert_eq!(judge(&["starting"]).verdict, Verdict::Unknown);
        assert_eq!(judge(&["starting", "listening on 443"]).verdict, Verdict::Pass);
    }

    #[test]
    fn one_unwanted_line_is_final() {
        let seen = judge(&["listening on 443", "acme: obtaining a certificate"]);
        assert_eq!((seen.verdict, seen.hope), (Verdict::Fail, Hope::Never));
        assert!(seen.reason.starts_with("1 of 2 lines match `acme`; the first is \"acme: obtaining"));
    }

    fn task(id: &str, made: i64, state: &str) -> Task {
        Task {
            id: id.to_owned(),
            container: format!("c-{id}"),
            created: jiff::Timestamp::from_second(made).unwrap().to_string(),
            desired: if state == "running" { "running" } else { "shutdown" }.to_owned(),
            state: state.to_owned(),
            ..Task::default()
        }
    }

    fn counted(tasks: &[Task], start: i64) -> (Vec<String>, i64) {
        let (tasks, since) = window(tasks, start);
        (tasks.into_iter().collect(), since)
    }

    #[test]
    fn the_whole_log_of_what_runs_counts_and_nothing_of_what_was_replaced() {
        // A switch or a boot that changed nothing, and `verify`: the task began long ago.
        let settled = [task("before", 50, "shutdown"), task("now", 100, "running")];
        assert_eq!(counted(&settled, 1000), (vec!["now".to_owned()], 100));
        // The run replaced it, and its first try crashed.
        let fresh =
            [task("old", 100, "shutdown"), task("crashed", 1001, "failed"), task("new", 1003, "running")];
        assert_eq!(counted(&fresh, 1000), (vec!["crashed".to_owned(), "new".to_owned()], 1000));
        // Nothing runs: nothing of the past is taken for a proof.
        assert_eq!(counted(&[task("old", 100, "failed")], 1000), (Vec::new(), 1000));
    }
}
