//! `runner`: a build is asked for, a runner takes it, and it is green.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use serde_json::json;

use super::context::Context;
use super::seen::{Hope, Seen};
use crate::manifest::RunnerGate;
use crate::observed::TrialSeen;

/// A gate, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    gate: RunnerGate,
    /// By which every attempt finds the one build of this run again, also when the answer to the call that made it was lost.
    mark: String,
}

impl Trial {
    pub(super) fn prepare(gate: &RunnerGate) -> Self {
        Self { gate: gate.clone(), mark: format!("{:016x}", RandomState::new().build_hasher().finish()) }
    }

    pub(super) fn source(&self) -> String {
        format!("a build of {} in forge.drone", self.gate.repository)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(looks) = context.shared.sources.forges else {
            return Seen::unknown("Drone cannot be asked here");
        };
        match (looks.runner)(self.gate.clone(), self.mark.clone()).await {
            Ok(seen) => judge(&seen),
            Err(why) => why.into(),
        }
    }
}

fn judge(seen: &TrialSeen) -> Seen {
    let TrialSeen { number, status, error, runner, waited, over, earlier } = seen;
    let facts = json!({
        "build": number, "status": status, "runner": runner, "waited_seconds": waited, "earlier": earlier,
    });
    let waited = waited.map_or(String::new(), |waited| format!(" after {waited} s"));
    if status == "success" {
        let when = if *earlier { ", asked for by an earlier run" } else { "" };
        return Seen::pass(
            format!("build {number} was taken by `{runner}`{waited} and is green{when}"),
            facts,
        );
    }
    if *over {
        let why = if error.is_empty() { String::new() } else { format!(": {error}") };
        return Seen::fail(format!("build {number} ended as `{status}`{why}"), facts).with_hope(Hope::Never);
    }
    let reason = if runner.is_empty() {
        format!("build {number} waits: no runner is connected that takes it")
    } else {
        format!("build {number} is still at work on `{runner}`")
    };
    Seen::fail(reason, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    #[test]
    fn only_a_green_build_is_a_runner_and_one_that_ended_otherwise_is_not_waited_for() {
        for (status, over, runner, verdict, hope, words) in [
            ("success", true, "ci", Verdict::Pass, None, "taken by `ci` after 2 s and is green"),
            ("pending", false, "", Verdict::Fail, None, "no runner is connected"),
            ("running", false, "ci", Verdict::Fail, None, "still at work on `ci`"),
            ("failure", true, "ci", Verdict::Fail, Some(Hope::Never), "ended as `failure`"),
            ("error", true, "", Verdict::Fail, Some(Hope::Never), "ended as `error`: bad file"),
            ("killed", true, "ci", Verdict::Fail, Some(Hope::Never), "ended as `killed`"),
        ] {
            let error = if status == "error" { "bad file" } else { "" };
            let seen = judge(&TrialSeen {
                number: 7,
                status: status.to_owned(),
                error: error.to_owned(),
                runner: runner.to_owned(),
                waited: Some(2),
                over,
                earlier: false,
            });
            assert_eq!(seen.verdict, verdict, "{status}");
            assert!(seen.reason.contains(words), "{status}: {}", seen.reason);
            assert!(hope.is_none_or(|hope| seen.hope == hope), "{status}");
        }
    }
}
