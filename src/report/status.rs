//! The print of `holdfast status`: services as they are, then what differs from the manifest.

use std::fmt::Write as _;

use super::plan::left_line;
use super::{Record, ServiceState, ServiceStatus};
use crate::plan::{Step, Verb};

/// One line a service, one line for each thing that differs, one line that sums up.
#[must_use]
pub fn status_text(record: &Record, _color: bool) -> String {
    let mut text = String::new();
    let width = record.services.iter().map(|service| service.name.len()).max().unwrap_or_default();
    for service in &record.services {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {}", service.name, words(service));
    }
    let changes: Vec<_> = record.plan.steps.iter().filter(|step| step.verb != Verb::Await).collect();
    for step in &changes {
        let _ = writeln!(text, "drift: {} is to be {}: {}", step.address, done(step.verb), why(step));
    }
    for held in &record.held {
        let _ = writeln!(text, "held: {} because of {}", held.address, held.because);
    }
    for left in &record.plan.left {
        let _ = writeln!(text, "{}", left_line(left));
    }
    let sum = match changes.len() {
        0 => "equal to the manifest".to_owned(),
        1 => "1 thing differs; `holdfast plan` shows it in full".to_owned(),
        many => format!("{many} things differ; `holdfast plan` shows them in full"),
    };
    let _ = writeln!(text, "{}: {sum}", record.host);
    text
}

/// How a thing differs: its fields, or a reason.
pub(super) fn why(step: &Step) -> String {
    let fields: Vec<&str> = step.diff.iter().map(|change| change.field.as_str()).collect();
    match (fields.is_empty(), step.reason.as_str(), step.verb) {
        (false, ..) => fields.join(", "),
        (true, "", Verb::Create) => "it is not there".to_owned(),
        (true, reason, _) => reason.to_owned(),
    }
}

/// How a service runs.
pub(super) fn words(service: &ServiceStatus) -> String {
    if !service.exists {
        return "missing".to_owned();
    }
    let running = match service.wanted {
        Some(wanted) => format!("{} of {wanted} running", service.running),
        None => format!("{} running", service.running),
    };
    let state = match service.state {
        ServiceState::Updating => ", updating",
        ServiceState::Paused => ", UPDATE PAUSED",
        ServiceState::RolledBack => ", ROLLED BACK",
        ServiceState::Completed => ", completed",
        ServiceState::Missing | ServiceState::Running | ServiceState::Short => "",
    };
    if service.last_error.is_empty() {
        format!("{running}{state}")
    } else {
        format!("{running}{state}; last error: {}", service.last_error)
    }
}

/// What `apply` would do.
pub(super) const fn done(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "made",
        Verb::Update => "changed",
        Verb::Replace => "made anew",
        Verb::Delete => "removed",
        Verb::Await => "waited for",
        Verb::Restart => "restarted",
        Verb::Reload => "reloaded",
    }
}
