//! A look as metrics, in the text form that `node_exporter`'s textfile collector reads.
//!
//! Names and labels are a promise to dashboards and alerts: `docs/reference/metrics.md`. A series that may be 0 is
//! written as 0, so that "nothing differs" and "nobody looked" are two things. No sample carries a time of its own,
//! because the collector then leaves out the whole file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Record, ServiceStatus};
use crate::address::Kind;
use crate::plan::Verb;

/// Words of a generation's status, as the state folder has them.
const STATUSES: [&str; 4] = ["applying", "applied", "proven", "failed"];

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

/// The metrics of one instance.
struct Metrics<'a> {
    text: String,
    instance: &'a str,
}

/// What a `status` found, as metrics. Where it could not look, only what is known all the same.
#[must_use]
pub fn textfile(record: &Record) -> String {
    let mut metrics = Metrics { text: String::new(), instance: &record.instance };
    let looked = record.errors.is_empty() && record.problems.is_empty();
    metrics.head("holdfast_build_info", "Version of Holdfast; always 1.");
    metrics.sample("holdfast_build_info", &[("version", &record.tool)], "1");
    metrics.one("holdfast_look_success", "Whether the host could be looked at in full.", flag(looked));
    metrics.maybe("holdfast_look_timestamp_seconds", "When this look began.", seconds(&record.started));
    let elapsed = format!("{}.{:03}", record.elapsed_ms / 1_000, record.elapsed_ms % 1_000);
    metrics.one("holdfast_look_duration_seconds", "How long this look took.", &elapsed);
    last_apply(&mut metrics, record);
    certificates(&mut metrics, record);
    if looked {
        secrets(&mut metrics, record);
        drift(&mut metrics, record);
        services(&mut metrics, record);
    }
    metrics.text
}

fn last_apply(metrics: &mut Metrics<'_>, record: &Record) {
    let Some(applied) = &record.applied else { return };
    let number = applied.generation.to_string();
    metrics.one("holdfast_generation", "Number of the newest generation.", &number);
    let name = "holdfast_generation_status";
    metrics.head(name, "How far the newest generation came; 1 for the status that it has.");
    for status in STATUSES {
        metrics.sample(name, &[("status", status)], flag(status == applied.status));
    }
    let help = "When the last apply began that had something to do.";
    metrics.maybe("holdfast_last_apply_timestamp_seconds", help, seconds(&applied.at));
    let well = matches!(applied.status.as_str(), "applied" | "proven");
    metrics.one(
        "holdfast_last_apply_success",
        "Whether the newest generation was applied in full.",
        flag(well),
    );
}

fn certificates(metrics: &mut Metrics<'_>, record: &Record) {
    if record.certificates.is_empty() {
        return;
    }
    let name = "holdfast_certificate_not_after_timestamp_seconds";
    metrics.head(name, "When the first certificate of a declared chain ceases to be valid.");
    for certificate in &record.certificates {
        if let Some(time) = certificate.not_after.as_deref().and_then(seconds) {
            metrics.sample(name, &[("certificate", &certificate.name), ("at", &certificate.at)], &time);
        }
    }
    let name = "holdfast_certificate_readable";
    metrics.head(name, "Whether a declared chain could be read.");
    for certificate in &record.certificates {
        let labels = [("certificate", certificate.name.as_str()), ("at", &certificate.at)];
        metrics.sample(name, &labels, flag(certificate.not_after.is_some()));
    }
}

fn secrets(metrics: &mut Metrics<'_>, record: &Record) {
    let failed = record.secrets.len().to_string();
    metrics.one("holdfast_secrets_failed", "Secrets and templates without their declared value.", &failed);
}

