//! What `systemctl show` prints.

use crate::observed::UnitSeen;

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
}
