//! `absence`: no line of a log matches, and the log was really read.

use regex::Regex;
use serde_json::json;

use super::https::{excerpt, pattern};
use super::probe::Context;
use super::seen::{Hope, Seen, Trouble};
use super::swarm::seconds;
use crate::manifest::AbsenceGate;
use crate::report::Verdict;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Absence {
    /// Full name.
    service: String,
    unwanted: Regex,
    life: Regex,
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
        let since = match self.since(context).await {
            Ok(since) => since,
            Err(seen) => return seen,
        };
        let read = async {
            let lines = (context.shared.sources.service_log)(self.service.clone(), since).await;
            lines.map_err(|why| {
                Trouble::unknown(format!("the log of `{}` could not be read: {why}", self.service))
            })
        };
        let late = |time: &str| format!("the log of `{}` did not come within {time}", self.service);
        match context.budget().within(read, late).await {
            Ok(lines) => judge_absence(&self.unwanted, &self.life, &lines),
            // A log that did not come says nothing either way.
            Err(trouble) => Trouble { verdict: Verdict::Unknown, ..trouble }.into(),
        }
    }

    /// From when on the log counts: the run's start for what it changed, else the start of the oldest running task.
    async fn since(&self, context: &Context<'_, '_>) -> Result<i64, Seen> {
        let start = context.shared.sources.since;
        if context.changed {
            return Ok(start);
        }
        let look = context.look().await?;
        let Some(service) = look.services.get(&self.service) else {
            return Err(Seen::fail(format!("service `{}` does not exist", self.service), json!({})));
        };
        let tasks = look.tasks.get(&service.id).into_iter().flatten();
        let running = tasks.filter(|task| task.desired == "running" && task.state == "running");
        Ok(running.filter_map(|task| seconds(&task.created)).chain([start]).min().unwrap_or(start))
    }
}

/// Judges log lines: none may match `unwanted`, at least one must match `life`.
pub(super) fn judge_absence(unwanted: &Regex, life: &Regex, lines: &[String]) -> Seen {
    let hits: Vec<_> = lines.iter().filter(|line| unwanted.is_match(line)).collect();
    let alive = lines.iter().filter(|line| life.is_match(line)).count();
    let facts = json!({ "lines": lines.len(), "unwanted": hits.len(), "proof_of_life": alive });
    if let Some(first) = hits.first() {
        let reason = format!(
            "{} of {} lines match `{unwanted}`; the first is {}",
            hits.len(),
            lines.len(),
            excerpt(first)
        );
        return Seen::fail(reason, facts).with_hope(Hope::Never);
    }
    if alive == 0 {
        let reason = format!("no proof of life: none of {} lines matches `{life}`", lines.len());
        return Seen::new(Verdict::Unknown, reason, facts);
    }
    Seen::pass(format!("none of {} lines matches `{unwanted}`", lines.len()), facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(lines: &[&str]) -> Seen {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        judge_absence(&Regex::new("acme").unwrap(), &Regex::new("listening").unwrap(), &lines)
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
}