/// Counts by the kind of what an address ends in; every kind is there.
fn drift(metrics: &mut Metrics<'_>, record: &Record) {
    let kinds = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::Gate);
    let count = |leaves: &mut dyn Iterator<Item = Kind>| {
        let mut counts: BTreeMap<Kind, u64> = kinds().map(|kind| (kind, 0)).collect();
        for kind in leaves {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    };
    let steps = record.plan.steps.iter().filter(|step| step.verb != Verb::Await);
    let differ = count(&mut steps.map(|step| step.address.leaf().kind));
    let held = count(&mut record.held.iter().map(|held| held.address.leaf().kind));
    let name = "holdfast_drift";
    metrics.head(name, "Things that differ from the manifest and an apply would change.");
    for (kind, count) in differ {
        metrics.sample(name, &[("kind", kind.word())], &count.to_string());
    }
    let name = "holdfast_held";
    metrics
        .head(name, "Things that an apply would leave as they are, because of something else that failed.");
    for (kind, count) in held {
        metrics.sample(name, &[("kind", kind.word())], &count.to_string());
    }
}

fn services(metrics: &mut Metrics<'_>, record: &Record) {
    let unproven = record.unproven.len().to_string();
    let help = "Services that have not passed their gates since the boot or the last change.";
    metrics.one("holdfast_services_unproven", help, &unproven);
    let mut each = |name: &str, help: &str, value: &dyn Fn(&ServiceStatus) -> Option<String>| {
        if record.services.is_empty() {
            return;
        }
        metrics.head(name, help);
        for service in &record.services {
            if let Some(value) = value(service) {
                metrics.sample(name, &[("service", &service.name)], &value);
            }
        }
    };
    let proven = |service: &ServiceStatus| !record.unproven.contains(&service.name);
    let help = "Whether a service has passed its gates since the boot and the last change.";
    each("holdfast_service_proven", help, &|service| Some(flag(proven(service)).to_owned()));
    each("holdfast_service_tasks_running", "Tasks of a service that run.", &|service| {
        Some(service.running.to_string())
    });
    each("holdfast_service_tasks_wanted", "Replicas that the manifest asks for.", &|service| {
        service.wanted.map(|wanted| wanted.to_string())
    });
}

impl Metrics<'_> {
    fn head(&mut self, name: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: &str) {
        let _ = write!(self.text, "{name}{{holdfast=\"{}\"", escaped(self.instance));
        for (label, text) in labels.iter().filter(|(_, text)| !text.is_empty()) {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn one(&mut self, name: &str, help: &str, value: &str) {
        self.head(name, help);
        self.sample(name, &[], value);
    }

    fn maybe(&mut self, name: &str, help: &str, value: Option<String>) {
        if let Some(value) = value {
            self.one(name, help, &value);
        }
    }
}

const fn flag(is: bool) -> &'static str {
    if is { "1" } else { "0" }
}

/// A label's value between its quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// RFC 3339 as Unix seconds.
fn seconds(text: &str) -> Option<String> {
    let millis = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    Some(format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a label's value back as the exposition format says.
    fn read_back(quoted: &str) -> String {
        let mut text = String::new();
        let mut letters = quoted.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next().expect("something is escaped") {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                '"' | '\n' => panic!("a bare {letter:?} ends the value: {quoted:?}"),
                letter => text.push(letter),
            }
        }
        text
    }

    proptest! {
        #[test]
        fn every_label_reads_back(text in "(\\PC|[\\\\\"\n]){0,20}") {
            prop_assert_eq!(read_back(&escaped(&text)), text);
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:01.5Z").unwrap(), "1.500");
        assert_eq!(seconds("2026-11-21T10:00:00Z").unwrap(), "1795255200.000");
        assert_eq!(seconds("1969-12-31T23:59:59.750Z").unwrap(), "-0.250");
        assert_eq!(seconds("never"), None);
    }

    #[test]
    fn one_that_could_not_look_says_so_and_nothing_that_it_does_not_know() {
        let record =
            Record { errors: vec!["no engine".into()], instance: "main".into(), ..Record::default() };
        let text = textfile(&record);
        assert!(text.contains("holdfast_look_success{holdfast=\"main\"} 0\n"), "{text}");
        assert!(!text.contains("holdfast_drift") && !text.contains("holdfast_service"), "{text}");
        let text = textfile(&Record::default());
        assert!(text.contains("holdfast_drift{holdfast=\"\",kind=\"service\"} 0\n"), "{text}");
    }
}
