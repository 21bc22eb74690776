//! `depends_on`, as a list of services or as a map with a condition for each.

use crate::desired::Condition;

use super::fields::{self, Fields};
use super::model::Depends;
use super::place::{At, Log};
use super::rules::Rule;
use super::tree::{Field, Kind, Tree};

/// Every dependency, in the order of the file.
pub(super) fn read(tree: &Tree, log: &mut Log) -> Vec<At<Depends>> {
    if let Kind::Map(entries) = &tree.kind {
        let message = "docker stack does not know the long form of `depends_on`";
        log.rule(Rule::DependsOnLong, tree.place, message, "write a list of services");
        return entries.iter().filter_map(|field| long(field, log)).collect();
    }
    let plain = |name: At<String>| {
        let depends = Depends { service: name.value, condition: Condition::Started, required: true };
        At::new(depends, name.place)
    };
    fields::texts(tree, "depends_on", log).into_iter().map(plain).collect()
}

fn long(field: &Field, log: &mut Log) -> Option<At<Depends>> {
    let mut fields = Fields::open(&field.value, "dependency", log)?;
    let condition = if let Some(at) = fields.text("condition", log) {
        condition(&at, log)
    } else {
        if fields.value("condition").is_none() {
            let message = format!("`{}` in `depends_on` has no `condition`", field.key);
            log.rule(
                Rule::DependsOnCondition,
                field.key_place,
                message,
                "write `condition: service_started`",
            );
        }
        Condition::Started
    };
    let required = fields.flag("required", log).is_none_or(|at| at.value);
    if let Some(restart) = fields.flag("restart", log).filter(|at| at.value) {
        let message = "`restart: true` has no meaning in a swarm, which replaces tasks one service at a time";
        log.rule(
            Rule::DependsOnCondition,
            restart.place,
            message,
            "remove the line; let the service reconnect by itself",
        );
    }
    fields.finish(log);
    Some(At::new(Depends { service: field.key.clone(), condition, required }, field.key_place))
}

fn condition(at: &At<String>, log: &mut Log) -> Condition {
    match at.value.as_str() {
        "service_started" => Condition::Started,
        "service_healthy" => Condition::Healthy,
        "service_completed_successfully" => Condition::Completed,
        other => {
            let message = format!("`condition: {other}` is not known");
            let fix = "write `service_started`, `service_healthy` or `service_completed_successfully`";
            log.rule(Rule::DependsOnCondition, at.place, message, fix);
            Condition::Started
        }
    }
}
