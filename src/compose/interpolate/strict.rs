//! The reading of strict mode: docker's where it is what the text says, the Compose Specification's where docker has
//! none or ends a nested variable at the first brace. Docker's traps are errors.

use super::super::place::{Log, Place};
use super::super::rules::Rule;
use super::{Environment, OPERATORS, Wrong, declare_fix, docker, escape_fix, name_of};

/// Variables inside of variables, at most.
pub(super) const DEEPEST: usize = 32;

/// The text with its variables replaced. Problems go to `log`.
pub(super) fn substitute(text: &str, env: &Environment, place: Place, log: &mut Log) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let after = reference.get(1..).unwrap_or_default();
        let (replacement, length) = match replace(after, env) {
            Ok(found) => found,
            Err(((rule, message, fix), length)) => {
                let forgotten = rule == Rule::VariableRequired && !docker::read(text, env).failed;
                log.rule(if forgotten { Rule::VariableForgotten } else { rule }, place, message, fix);
                (String::new(), length)
            }
        };
        out.push_str(&replacement);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What the reference behind a `$` becomes, and how many bytes of it were read.
fn replace(after: &str, env: &Environment) -> Result<(String, usize), (Wrong, usize)> {
    if after.starts_with('$') {
        return Ok(("$".to_owned(), 1));
    }
    if let Some(inner) = after.strip_prefix('{') {
        let end = closing(inner).map_err(|wrong| (wrong, after.len()))?;
        let inside = inner.get(..end).unwrap_or_default();
        return braced(inside, env).map(|value| (value, end + 2)).map_err(|wrong| (wrong, end + 2));
    }
    let name = name_of(after);
    if name.is_empty() {
        let wrong = (Rule::VariableInvalid, "a `$` that starts no variable".to_owned(), escape_fix());
        return Err((wrong, 0));
    }
    let tail = after.get(name.len()..).unwrap_or_default();
    if tail.starts_with(['-', '?']) || tail.starts_with(":-") || tail.starts_with(":?") {
        let message =
            format!("docker reads what follows `${name}` as an operator and swallows the text behind it");
        return Err((
            (Rule::VariableUnbraced, message, format!("put the name in braces: `${{{name}}}`")),
            name.len(),
        ));
    }
    lookup(name, env).map(|value| (value, name.len())).map_err(|wrong| (wrong, name.len()))
}

/// Where the brace stands that closes a `${`: behind every `${` inside that has one of its own.
fn closing(inner: &str) -> Result<usize, Wrong> {
    let mut open = 0_usize;
    let mut dollar = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'}' if open == 0 => return Ok(at),
            b'}' => open -= 1,
            b'{' if dollar && open == DEEPEST => {
                let fix = "combine the values in `env` of the stack".to_owned();
                let message = format!("variables are nested more than {DEEPEST} levels deep");
                return Err((Rule::NewerSpelling, message, fix));
            }
            b'{' if dollar => open += 1,
            _ => {}
        }
        // The second of two is text, also before a brace.
        dollar = byte == b'$' && !dollar;
    }
    Err((Rule::VariableInvalid, "a `${` has no closing brace".to_owned(), escape_fix()))
}

/// True for a brace that belongs to no variable; readers disagree on what it closes.
fn has_plain_brace(argument: &str) -> bool {
    let mut dollar = false;
    argument.bytes().any(|byte| {
        let plain = byte == b'{' && !dollar;
        dollar = byte == b'$' && !dollar;
        plain
    })
}

/// What stands between the braces of `${...}`.
fn braced(inside: &str, env: &Environment) -> Result<String, Wrong> {
    let name = name_of(inside);
    let tail = inside.get(name.len()..).unwrap_or_default();
    if name.is_empty() {
        return Err((Rule::VariableInvalid, format!("`${{{inside}}}` names no variable"), escape_fix()));
    }
    if tail.is_empty() {
        return lookup(name, env);
    }
    let operators = [":-", ":?", ":+", "-", "?", "+"];
    let Some(operator) = operators.into_iter().find(|operator| tail.starts_with(operator)) else {
        return Err((Rule::VariableInvalid, format!("`${{{inside}}}` is not a variable"), escape_fix()));
    };
    let argument = tail.get(operator.len()..).unwrap_or_default();
    // Docker does not know `+` and does not nest; there is no second reading then.
    if !operator.ends_with('+') && !argument.contains('$') {
        refuse_other_reading(inside, name, operator)?;
    } else if has_plain_brace(argument) {
        let message =
            format!("`${{{inside}}}` holds a brace beside a variable, which readers pair in different ways");
        return Err((
            Rule::NewerSpelling,
            message,
            "put the text with the brace into `env` of the stack".to_owned(),
        ));
    }
    let argument = |wanted: bool| if wanted { nested(argument, env) } else { Ok(String::new()) };
    let value = env.get(name);
    let full = value.is_some_and(|value| !value.is_empty());
    let there = if operator.starts_with(':') { full } else { value.is_some() };
    match operator {
        ":+" | "+" => argument(there),
        _ if there => Ok(value.cloned().unwrap_or_default()),
        ":-" | "-" => argument(true),
        _ => {
            let state = if value.is_some() { "empty" } else { "not set" };
            let why = argument(true)?;
            let why = if why.is_empty() { why } else { format!(": {why}") };
            let message = format!("the variable `{name}` is required and {state}{why}");
            Err((Rule::VariableRequired, message, declare_fix(name)))
        }
    }
}

/// Docker splits at whichever operator comes first in its own order, not in the text.
fn refuse_other_reading(inside: &str, name: &str, operator: &str) -> Result<(), Wrong> {
    let first = OPERATORS.into_iter().find(|candidate| inside.contains(candidate));
    if first == Some(operator) && inside.find(operator) == Some(name.len()) {
        return Ok(());
    }
    let message = format!(
        "docker reads the `{}` in `${{{inside}}}` as the operator, not the `{operator}`",
        first.unwrap_or_default()
    );
    Err((Rule::VariableOperator, message, format!("leave `-` and `?` out of the text behind `{operator}`")))
}

/// An argument, in which variables are replaced too. Only an argument that is used is looked at.
fn nested(argument: &str, env: &Environment) -> Result<String, Wrong> {
    let mut out = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (value, length) = replace(after, env).map_err(|(wrong, _)| wrong)?;
        out.push_str(&value);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

fn lookup(name: &str, env: &Environment) -> Result<String, Wrong> {
    env.get(name).cloned().ok_or_else(|| {
        (
            Rule::VariableUnset,
            format!("the variable `{name}` is not set"),
            format!("{}, or give it a default: `${{{name}:-}}`", declare_fix(name)),
        )
    })
}
