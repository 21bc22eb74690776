//! Variables in text values: `$$`, `$NAME`, `${NAME}` and the operators `:-` `-` `:?` `?` of docker, `:+` and `+` of
//! the Compose Specification, whose arguments may hold variables too.
//!
//! Docker's own reading has traps: an operator after an unbraced name swallows the rest of the text, a failed
//! `:?` is forgotten when another variable follows, an operator inside a message changes what comes before it,
//! and a nested variable ends at the first brace. Strict mode follows the specification where docker is the odd one
//! and refuses the other traps, because their result is never meant; compat mode reads as docker does and says so.

mod docker;
mod strict;

use std::collections::BTreeMap;

use super::place::{Log, Place};
use super::rules::Rule;

/// The variables that files may refer to.
pub(super) type Environment = BTreeMap<String, String>;

/// Docker tries the operators in this order, wherever they stand.
const OPERATORS: [&str; 4] = [":-", "-", ":?", "?"];

/// What is wrong with a reference, and the fix.
type Wrong = (Rule, String, String);

/// The text with its variables replaced, and whether that changed it. Problems go to `log`.
pub(super) fn substitute(text: &str, env: &Environment, place: Place, log: &mut Log) -> (String, bool) {
    if !text.contains('$') {
        return (text.to_owned(), false);
    }
    let read = if log.translates() { strict::substitute } else { docker::substitute };
    let out = read(text, env, place, log);
    let changed = out != text;
    (out, changed)
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
        assert_eq!(run(&deep(strict::DEEPEST)).as_deref(), Ok("x"));
        for levels in [strict::DEEPEST + 2, 1_000_000] {
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

    /// The text in compat mode, and the rules it breaks.
    fn compat(text: &str) -> (String, Vec<&'static str>) {
        let env = [("A", "a"), ("EMPTY", ""), ("HOST", "h")];
        let env = env.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut log = Log { mode: crate::manifest::Mode::Compat, ..Log::default() };
        let (out, _) = substitute(text, &env, Place::default(), &mut log);
        (out, log.errors.iter().chain(&log.warnings).filter_map(|problem| problem.rule).collect())
    }

    #[test]
    fn compat_reads_as_docker_does_and_says_so() {
        for (text, want, rules) in [
            ("$A/${A}$$A", "a/a$A", &[] as &[&str]),
            ("$HOST-suffix/rest", "h", &["variable-unbraced"]),
            ("${NO?x-y}", "y", &["variable-operator"]),
            ("${NO:?must} and ${A:-x}", " and a", &["variable-forgotten"]),
            ("${NO:-${A}}", "${A}", &["variable-nested"]),
            ("$NO", "", &["variable-unset"]),
        ] {
            assert_eq!(compat(text), (want.to_owned(), rules.to_vec()), "{text}");
        }
        for (text, rule) in
            [("${A:+b}", "variable-plus"), ("100$", "variable-invalid"), ("${NO?}", "variable-required")]
        {
            assert_eq!(compat(text).1, [rule], "{text}");
        }
    }
}
