//! The record for people: what was done, what holds, and what to type next.

use std::fmt::Write as _;

use serde_json::Value;

use super::paint::{Paint, Style, count, plain, span};
use super::plan::{push_held, push_stays};
use super::{Exit, GateResult, Leaks, Record, Since, StepOutcome, Verdict};
use crate::plan::Verb;

/// Steps and gates, and one summary line at the end. What is wrong with the run as a whole (errors, warnings, secrets that
/// did not open) is no part of it: the command line says that on stderr.
#[must_use]
pub fn text(record: &Record, color: bool) -> String {
    let paint = Paint(color);
    let mut out = String::new();
    for step in &record.steps {
        push_step(&mut out, step, paint);
    }
    gap(&mut out);
    push_stays(&mut out, &record.plan.stays, paint);
    push_held(&mut out, &record.held, paint);
    push_gates(&mut out, &record.gates, paint);
    if let Some(leaks) = &record.leaks {
        let _ = writeln!(out, "{}", plain(&leaks_line(leaks)));
        if let Some(since) = &leaks.since {
            let _ = writeln!(out, "{}", plain(&since_line(since)));
        }
        out.push('\n');
    }
    let style = if is_good(record.exit) { Style::Green } else { Style::Red };
    out.push_str(&paint.with(style, &summary(record)));
    out.push('\n');
    out
}

/// `Left behind: nothing. Of others 1 network, 2 volumes are as they were.`
fn leaks_line(leaks: &Leaks) -> String {
    let left = if leaks.left.is_empty() { "nothing".to_owned() } else { leaks.left.join(", ") };
    let untouched: Vec<String> = leaks
        .untouched
        .iter()
        .map(|(kind, count)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    let untouched = if untouched.is_empty() {
        "nothing was there".to_owned()
    } else {
        format!("{} are untouched", untouched.join(", "))
    };
    let lost = match leaks.lost.as_slice() {
        [] => String::new(),
        lost => format!(" Gone meanwhile, and not ours: {}.", lost.join(", ")),
    };
    format!("Left behind: {left}. Of others {untouched}.{lost}")
}

/// As many names of a kind of thing are shown; `--json` has them all.
const NAMES: usize = 12;

/// `Since before the first apply (2026-01-02T03:04:05Z): of ours volume web_data is there; others brought image app:1.`
fn since_line(since: &Since) -> String {
    let names = |all: &[String]| match (all.len().saturating_sub(NAMES), all.get(..NAMES)) {
        (more @ 1.., Some(first)) => format!("{} and {more} more", first.join(", ")),
        _ if all.is_empty() => "nothing".to_owned(),
        _ => all.join(", "),
    };
    match &since.taken {
        Some(taken) => format!(
            "Since before the first apply ({taken}): of ours {} is left; others brought {}.",
            names(&since.ours),
            names(&since.others)
        ),
        None => format!(
            "Of ours {} is left. What others brought since the first apply cannot be told: no baseline was taken then.",
            names(&since.ours)
        ),
    }
}

const fn is_good(exit: Exit) -> bool {
    matches!(exit, Exit::Ok | Exit::Changes)
}

fn gap(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}

const fn done(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Replace => "taken down",
        Verb::Delete => "deleted",
        Verb::Await => "converged",
        Verb::Restart => "told to restart",
        Verb::Reload => "told to reload",
    }
}

fn push_step(out: &mut String, step: &StepOutcome, paint: Paint) {
    let time = span(step.elapsed_ms);
    let address = step.address.to_string();
    match &step.error {
        None => {
            let mark = paint.with(Style::Green, "done");
            let _ = writeln!(out, "  {mark}     {address}  {} in {time}", done(step.verb));
        }
        Some(error) => {
            let mark = if step.again {
                paint.with(Style::Yellow, "again ")
            } else if step.left {
                paint.with(Style::Yellow, "left  ")
            } else {
                paint.with(Style::Red, "failed")
            };
            let _ = writeln!(out, "  {mark}   {address}  {} (after {time})", plain(error));
            for line in &step.detail {
                let _ = writeln!(out, "           {} {}", paint.with(Style::Dim, "|"), plain(line));
            }
        }
    }
}

fn push_gates(out: &mut String, gates: &[GateResult], paint: Paint) {
    let quiet = |gate: &&GateResult| gate.derived && gate.verdict == Verdict::Pass;
    let derived = gates.iter().filter(quiet).count();
    for gate in gates.iter().filter(|gate| !quiet(gate)) {
        push_gate(out, gate, paint);
    }
    if derived > 0 {
        let mark = paint.with(Style::Green, "pass");
        let hold = if derived == 1 { "holds" } else { "hold" };
        let _ = writeln!(out, "  {mark}     {} {hold}", count(derived, "derived gate"));
    }
    gap(out);
}

