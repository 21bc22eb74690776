//! Files of `KEY=VALUE` lines: line by line, no quotes, no variables, `#` only at the start of a line.

use crate::source::Span;

use super::interpolate::Environment;
use super::place::{At, Log, Place};
use super::rules::Rule;

/// The variables of a file in its order. Trailing spaces belong to the value, as docker has it. A name without a value
/// takes that of `env`; without one there either, the line is dropped.
pub(super) fn parse(text: &str, file: usize, env: &Environment, log: &mut Log) -> Vec<(String, At<String>)> {
    let mut variables = Vec::new();
    let mut start = 0;
    for raw in text.split_inclusive('\n') {
        let line = raw.strip_suffix('\n').unwrap_or(raw);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let body = line.trim_start_matches('\u{feff}').trim_start();
        let indent = line.len() - body.len();
        let place = Place { file, span: Span { start: start + indent, end: start + line.len() } };
        start += raw.len();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let Some((key, value)) = body.split_once('=') else {
            if body.contains([' ', '\t']) {
                let fix = "write `KEY=VALUE`, or `#` before a comment";
                log.rule(Rule::EnvFileLine, place, "the name of a variable holds spaces", fix);
                continue;
            }
            log.rule(
                Rule::EnvFileBare,
                place,
                "a variable without a value; the environment of the process is never read",
                format!("write `{body}=VALUE`"),
            );
            variables.extend(env.get(body).map(|value| (body.to_owned(), At::new(value.clone(), place))));
            continue;
        };
        if key.is_empty() || key.contains([' ', '\t']) {
            log.rule(
                Rule::EnvFileLine,
                place,
                "the name of a variable is empty or holds spaces",
                "write `KEY=VALUE`, without `export`",
            );
            continue;
        }
        let quoted = |mark: char| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark);
        if quoted('"') || quoted('\'') {
            let message = format!("the quotes of `{key}` are part of its value, docker does not strip them");
            log.rule(
                Rule::EnvFileQuotes,
                place,
                message,
                "remove the quotes, or leave them where they are meant",
            );
        }
        variables.push((key.to_owned(), At::new(value.to_owned(), place)));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_as_docker_does() {
        let mut log = Log::default();
        let text = "\u{feff}A=1\n  # no\n\n  B= x # kept \nC=a=b\r\nD=";
        let found: Vec<_> = parse(text, 0, &Environment::new(), &mut log)
            .into_iter()
            .map(|(key, at)| (key, at.value))
            .collect();
        let want = [("A", "1"), ("B", " x # kept "), ("C", "a=b"), ("D", "")];
        assert_eq!(found, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(log.errors.is_empty());
    }

    #[test]
    fn refuses_what_docker_would_take_from_the_process_or_cannot_read() {
        let mut log = Log::default();
        parse("BARE\nexport A=1\n=x\n", 0, &Environment::new(), &mut log);
        assert_eq!(log.errors.len(), 3);
    }
}
