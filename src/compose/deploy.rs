//! `deploy` of a service.

use super::fields::{self, Fields};
use super::mapping;
use super::model::{Count, Deploy, Generic, Resources, Restart, Update};
use super::place::{At, Log};
use super::ports::{one_of, word};
use super::rules::Rule;
use super::tree::{Kind, Tree};
use super::units;

/// Reads `deploy`.
pub(super) fn read(tree: &Tree, log: &mut Log) -> Deploy {
    let mut out = Deploy::default();
    let Some(mut fields) = Fields::open(tree, "deploy", log) else { return out };
    out.mode = fields.text("mode", log);
    out.endpoint_mode =
        fields.text("endpoint_mode", log).map(|at| At::new(at.value.to_lowercase(), at.place));
    one_of(out.endpoint_mode.as_ref(), "endpoint_mode", &["vip", "dnsrr"], log);
    out.replicas = fields.count("replicas", log);
    out.labels = fields.value("labels").map(|tree| mapping::labels(tree, "labels", log)).unwrap_or_default();
    out.update_config = fields.value("update_config").and_then(|tree| update(tree, "update_config", log));
    out.rollback_config =
        fields.value("rollback_config").and_then(|tree| update(tree, "rollback_config", log));
    if let Some(mut inner) = fields.value("resources").and_then(|tree| Fields::open(tree, "resources", log)) {
        out.limits = inner.value("limits").and_then(|tree| resources(tree, "limits", log));
        out.reservations = inner.value("reservations").and_then(|tree| resources(tree, "reservations", log));
        inner.finish(log);
    }
    out.restart_policy = fields.value("restart_policy").and_then(|tree| restart(tree, log));
    if let Some(mut placement) =
        fields.value("placement").and_then(|tree| Fields::open(tree, "placement", log))
    {
        let constraints = placement.value("constraints").map(|tree| fields::list(tree, "constraints", log));
        out.constraints = constraints
            .unwrap_or_default()
            .iter()
            .filter_map(|item| fields::text(item, "constraints", log))
            .collect();
        let preferences = placement.value("preferences").map(|tree| fields::list(tree, "preferences", log));
        for item in preferences.unwrap_or_default() {
            let Some(mut fields) = Fields::open(item, "preference", log) else { continue };
            let spread = fields.text("spread", log);
            fields.finish(log);
            out.preferences.push(spread.unwrap_or_else(|| At::new(String::new(), item.place)));
        }
        out.max_replicas = placement.count("max_replicas_per_node", log);
        placement.finish(log);
    }
    fields.finish(log);
    out
}

fn update(tree: &Tree, level: &'static str, log: &mut Log) -> Option<Update> {
    let mut fields = Fields::open(tree, level, log)?;
    let update = Update {
        parallelism: fields.count("parallelism", log),
        delay: fields.duration("delay", log),
        failure_action: fields.text("failure_action", log),
        monitor: fields.duration("monitor", log),
        max_failure_ratio: fields.value("max_failure_ratio").and_then(|tree| ratio(tree, log)),
        order: fields.text("order", log),
    };
    fields.finish(log);
    let actions: &[&str] =
        if level == "update_config" { &["pause", "continue", "rollback"] } else { &["pause", "continue"] };
    one_of(update.failure_action.as_ref(), "failure_action", actions, log);
    word(Rule::OrderUnknown, update.order.as_ref(), "order", &["start-first", "stop-first"], log);
    Some(update)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "docker keeps a ratio in 32 bits"
)]
fn ratio(tree: &Tree, log: &mut Log) -> Option<At<f32>> {
    let value = match &tree.kind {
        Kind::Int(value) => Some(*value as f32),
        Kind::Float(value) => Some(*value as f32),
        Kind::Text { text, cast: true } => text.parse::<f64>().ok().map(|value| value as f32),
        _ => None,
    };
    match value {
        None => {
            fields::wrong(tree, "max_failure_ratio", "a number from 0 to 1", "write it without quotes", log);
        }
        Some(value) if !(0.0..=1.0).contains(&value) => {
            let message = format!("`max_failure_ratio` takes a number from 0 to 1, not {value}");
            log.rule(Rule::RatioRange, tree.place, message, "write a share such as `0.2`");
        }
        Some(_) => {}
    }
    value.map(|value| At::new(value, tree.place))
}

fn resources(tree: &Tree, level: &'static str, log: &mut Log) -> Option<Resources> {
    let mut fields = Fields::open(tree, level, log)?;
    let mut out = Resources {
        cpus: fields.text("cpus", log),
        memory: fields.parsed("memory", log, units::bytes),
        ..Resources::default()
    };
    if level == "limits" {
        out.pids = fields.value("pids").and_then(|tree| {
            let value = fields::whole(tree, false).and_then(|value| i64::try_from(value).ok());
            if value.is_none() {
                let fix = "write the number; a variable cannot stand here";
                fields::wrong(tree, "pids", "a whole number", fix, log);
            }
            value.map(|value| At::new(value, tree.place))
        });
    } else {
        let items =
            fields.value("generic_resources").map(|tree| fields::list(tree, "generic_resources", log));
        out.generic = items.unwrap_or_default().iter().filter_map(|item| generic(item, log)).collect();
    }
    fields.finish(log);
    Some(out)
}

fn generic(item: &Tree, log: &mut Log) -> Option<At<Generic>> {
    let mut outer = Fields::open(item, "generic resource", log)?;
    let spec = outer.value("discrete_resource_spec");
    outer.finish(log);
    let Some(spec) = spec else {
        log.rule(
            Rule::ValueType,
            item.place,
            "the resource has no `discrete_resource_spec`",
            "add one with `kind` and `value`",
        );
        return None;
    };
    let mut fields = Fields::open(spec, "discrete_resource_spec", log)?;
    let kind = fields.text("kind", log);
    let value: Count = fields.value("value").and_then(|tree| {
        let value = fields::whole(tree, false).and_then(|value| u64::try_from(value).ok());
        if value.is_none() {
            fields::wrong(
                tree,
                "value",
                "a whole number",
                "write the number; a variable cannot stand here",
                log,
            );
        }
        value.map(|value| At::new(value, tree.place))
    });
    fields.finish(log);
    let value = i64::try_from(value.map(|at| at.value).unwrap_or_default()).unwrap_or(i64::MAX);
    Some(At::new(Generic { kind: kind.map(|at| at.value).unwrap_or_default(), value }, item.place))
}

fn restart(tree: &Tree, log: &mut Log) -> Option<Restart> {
    let mut fields = Fields::open(tree, "restart_policy", log)?;
    let restart = Restart {
        condition: fields.text("condition", log),
        delay: fields.duration("delay", log),
        max_attempts: fields.count("max_attempts", log),
        window: fields.duration("window", log),
    };
    fields.finish(log);
    one_of(restart.condition.as_ref(), "condition", &["none", "on-failure", "any"], log);
    Some(restart)
}
