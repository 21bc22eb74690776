//! A unit of systemd that was told of changed secrets: does it run with them?

use serde_json::json;

use super::seen::{Hope, Seen};
use crate::observed::{Ask, UnitSeen, Wish};

/// What was found of a unit.
#[derive(Clone, Debug, Default)]
pub struct UnitLook {
    /// How it is.
    pub unit: UnitSeen,
    /// The last lines that its invocation wrote, where it failed.
    pub log: Vec<String>,
}

/// Judges what became of an ask.
pub(super) fn judge(ask: &Ask, look: &UnitLook) -> Seen {
    let unit = &look.unit;
    let facts = json!({
        "active": unit.active, "result": unit.result, "invocation": unit.invocation, "before": ask.before,
    });
    let anew = unit.invocation != ask.before;
    let (wish, wished) = match ask.wish {
        Wish::Restart => ("restart", "restarted"),
        Wish::Reload => ("reload", "reloaded"),
    };
    if unit.active == "failed" {
        let log = look.log.join(" | ");
        let reason =
            format!("failed after its {wish}, with the result `{}`; its last lines: {log}", unit.result);
        return Seen::fail(reason, facts).with_hope(Hope::Never);
    }
    if unit.job || matches!(unit.active.as_str(), "activating" | "deactivating" | "reloading" | "refreshing")
    {
        return Seen::fail(format!("its {wish} is under way ({})", unit.active), facts);
    }
    if unit.load == "not-found" || !unit.runs() {
        // What does not run holds nothing old.
        return Seen::pass(format!("does not run any more ({})", unit.active), facts);
    }
    if ask.wish == Wish::Reload && !anew {
        if !matches!(unit.reload_result.as_str(), "" | "success") {
            let reason = format!("its reload failed, with the result `{}`", unit.reload_result);
            return Seen::fail(reason, facts).with_hope(Hope::Never);
        }
        if unit.changed > ask.changed {
            return Seen::pass(format!("was {wished}, and runs"), facts);
        }
    }
    if anew {
        return Seen::pass("runs anew with what changed".to_owned(), facts);
    }
    let reason = if ask.told {
        format!("was told to {wish} and has not: it is as it was before")
    } else {
        format!("was not told to {wish} yet: `holdfast apply` does that")
    };
    Seen::fail(reason, facts).with_hope(Hope::OnlyAfterChange)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::Verdict;

    fn judged(wish: Wish, told: bool, change: impl FnOnce(&mut UnitSeen)) -> (Verdict, String) {
        let ask = Ask { wish, before: "a".into(), changed: 5, told, holds: BTreeSet::new() };
        let mut unit = UnitSeen {
            load: "loaded".into(),
            active: "active".into(),
            result: "success".into(),
            invocation: "a".into(),
            changed: 5,
            ..UnitSeen::default()
        };
        change(&mut unit);
        let seen = judge(&ask, &UnitLook { unit, log: vec!["no such port".into()] });
        (seen.verdict, seen.reason)
    }

    #[test]
    fn only_another_invocation_that_runs_proves_a_restart() {
        let restart = |change: fn(&mut UnitSeen)| judged(Wish::Restart, true, change);
        assert_eq!(restart(|_| ()).0, Verdict::Fail, "the old invocation runs on");
        assert_eq!(restart(|unit| unit.changed = 9).0, Verdict::Fail, "a change of state is no restart");
        assert_eq!(restart(|unit| unit.invocation = "b".into()).0, Verdict::Pass);
        let (verdict, reason) = restart(|unit| {
            (unit.active, unit.result, unit.invocation) = ("failed".into(), "exit-code".into(), "b".into());
        });
        assert_eq!(verdict, Verdict::Fail);
        assert!(reason.contains("`exit-code`") && reason.contains("no such port"), "{reason}");
        let (verdict, reason) =
            restart(|unit| (unit.active, unit.invocation) = ("activating".into(), "b".into()));
        assert!(verdict == Verdict::Fail && reason.contains("under way"), "{reason}");
        let between = restart(|unit| (unit.active, unit.job) = ("inactive".into(), true));
        assert_eq!(between.0, Verdict::Fail, "stopped, and about to start");
        assert_eq!(restart(|unit| unit.active = "inactive".into()).0, Verdict::Pass);
        assert!(judged(Wish::Restart, false, |_| ()).1.contains("not told"));
    }

    #[test]
    fn a_reload_is_a_change_of_state_that_ended_well() {
        let reload = |change: fn(&mut UnitSeen)| judged(Wish::Reload, true, change).0;
        assert_eq!(reload(|_| ()), Verdict::Fail);
        assert_eq!(reload(|unit| unit.changed = 6), Verdict::Pass);
        assert_eq!(reload(|unit| unit.invocation = "b".into()), Verdict::Pass, "it cannot reload");
        let failed = |unit: &mut UnitSeen| (unit.changed, unit.reload_result) = (6, "exit-code".into());
        assert_eq!(reload(failed), Verdict::Fail);
    }
}
