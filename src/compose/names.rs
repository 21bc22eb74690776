//! Names and texts that the engine, or the program in a container, could not take.

use crate::desired::StackSpec;

use super::model::File;
use super::place::{Log, Place};
use super::rules::Rule;

/// What the engine takes as the name of a service or network, in characters.
const LONGEST: usize = 63;

/// The full names of what a stack makes. Configs and secrets get names that fit, unless the file fixes them.
pub(super) fn check(file: &File, out: &StackSpec, log: &mut Log) {
    for (key, service) in file.services.iter().filter(|(key, _)| fits(key)) {
        full("service", &format!("{}_{key}", out.name), service.place, log);
    }
    for (key, network) in out.networks.iter().filter(|(key, _)| fits(key)) {
        let place = file.networks.get(key).map_or(log.home, |network| network.place);
        full("network", &network.name, place, log);
    }
    for (key, config) in out.configs.iter().filter(|(_, config)| config.fixed_name) {
        let place = file.configs.get(key).map_or(log.home, |config| config.place);
        if !joined(&config.base, |c| matches!(c, '-' | '_' | '.')) {
            let message = format!("the engine takes no config named `{}`", config.base);
            log.rule(
                Rule::EngineName,
                place,
                message,
                "begin and end with a letter or digit; `-`, `_` and `.` may stand between",
            );
        }
    }
}

/// What docker takes as the key of a section; the rest is refused where it is read.
pub(super) fn fits(key: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !key.is_empty() && key.chars().all(fine)
}

fn full(kind: &str, name: &str, place: Place, log: &mut Log) {
    let length = name.chars().count();
    if length > LONGEST {
        let message =
            format!("the {kind} would be named `{name}`, which has {length} characters, and {LONGEST} fit");
        log.rule(Rule::NameLength, place, message, "shorten its key or the stack's name");
    } else if !joined(name, |c| matches!(c, '-' | '_')) {
        let message = format!("the engine takes no {kind} named `{name}`");
        log.rule(
            Rule::EngineName,
            place,
            message,
            "begin and end with a letter or digit; `-` and `_` may stand between",
        );
    }
}

/// Letters and digits, with others only between them.
fn joined(name: &str, between: impl Fn(char) -> bool) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || between(c))
}

/// A key with control characters, which would end a line where it is written out.
pub(super) fn key(key: &str, place: Place, log: &mut Log) {
    if key.chars().any(char::is_control) {
        log.rule(
            Rule::KeyControl,
            place,
            format!("the key `{key}` holds a control character"),
            "write it without",
        );
    }
}

/// A text with a NUL, which ends every argument, variable and path.
pub(super) fn text(text: &str, place: Place, log: &mut Log) {
    if text.contains('\0') {
        log.rule(Rule::TextNul, place, "the text holds a NUL character", "remove it");
    }
}
