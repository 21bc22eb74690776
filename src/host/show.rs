//! What `systemctl show` prints.

use crate::observed::{UnitHealth, UnitSeen, UnitState};

/// The properties that are asked for.
pub(super) const PROPERTIES: [&str; 7] = [
    "LoadState",
    "ActiveState",
    "Result",
    "ReloadResult",
    "InvocationID",
    "StateChangeTimestampMonotonic",
    "Job",
];

/// One unit for each block, in the order in which they were asked for.
pub(super) fn parse(text: &str) -> Vec<UnitSeen> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(unit).collect()
}

fn unit(block: &str) -> UnitSeen {
    let mut unit = UnitSeen::default();
    for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "LoadState" => value.clone_into(&mut unit.load),
            "ActiveState" => value.clone_into(&mut unit.active),
            "Result" => value.clone_into(&mut unit.result),
            "ReloadResult" => value.clone_into(&mut unit.reload_result),
            "InvocationID" => value.clone_into(&mut unit.invocation),
            "StateChangeTimestampMonotonic" => unit.changed = value.parse().unwrap_or_default(),
            // A unit without a job has none, or the number 0.
            "Job" => unit.job = !matches!(value, "" | "0"),
            _ => {}
        }
    }
    unit
}

/// The properties that [`parse_states`] reads.
pub(super) const STATE: [&str; 14] = [
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "Type",
    "InvocationID",
    "NRestarts",
    "InactiveExitTimestampMonotonic",
    "ConditionResult",
    "ConditionTimestampMonotonic",
    "NeedDaemonReload",
    "Job",
    "ExecMainStatus",
    "TriggeredBy",
];

/// As [`parse`], with what a gate of the manifest asks.
pub(super) fn parse_states(text: &str) -> Vec<UnitState> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(state).collect()
}

fn state(block: &str) -> UnitState {
    let mut unit = UnitState::default();
    let (mut condition, mut tested) = ("", "0");
    for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "LoadState" => value.clone_into(&mut unit.load),
            "ActiveState" => value.clone_into(&mut unit.active),
            "SubState" => value.clone_into(&mut unit.sub),
            "Result" => value.clone_into(&mut unit.result),
            "Type" => value.clone_into(&mut unit.service_type),
            "InvocationID" => value.clone_into(&mut unit.invocation),
            "NRestarts" => unit.restarts = value.parse().unwrap_or_default(),
            "InactiveExitTimestampMonotonic" => unit.began = value.parse().unwrap_or_default(),
            "ConditionResult" => condition = value,
            "ConditionTimestampMonotonic" => tested = value,
            "NeedDaemonReload" => unit.stale = value == "yes",
            "Job" => unit.job = !matches!(value, "" | "0"),
            "ExecMainStatus" => value.clone_into(&mut unit.status),
            "TriggeredBy" => unit.triggers = value.split_whitespace().map(str::to_owned).collect(),
            _ => {}
        }
    }
    // A unit that was never asked to start has tested no condition, and says `no` too.
    unit.skipped = condition == "no" && tested != "0";
    unit
}

/// The properties that [`parse_health`] reads.
pub(super) const HEALTH: [&str; 6] = ["Id", "LoadState", "ActiveState", "SubState", "Result", "NRestarts"];

/// As [`parse`], with names: for patterns, which stand for any number of units.
pub(super) fn parse_health(text: &str) -> Vec<UnitHealth> {
    let mut units: Vec<UnitHealth> = text.split("\n\n").map(health).collect();
    units.retain(|unit| !unit.name.is_empty());
    units
}

fn health(block: &str) -> UnitHealth {
    let mut unit = UnitHealth::default();
    for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "Id" => value.clone_into(&mut unit.name),
            "LoadState" => value.clone_into(&mut unit.load),
            "ActiveState" => value.clone_into(&mut unit.active),
            "SubState" => value.clone_into(&mut unit.sub),
            "Result" => value.clone_into(&mut unit.result),
            "NRestarts" => unit.restarts = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_order_and_a_missing_property_is_empty() {
        let units = parse(
            "LoadState=loaded\nActiveState=active\nResult=success\nInvocationID=0f\n\
             StateChangeTimestampMonotonic=12\nJob=7\n\nLoadState=not-found\nActiveState=inactive\n",
        );
        assert_eq!(units.len(), 2);
        assert_eq!((units[0].active.as_str(), units[0].changed, units[0].job), ("active", 12, true));
        assert_eq!(
            (units[1].load.as_str(), units[1].invocation.as_str(), units[1].job),
            ("not-found", "", false)
        );
        assert!(parse("\n").is_empty());
    }

    #[test]
    fn a_condition_that_was_never_tested_has_kept_nothing_from_starting() {
        let skipped = |tested: &str| {
            let text =
                format!("LoadState=loaded\nConditionResult=no\nConditionTimestampMonotonic={tested}\n");
            parse_states(&text)[0].skipped
        };
        assert!(skipped("12") && !skipped("0"));
        let unit =
            &parse_states("Type=oneshot\nNRestarts=3\nTriggeredBy=a.socket b.timer\nNeedDaemonReload=yes\n")
                [0];
        assert_eq!((unit.restarts, unit.triggers.len(), unit.stale), (3, 2, true));
    }

    #[test]
    fn units_of_a_pattern_bring_their_names() {
        let text = "Result=exit-code\nNRestarts=7\nId=docker.service\nLoadState=loaded\nActiveState=activating\n\
                    SubState=auto-restart\n\nId=holdfast-apply.service\nLoadState=loaded\nActiveState=active\n";
        let units = parse_health(text);
        assert_eq!(units.len(), 2);
        assert_eq!((units[0].name.as_str(), units[0].restarts), ("docker.service", 7));
        assert_eq!((units[0].sub.as_str(), units[0].result.as_str()), ("auto-restart", "exit-code"));
        assert_eq!((units[1].name.as_str(), units[1].restarts), ("holdfast-apply.service", 0));
        assert!(parse_health("\n").is_empty());
    }
}
