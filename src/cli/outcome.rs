//! Prints a record: the result on stdout, what went wrong on stderr.

use std::path::Path;

use super::problems;
use super::settings::Settings;
use crate::report::{self, Exit, Record};
use crate::state::replace;

/// Metrics are for an exporter that runs as somebody else.
const READABLE: u32 = 0o644;

/// Prints the report of a command that applied or proved something.
pub(crate) fn report(record: &Record, settings: &Settings, junit: Option<&Path>) -> Exit {
    let mut exit = record.exit.or(wrong(record, settings));
    exit = exit.or(print(record, settings, report::text));
    if let Some(path) = junit {
        let written =
            report::junit(record).map_err(std::io::Error::other).and_then(|xml| std::fs::write(path, xml));
        if let Err(error) = written {
            Settings::say(&format!("error: failed to write `{}`: {error}\n", path.display()));
            exit = exit.or(Exit::Internal);
        }
    }
    let Record { run, command, writes, elapsed_ms, .. } = record;
    tracing::info!(run, exit = exit.code(), outcome = exit.name(), writes, elapsed_ms, "{command} ended");
    exit
}

/// Prints a plan.
pub(crate) fn plan(record: &Record, settings: &Settings) -> Exit {
    looked(record, settings, |record, color| report::plan_text(&record.plan, color))
}

/// Prints services and what differs.
pub(crate) fn status(record: &Record, settings: &Settings, textfile: Option<&Path>) -> Exit {
    let mut exit = looked(record, settings, report::status_text);
    if let Some(path) = textfile
        && let Err(error) = replace(path, report::textfile(record).as_bytes(), READABLE)
    {
        Settings::say(&format!("error: {}\n", report::chain(&error)));
        exit = exit.or(Exit::Internal);
    }
    exit
}

/// Prints what ended a watch, whose result is printed already.
pub(crate) fn watched(record: &Record, settings: &Settings) -> Exit {
    record.exit.or(wrong(record, settings))
}

/// Prints the generations that are kept.
pub(crate) fn generations(record: &Record, settings: &Settings) -> Exit {
    looked(record, settings, report::generations_text)
}

/// Prints what a command that only looks has found, unless it found nothing but an error.
fn looked(record: &Record, settings: &Settings, text: impl Fn(&Record, bool) -> String) -> Exit {
    let exit = record.exit.or(wrong(record, settings));
    if !record.errors.is_empty() && !settings.json {
        return exit;
    }
    exit.or(print(record, settings, text))
}

fn print(record: &Record, settings: &Settings, text: impl Fn(&Record, bool) -> String) -> Exit {
    if !settings.json {
        return Settings::print(&text(record, settings.color.stdout));
    }
    match report::json(record) {
        Ok(text) => Settings::print(&text),
        Err(error) => {
            Settings::say(&format!("error: failed to write the record as JSON: {error}\n"));
            Exit::Internal
        }
    }
}

/// Problems with their places, errors, failed secrets.
fn wrong(record: &Record, settings: &Settings) -> Exit {
    if !record.problems.is_empty() {
        return problems::say(&record.problems, settings).or(Exit::BadConfig);
    }
    for error in &record.errors {
        Settings::say(&format!("error: {error}\n"));
    }
    for failure in &record.secrets {
        let kept = if failure.kept { "; its last good version stays in use" } else { "" };
        Settings::say(&format!("error: {}: {}{kept}\n", failure.address, failure.reason));
    }
    for warning in &record.warnings {
        Settings::say(&format!("warning: {warning}\n"));
    }
    Exit::Ok
}
