//! What a step does to the tasks of its service, in words.

use crate::plan::{Class, Downtime, Effect, Order};

/// What a field's class is called behind the field.
pub(super) const fn class_words(class: Class) -> &'static str {
    match class {
        Class::Metadata => "metadata only",
        Class::Scale => "scale",
        Class::Placement => "placement",
        Class::Rotate => "rotate",
        Class::RollingRestart => "rolling restart",
        Class::RunAgain => "run again",
        Class::Recreate => "recreate",
    }
}

/// One line: `replaces 3 of 3 tasks, stop-first, one at a time, 10 s apart: 2 run meanwhile`. Empty where no task
/// notices.
pub(super) fn effect_words(effect: &Effect) -> String {
    if effect.fields.values().any(|class| *class == Class::RunAgain) {
        let ended = if effect.ended > 0 { ", what runs of it is ended" } else { "" };
        return match effect.started {
            0 => format!("runs the job again, once on every node{ended}"),
            1 => format!("runs the job again, 1 task{ended}"),
            many => format!("runs the job again, {many} tasks{ended}"),
        };
    }
    let mut parts = Vec::new();
    if effect.replaced > 0 {
        parts.push(replaces(effect));
    }
    if effect.started > 0 {
        parts.push(format!("starts {}", tasks(effect.started)));
    }
    if effect.ended > 0 {
        parts.push(format!("ends {}", tasks(effect.ended)));
    }
    let placed = effect.fields.values().any(|class| *class == Class::Placement);
    match (parts.is_empty(), placed && effect.replaced == 0) {
        (true, true) => "replaces no task: each may stay on its node".to_owned(),
        (true, false) => String::new(),
        (false, _) => format!("{}: {}", parts.join("; "), downtime(effect)),
    }
}

fn replaces(effect: &Effect) -> String {
    let which = format!("replaces {} of {}", effect.replaced, tasks(effect.tasks));
    let order = match effect.order {
        Order::StopFirst => "stop-first",
        Order::StartFirst => "start-first",
    };
    if effect.replaced == 1 {
        return format!("{which}, {order}");
    }
    let together = match effect.together() {
        all if all == effect.replaced => "all at once".to_owned(),
        1 => "one at a time".to_owned(),
        some => format!("{some} at a time"),
    };
    match effect.delay_ms {
        0 => format!("{which}, {order}, {together}"),
        _ if effect.rounds < 2 => format!("{which}, {order}, {together}"),
        delay => format!("{which}, {order}, {together}, {} apart", seconds(delay)),
    }
}

fn downtime(effect: &Effect) -> String {
    let stays = effect.tasks - effect.ended.min(effect.tasks);
    if effect.stuck {
        return "STUCK: no node can take a new task while the old one runs".to_owned();
    }
    match effect.downtime {
        Downtime::None => "no downtime".to_owned(),
        Downtime::Reduced => match stays - effect.together().min(stays) {
            1 => "1 runs meanwhile".to_owned(),
            many => format!("{many} run meanwhile"),
        },
        Downtime::Whole if stays == 0 => "DOWNTIME: none is left".to_owned(),
        Downtime::Whole => "DOWNTIME until the new ones run".to_owned(),
    }
}

fn tasks(count: u64) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

#[expect(clippy::cast_precision_loss, reason = "a delay that is shown")]
fn seconds(ms: u64) -> String {
    format!("{} s", ms as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn restart(replaced: u64, parallelism: u64, downtime: Downtime) -> Effect {
        Effect {
            fields: BTreeMap::from([("TaskTemplate.ContainerSpec.Image".to_owned(), Class::RollingRestart)]),
            tasks: replaced,
            replaced,
            parallelism,
            downtime,
            rounds: if parallelism == 0 { 1 } else { replaced.div_ceil(parallelism) },
            ..Effect::default()
        }
    }

    #[test]
    fn each_effect_is_one_line() {
        let slow = |effect: Effect| Effect { delay_ms: 2500, ..effect };
        let class =
            |class, effect: Effect| Effect { fields: BTreeMap::from([(String::new(), class)]), ..effect };
        let plain = Effect::default;
        for (effect, line) in [
            (class(Class::Metadata, plain()), ""),
            (
                restart(1, 1, Downtime::Whole),
                "replaces 1 of 1 task, stop-first: DOWNTIME until the new ones run",
            ),
            (
                slow(restart(3, 1, Downtime::Reduced)),
                "replaces 3 of 3 tasks, stop-first, one at a time, 2.5 s apart: 2 run meanwhile",
            ),
            (
                slow(restart(3, 0, Downtime::Whole)),
                "replaces 3 of 3 tasks, stop-first, all at once: DOWNTIME until the new ones run",
            ),
            (
                Effect { order: Order::StartFirst, ..restart(4, 2, Downtime::None) },
                "replaces 4 of 4 tasks, start-first, 2 at a time: no downtime",
            ),
            (
                Effect { order: Order::StartFirst, stuck: true, ..restart(1, 1, Downtime::None) },
                "replaces 1 of 1 task, start-first: STUCK: no node can take a new task while the old one runs",
            ),
            (class(Class::Scale, Effect { tasks: 1, started: 2, ..plain() }), "starts 2 tasks: no downtime"),
            (
                class(Class::Scale, Effect { tasks: 1, ended: 1, downtime: Downtime::Whole, ..plain() }),
                "ends 1 task: DOWNTIME: none is left",
            ),
            (class(Class::Placement, plain()), "replaces no task: each may stay on its node"),
            (class(Class::RunAgain, Effect { started: 5, ..plain() }), "runs the job again, 5 tasks"),
            (class(Class::RunAgain, plain()), "runs the job again, once on every node"),
        ] {
            assert_eq!(effect_words(&effect), line);
        }
    }
}
