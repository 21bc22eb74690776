//! Templates in host names, variables and mounts: the engine fills them in for each task, and takes no service whose
//! templates it cannot read.
//!
//! Only what is certainly wrong is said: an action that does not end, one without words, an unknown field, an unknown
//! function.

use super::super::model::{File, MountKind, Service};
use super::super::place::{Log, Place};
use super::super::rules::Rule;

/// What a template can name.
const FIELDS: [&str; 14] = [
    ".Service",
    ".Service.ID",
    ".Service.Name",
    ".Service.Labels",
    ".Node",
    ".Node.ID",
    ".Node.Hostname",
    ".Node.Platform",
    ".Node.Platform.Architecture",
    ".Node.Platform.OS",
    ".Task",
    ".Task.ID",
    ".Task.Name",
    ".Task.Slot",
];

/// First words of an action that mean something.
const WORDS: [&str; 33] = [
    "and", "block", "break", "call", "continue", "define", "else", "end", "eq", "false", "ge", "gt", "html",
    "if", "index", "join", "js", "le", "len", "lt", "ne", "nil", "not", "or", "print", "printf", "println",
    "range", "slice", "template", "true", "urlquery", "with",
];

/// Judges every text of a service that the engine reads as a template.
pub(super) fn check(service: &Service, file: &File, log: &mut Log) {
    let hostname = service.hostname.iter().map(|at| (at.value.as_str(), at.place));
    let variables = service.environment.values().map(|at| (at.value.as_str(), at.place));
    let mounts = service.volumes.iter().flat_map(|at| {
        let source = at.value.source.as_deref().filter(|_| at.value.kind != MountKind::Volume);
        [Some(at.value.target.as_str()), source].into_iter().flatten().map(|text| (text, at.place))
    });
    let volumes = service.volumes.iter().filter(|at| at.value.kind == MountKind::Volume);
    let volumes = volumes.filter_map(|at| file.volumes.get(at.value.source.as_ref()?)).flat_map(|volume| {
        let volume = &volume.value;
        let texts =
            volume.labels.values().chain(volume.driver_opts.iter().flat_map(|options| options.values()));
        texts.chain(&volume.name).map(|at| (at.value.as_str(), at.place))
    });
    let texts: Vec<(&str, Place)> = hostname.chain(variables).chain(mounts).chain(volumes).collect();
    for (text, place) in texts {
        if let Err(reason) = read(text) {
            let fix = "write a field such as `{{.Node.Hostname}}`, or `{{\"{{\"}}` for the braces themselves";
            log.rule(Rule::TemplateInvalid, place, format!("a template {reason}"), fix);
        }
    }
}

/// Looks at every action of a text.
fn read(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("{{") {
        let (action, after) = action(behind).ok_or("does not end with `}}`")?;
        judge(action)?;
        rest = after;
    }
    Ok(())
}

/// An action and what follows it; quoted texts and comments may hold braces.
fn action(text: &str) -> Option<(&str, &str)> {
    let trimmed = text.strip_prefix("- ").unwrap_or(text);
    if trimmed.starts_with("/*") {
        let end = trimmed.find("*/")?;
        return trimmed.get(end..)?.split_once("}}").map(|(_, after)| ("/*", after));
    }
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            None if text.get(at..).is_some_and(|rest| rest.starts_with("}}")) => {
                return text.split_at_checked(at).and_then(|(action, rest)| Some((action, rest.get(2..)?)));
            }
            Some(_) | None => {}
        }
    }
    None
}

fn judge(action: &str) -> Result<(), String> {
    let action = action.strip_prefix('-').filter(|rest| rest.starts_with(' ')).unwrap_or(action);
    let action = action.strip_suffix('-').filter(|rest| rest.ends_with(' ')).unwrap_or(action).trim();
    let Some(first) = action.split_whitespace().next() else {
        return Err("has an action without words".to_owned());
    };
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let path = first.starts_with('.') && first.chars().all(|c| name(c) || c == '.');
    if let Some(label) = first.strip_prefix(".Service.Labels.").filter(|_| path) {
        return Err(format!(
            "reads a label by a path, which no engine finds: `index .Service.Labels \"{label}\"` does"
        ));
    }
    if path && first != "." && !FIELDS.contains(&first) {
        return Err(format!("names `{first}`, which the engine does not have"));
    }
    if first.starts_with(char::is_alphabetic) && first.chars().all(name) && !WORDS.contains(&first) {
        return Err(format!("calls `{first}`, which the engine does not have"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_what_the_engine_cannot_read_is_refused() {
        for text in [
            "",
            "a}}b",
            "{{.Node.Hostname}}-{{ .Task.Slot }}",
            "{{- .Service.Name -}}",
            "{{/* a }} b */}}",
            "{{\"{{\"}}",
            "{{index .Service.Labels \"a}}b\"}}",
            "{{if eq .Task.Slot \"1\"}}a{{else}}b{{end}}",
            "{{ join \",\" .Node.ID .Task.ID }}",
            "{{`}}`}}",
        ] {
            assert_eq!(read(text), Ok(()), "{text}");
        }
        for text in [
            "{{",
            "{{}}",
            "{{ }}",
            "{{.Node.Name}}",
            "{{.Hostname}}",
            "{{ env \"A\" }}",
            "{{host}}",
            "{{\"}}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
