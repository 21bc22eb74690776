//! Prints a record: the result on stdout, what went wrong on stderr.

use std::path::Path;

use super::problems;
use super::settings::Settings;
use crate::report::{self, Exit, Record};

/// Prints the report of a command that applied or proved something.
pub(crate) fn report(record: &Record, settings: &Settings, junit: Option<&Path>) -> Exit {
    let mut exit = record.exit.or(wrong(record, settings));
    let text = if settings.json { report::json(record) } else { report::text(record, settings.color.stdout) };
    exit = exit.or(Settings::print(&text));
    if let Some(path) = junit
        && let Err(error) = std::fs::write(path, report::junit(record))
    {
        Settings::say(&format!("error: failed to write `{}`: {error}\n", path.display()));
        exit = exit.or(Exit::Internal);
    }
    exit
}

/// Prints a plan.
pub(crate) fn plan(record: &Record, settings: &Settings) -> Exit {
    let exit = record.exit.or(wrong(record, settings));
    if !record.errors.is_empty() && !settings.json {
        return exit;
    }
    let text = if settings.json {
        report::json(record)
    } else {
        report::plan_text(&record.plan, settings.color.stdout)
    };
    exit.or(Settings::print(&text))
}

/// Prints services and what differs.
pub(crate) fn status(record: &Record, settings: &Settings) -> Exit {
    let exit = record.exit.or(wrong(record, settings));
    if !record.errors.is_empty() && !settings.json {
        return exit;
    }
    let text =
        if settings.json { report::json(record) } else { report::status_text(record, settings.color.stdout) };
    exit.or(Settings::print(&text))
}

/// Problems with their places, errors, failed secrets.
fn wrong(record: &Record, settings: &Settings) -> Exit {
    if !record.problems.is_empty() {
        return problems::print(&record.problems, settings).or(Exit::BadConfig);
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
