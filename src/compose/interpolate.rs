//! Variables in text values, in docker's grammar: `$$`, `$NAME`, `${NAME}` and the operators `:-` `-` `:?` `?`.
//!
//! Docker's own reading has traps: an operator after an unbraced name swallows the rest of the text, a failed
//! `:?` is forgotten when another variable follows, an operator inside a message changes what comes before it,
//! and a nested variable ends at the first brace. Each is an error here, because the result is never meant.

use std::collections::BTreeMap;

use super::place::{Log, Place};

/// The variables that files may refer to.
pub(super) type Environment = BTreeMap<String, String>;

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
        let Some(end) = inner.find('}') else {
            let wrong = ("a `${` has no closing brace".to_owned(), escape_fix());
            return Err((wrong, after.len()));
        };
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
    if tail.starts_with('+') || tail.starts_with(":+") {
        let message = format!("`${{{inside}}}` uses `+`, which docker does not know");
        return Err((message, format!("set `{name}` to the whole value and write `${{{name}}}`")));
    }
    let Some(operator) = [":-", ":?", "-", "?"].into_iter().find(|operator| tail.starts_with(operator))
    else {
        return Err((format!("`${{{inside}}}` is not a variable"), escape_fix()));
    };
    let argument = tail.get(operator.len()..).unwrap_or_default();
    if argument.contains('$') {
        let message = format!("`${{{inside}}}` holds another variable, and docker does not nest them");
        return Err((message, "write a plain default, or combine the values in `env`".to_owned()));
    }
    // Docker splits at whichever operator comes first in its own order, not in the text.
    let first = OPERATORS.into_iter().find(|candidate| inside.contains(candidate));
    if first != Some(operator) || inside.find(operator) != Some(name.len()) {
        let message = format!(
            "docker reads the `{}` in `${{{inside}}}` as the operator, not the `{operator}`",
            first.unwrap_or_default()
        );
        return Err((message, format!("leave `-` and `?` out of the text behind `{operator}`")));
    }
    let value = env.get(name);
    match (operator, value) {
        (":-" | ":?", Some(value)) if !value.is_empty() => Ok(value.clone()),
        ("-" | "?", Some(value)) => Ok(value.clone()),
        (":-" | "-", _) => Ok(argument.to_owned()),
        _ => {
            let state = if value.is_some() { "empty" } else { "not set" };
            let why = if argument.is_empty() { String::new() } else { format!(": {argument}") };
            Err((format!("the variable `{name}` is required and {state}{why}"), declare_fix(name)))
        }
    }
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
    fn refuses_every_trap() {
        for (text, part) in [
            ("$HOST-suffix/rest", "swallows"),
            ("${A?x-y}", "as the operator"),
            ("${A-b:-c}", "as the operator"),
            ("${NO:?must} and ${A:-x}", "required and not set: must"),
            ("${EMPTY:?}", "required and empty"),
            ("${A:+b}", "uses `+`"),
            ("${A:-${HOST}}", "does not nest"),
            ("${A:-$HOST}", "does not nest"),
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
