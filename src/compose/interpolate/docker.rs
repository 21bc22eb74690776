//! Docker's own reading of variables, traps and all, and what it does otherwise than the text says.

use super::super::place::{Log, Place};
use super::super::rules::Rule;
use super::{Environment, OPERATORS, Wrong, declare_fix, escape_fix, name_of};

/// What docker makes of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Docker {
    /// The text with its variables replaced.
    pub(super) text: String,
    /// True when it fails: the last reference with a name decides, a failure before it is forgotten.
    pub(super) failed: bool,
}

/// The text with its variables replaced as docker does. Problems go to `log`.
pub(super) fn substitute(text: &str, env: &Environment, place: Place, log: &mut Log) -> String {
    let docker = read(text, env);
    let mut said = false;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = rest.get(at + 1..).unwrap_or_default();
        let (wrong, length) = check(after, env);
        if let Some((rule, message, fix)) = wrong {
            // Docker forgets a failure when another variable follows in the same text.
            let forgotten = !rule.followed() && !docker.failed;
            log.rule(if forgotten { Rule::VariableForgotten } else { rule }, place, message, fix);
            said |= !rule.followed();
        }
        rest = after.get(length..).unwrap_or_default();
    }
    if docker.failed && !said {
        log.rule(Rule::VariableInvalid, place, "docker refuses the variables of this text", escape_fix());
    }
    docker.text
}

/// Docker's own reading: one pass over every `$`.
pub(super) fn read(text: &str, env: &Environment) -> Docker {
    let mut out = Docker { text: String::with_capacity(text.len()), failed: false };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        out.text.push_str(before);
        let after = reference.get(1..).unwrap_or_default();
        if after.starts_with('$') {
            out.text.push('$');
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| {
            let length = expression(inner);
            let closed = length > 0 && inner.get(length..).is_some_and(|tail| tail.starts_with('}'));
            closed.then(|| (inner.get(..length).unwrap_or_default(), length + 2))
        });
        let named = expression(after);
        let (inside, length) = match braced {
            Some(found) => found,
            None if named > 0 => (after.get(..named).unwrap_or_default(), named),
            None => {
                out.failed = true;
                rest = after;
                continue;
            }
        };
        let value = evaluate(inside, env);
        out.failed = value.is_none();
        out.text.push_str(&value.unwrap_or_default());
        rest = after.get(length..).unwrap_or_default();
    }
    out.text.push_str(rest);
    out
}

/// How many bytes at the start of `text` are a name, with an operator and all up to the next `}` behind it.
fn expression(text: &str) -> usize {
    let name = name_of(text).len();
    let tail = text.get(name..).unwrap_or_default();
    let operator = tail.strip_prefix(':').unwrap_or(tail).starts_with(['-', '?']);
    if name == 0 || !operator { name } else { name + tail.find('}').unwrap_or(tail.len()) }
}

/// The value of a name with an operator, `None` for a required variable that is missing.
fn evaluate(inside: &str, env: &Environment) -> Option<String> {
    let found = OPERATORS
        .into_iter()
        .find_map(|operator| inside.split_once(operator).map(|(name, argument)| (operator, name, argument)));
    let Some((operator, name, argument)) = found else {
        return Some(env.get(inside).cloned().unwrap_or_default());
    };
    let value = env.get(name);
    match operator {
        ":-" => Some(value.filter(|value| !value.is_empty()).cloned().unwrap_or_else(|| argument.to_owned())),
        "-" => Some(value.cloned().unwrap_or_else(|| argument.to_owned())),
        ":?" => value.filter(|value| !value.is_empty()).cloned(),
        _ => value.cloned(),
    }
}

/// What is wrong with the reference behind a `$`, and how many bytes of it are done with.
fn check(after: &str, env: &Environment) -> (Option<Wrong>, usize) {
    if after.starts_with('$') {
        return (None, 1);
    }
    if let Some(inner) = after.strip_prefix('{') {
        let Some(end) = inner.find('}') else {
            let wrong = (Rule::VariableInvalid, "a `${` has no closing brace".to_owned(), escape_fix());
            return (Some(wrong), after.len());
        };
        return (braced(inner.get(..end).unwrap_or_default(), env).err(), end + 2);
    }
    let name = name_of(after);
    if name.is_empty() {
        return (Some((Rule::VariableInvalid, "a `$` that starts no variable".to_owned(), escape_fix())), 0);
    }
    let tail = after.get(name.len()..).unwrap_or_default();
    if tail.starts_with(['-', '?']) || tail.starts_with(":-") || tail.starts_with(":?") {
        let message =
            format!("docker reads what follows `${name}` as an operator and swallows the text behind it");
        let fix = format!("put the name in braces: `${{{name}}}`");
        let swallowed = expression(after);
        let failed = evaluate(after.get(..swallowed).unwrap_or_default(), env).is_none();
        let rule = if failed { Rule::VariableRequired } else { Rule::VariableUnbraced };
        return (Some((rule, message, fix)), swallowed);
    }
    (lookup(name, env), name.len())
}

/// What stands between the braces of `${...}`.
fn braced(inside: &str, env: &Environment) -> Result<(), Wrong> {
    let name = name_of(inside);
    let tail = inside.get(name.len()..).unwrap_or_default();
    if name.is_empty() {
        let message = format!("`${{{inside}}}` names no variable");
        return Err((Rule::VariableInvalid, message, escape_fix()));
    }
    if tail.is_empty() {
        return lookup(name, env).map_or(Ok(()), Err);
    }
    if tail.starts_with('+') || tail.starts_with(":+") {
        let message = format!("`${{{inside}}}` uses `+`, which docker does not know");
        let fix = format!("set `{name}` to the whole value and write `${{{name}}}`");
        return Err((Rule::VariablePlus, message, fix));
    }
    let Some(operator) = [":-", ":?", "-", "?"].into_iter().find(|operator| tail.starts_with(operator))
    else {
        return Err((Rule::VariableInvalid, format!("`${{{inside}}}` is not a variable"), escape_fix()));
    };
    let argument = tail.get(operator.len()..).unwrap_or_default();
    let missing = evaluate(inside, env).is_none();
    let or_missing = |rule: Rule| if missing { Rule::VariableRequired } else { rule };
    if argument.contains('$') {
        let message = format!("`${{{inside}}}` holds another variable, and docker does not nest them");
        let fix = "write a plain default, or combine the values in `env`".to_owned();
        return Err((or_missing(Rule::VariableNested), message, fix));
    }
    // Docker splits at whichever operator comes first in its own order, not in the text.
    let first = OPERATORS.into_iter().find(|candidate| inside.contains(candidate));
    if first != Some(operator) || inside.find(operator) != Some(name.len()) {
        let message = format!(
            "docker reads the `{}` in `${{{inside}}}` as the operator, not the `{operator}`",
            first.unwrap_or_default()
        );
        let fix = format!("leave `-` and `?` out of the text behind `{operator}`");
        return Err((or_missing(Rule::VariableOperator), message, fix));
    }
    if missing {
        let state = if env.contains_key(name) { "empty" } else { "not set" };
        let why = if argument.is_empty() { String::new() } else { format!(": {argument}") };
        let message = format!("the variable `{name}` is required and {state}{why}");
        return Err((Rule::VariableRequired, message, declare_fix(name)));
    }
    Ok(())
}

fn lookup(name: &str, env: &Environment) -> Option<Wrong> {
    if env.contains_key(name) {
        return None;
    }
    let fix = format!("{}, or give it a default: `${{{name}:-}}`", declare_fix(name));
    Some((Rule::VariableUnset, format!("the variable `{name}` is not set"), fix))
}