fn push_gate(out: &mut String, gate: &GateResult, paint: Paint) {
    let (word, style) = match gate.verdict {
        Verdict::Pass => ("pass", Style::Green),
        Verdict::Fail => ("fail", Style::Red),
        Verdict::Unknown => ("unknown", Style::Yellow),
    };
    let pad = " ".repeat(9 - word.len());
    let _ = writeln!(out, "  {}{pad}{}  {}", paint.with(style, word), gate.address, plain(&gate.summary));
    if gate.verdict == Verdict::Pass {
        return;
    }
    let mut fact = |name: &str, text: &str| {
        let _ = writeln!(out, "             {} {text}", paint.with(Style::Dim, &format!("{name:<10}")));
    };
    if !gate.source.is_empty() {
        fact("looked at", &plain(&gate.source));
    }
    let tries = format!("{} in {}", count(gate.attempt_count as usize, "attempt"), span(gate.elapsed_ms));
    fact("tried", &tries);
    let observed = observed(&gate.observed);
    if !observed.is_empty() {
        fact("observed", &observed);
    }
    for line in chain_lines(&gate.observed) {
        fact("served", &line);
    }
    fact("again", &format!("holdfast verify --only {}", shell(&gate.address.to_string())));
}

/// The simple facts of an observation on one line; certificates have lines of their own.
fn observed(facts: &Value) -> String {
    let Some(facts) = facts.as_object() else { return String::new() };
    let mut parts = Vec::new();
    for (name, value) in facts {
        match value {
            Value::Object(inner) => {
                let inner = inner.iter().filter_map(|(key, value)| Some(format!("{key} {}", simple(value)?)));
                let inner: Vec<_> = inner.collect();
                if !inner.is_empty() {
                    parts.push(format!("{name}: {}", inner.join(", ")));
                }
            }
            other => parts.extend(simple(other).map(|text| format!("{name} {text}"))),
        }
    }
    plain(&parts.join("; "))
}

fn simple(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// One line per certificate of every chain that was served, whatever was wrong with it.
fn chain_lines(facts: &Value) -> Vec<String> {
    let places = facts.as_object().into_iter().flatten();
    let chains = places.filter_map(|(at, facts)| Some((at, facts.get("chain")?.as_array()?)));
    chains
        .flat_map(|(at, chain)| {
            chain.iter().enumerate().map(move |(number, cert)| {
                let text = |key: &str| cert.get(key).and_then(Value::as_str).unwrap_or_default();
                let line = format!(
                    "{at} [{number}] `{}` by `{}`, {} to {}, serial {}, sha256 {}",
                    text("subject"),
                    text("issuer"),
                    text("not_before"),
                    text("not_after"),
                    text("serial"),
                    text("sha256")
                );
                plain(&line)
            })
        })
        .collect()
}

/// A word for a shell.
fn shell(text: &str) -> String {
    let safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    if safe { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// One line: what happened, what holds, how long it took, how it ended.
fn summary(record: &Record) -> String {
    let mut name = record.command.clone();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let ended = if is_good(record.exit) { "complete" } else { "failed" };
    let mut parts = Vec::new();
    let succeeded =
        |verb| record.steps.iter().filter(|step| step.verb == verb && step.error.is_none()).count();
    if record.steps.is_empty() {
        if matches!(record.command.as_str(), "apply" | "rollback" | "collect" | "probe" | "secrets install") {
            parts.push(if is_good(record.exit) { "nothing to do" } else { "nothing was done" }.to_owned());
        }
    } else {
        let verbs = [Verb::Create, Verb::Update, Verb::Replace, Verb::Delete, Verb::Restart, Verb::Reload];
        let rare = |verb| matches!(verb, Verb::Replace | Verb::Restart | Verb::Reload);
        let counts = verbs.into_iter().filter(|verb| !rare(*verb) || succeeded(*verb) > 0);
        parts.push(
            counts.map(|verb| format!("{} {}", succeeded(verb), done(verb))).collect::<Vec<_>>().join(", "),
        );
        let failed = record.steps.iter().filter(|step| step.failed()).count();
        if failed > 0 {
            parts.push(format!("{} failed", count(failed, "step")));
        }
        let left = record.steps.iter().filter(|step| step.left).count();
        if left > 0 {
            parts.push(format!("{left} left, because something uses them"));
        }
    }
    if !record.gates.is_empty() {
        let hold = record.gates.iter().filter(|gate| gate.verdict == Verdict::Pass).count();
        parts.push(format!("{hold} of {} hold", count(record.gates.len(), "gate")));
    } else if record.exit == Exit::Vacuous {
        parts.push("nothing was verified".to_owned());
    }
    parts.push(format!(
        "{} to the engine",
        count(usize::try_from(record.writes).unwrap_or(usize::MAX), "write")
    ));
    parts.push(span(record.elapsed_ms));
    let exit = match record.exit {
        Exit::Ok => String::new(),
        exit => format!(" Exit {} ({}).", exit.code(), exit.name()),
    };
    format!("{name} {ended}: {}.{exit}", parts.join("; "))
}
