//! Variables in text values: `$$`, `$NAME`, `${NAME}` and the operators `:-` `-` `:?` `?` of docker, `:+` and `+` of
//! the Compose Specification, whose arguments may hold variables too.
//!
//! Docker's own reading has traps: an operator after an unbraced name swallows the rest of the text, a failed
//! `:?` is forgotten when another variable follows, and an operator inside a message changes what comes before it.
//! Each is an error here, because the result is never meant. Where docker ends a nested variable at the first brace,
//! the Compose Specification is followed.

use std::collections::BTreeMap;

use super::place::{Log, Place};

/// The variables that files may refer to.
pub(super) type Environment = BTreeMap<String, String>;

/// Variables inside of variables, at most.
const DEEPEST: usize = 32;

/// Docker tries the operators in this order, wherever they stand.
const OPERATORS: [&str; 4] = [":-", "-", ":?", "?"];

/// What is wrong with a reference, and the fix.
type Wrong = (String, String);

/// The text with its variables replaced, and whether that changed it. Problems go to `log`.
pub(super) fn substitute(text: &str, env: &Environment, place: Place, log: &mut Log) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let after = reference.get(1..).unwrap_or_default();
        let (replacement, length) = match replace(after, env) {
            Ok(found) => found,
            Err(((message, fix), length)) => {
                log.error(place, message, fix);
                (String::new(), length)
            }
        };
        out.push_str(&replacement);
        rest = after.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    let changed = out != text;
    (out, changed)
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
        return Err((("a `$` that starts no variable".to_owned(), escape_fix()), 0));
    }
    let tail = after.get(name.len()..).unwrap_or_default();
    if tail.starts_with(['-', '?']) || tail.starts_with(":-") || tail.starts_with(":?") {
        let message =
            format!("docker reads what follows `${name}` as an operator and swallows the text behind it");
        return Err(((message, format!("put the name in braces: `${{{name}}}`")), name.len()));
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
                return Err((format!("variables are nested more than {DEEPEST} levels deep"), fix));
            }
            b'{' if dollar => open += 1,
            _ => {}
        }
        // The second of two is text, also before a brace.
        dollar = byte == b'$' && !dollar;
    }
    Err(("a `${` has no closing brace".to_owned(), escape_fix()))
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
        return Err((format!("`${{{inside}}}` names no variable"), escape_fix()));
    }
    if tail.is_empty() {
        return lookup(name, env);
    }
    let operators = [":-", ":?", ":+", "-", "?", "+"];
    let Some(operator) = operators.into_iter().find(|operator| tail.starts_with(operator)) else {
        return Err((format!("`${{{inside}}}` is not a variable"), escape_fix()));
    };
    let argument = tail.get(operator.len()..).unwrap_or_default();
    // Docker does not know `+` and does not nest; there is no second reading then.
    if !operator.ends_with('+') && !argument.contains('$') {
        refuse_other_reading(inside, name, operator)?;
    } else if has_plain_brace(argument) {
        let message =
            format!("`${{{inside}}}` holds a brace beside a variable, which readers pair in different ways");
        return Err((message, "put the text with the brace into `env` of the stack".to_owned()));
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
            Err((format!("the variable `{name}` is required and {state}{why}"), declare_fix(name)))
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
    Err((message, format!("leave `-` and `?` out of the text behind `{operator}`")))
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
            format!("the variable `{name}` is not set"),
            format!("{}, or give it a default: `${{{name}:-}}`", declare_fix(name)),
        )
    })
}

/// The longest name at the start of `text`.
fn name_of(text: &str) -> &str {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if starts { text.get(..end).unwrap_or_default() } else { "" }
}

fn escape_fix() -> String {
    "write `$$` for a `$` that is meant as it stands".to_owned()
}

fn declare_fix(name: &str) -> String {
    format!("declare `{name}` in `env` of the stack")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String, String> {
        let env = [("A", "a"), ("EMPTY", ""), ("HOST", "h")];
        let env = env.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut log = Log::default();
        let (out, _) = substitute(text, &env, Place::default(), &mut log);
        log.errors.first().map_or(Ok(out), |problem| Err(problem.message.clone()))
    }

    #[test]
    fn replaces_what_docker_replaces() {
        for (text, want) in [
            ("plain", "plain"),
            ("$A/${A}$$A", "a/a$A"),
            ("${EMPTY:-d}|${EMPTY-d}|${NO-d}|${NO:-}", "d||d|"),
            ("${A:?must}", "a"),
            ("${A:+b}|${EMPTY:+b}|${NO:+b}|${A+b}|${EMPTY+b}|${NO+b}", "b|||b|b|"),
            ("${NO:-${A}}|${NO:-${A}-x}|${NO:-${NO:-${EMPTY:-deep}}}", "a|a-x|deep"),
            ("${A:-${NO}}", "a"),
            ("${NO:+${NO}}", ""),
            ("${A:+<${HOST}>}", "<h>"),
            ("${NO:-$$A}", "$A"),
            ("${NO-a$$b}", "a$b"),
            ("${EMPTY?must}", ""),
            ("$Ab_c-${A:-x:y}", "a"),
        ] {
            if text.starts_with("$Ab") {
                assert!(run(text).is_err(), "{text}");
            } else {
                assert_eq!(run(text).as_deref(), Ok(want), "{text}");
            }
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let deep = |levels: usize| format!("{}x{}", "${NO:-".repeat(levels), "}".repeat(levels));
        assert_eq!(run(&deep(DEEPEST)).as_deref(), Ok("x"));
        for levels in [DEEPEST + 2, 1_000_000] {
            assert!(run(&deep(levels)).unwrap_err().contains("nested more than"));
        }
        assert!(run(&"${NO:-".repeat(1_000_000)).is_err());
    }

    #[test]
    fn refuses_every_trap() {
        for (text, part) in [
            ("$HOST-suffix/rest", "swallows"),
            ("${A?x-y}", "as the operator"),
            ("${A-b:-c}", "as the operator"),
            ("${NO:?must} and ${A:-x}", "required and not set: must"),
            ("${EMPTY:?}", "required and empty"),
            ("${NO:-${NO}}", "not set"),
            ("${NO:-${A}", "no closing brace"),
            ("${NO:?set ${A}}", "required and not set: set a"),
            ("${NO:-$}", "starts no variable"),
            ("${NO:-{${A}}}", "a brace beside"),
            ("${NO:-$${A}}", "a brace beside"),
            ("${NO:-$A-x}", "swallows"),
            ("$NO", "not set"),
            ("${NO}", "not set"),
            ("100$", "starts no variable"),
            ("$1", "starts no variable"),
            ("${1}", "names no variable"),
            ("${A.b}", "is not a variable"),
            ("${A", "no closing brace"),
        ] {
            let error = run(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
