//! The long form of `env_file`.

use super::super::fields::Fields;
use super::super::model::EnvFile;
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::super::tree::Tree;

/// `{path, required, format}`.
pub(in super::super) fn read(item: &Tree, log: &mut Log) -> Option<At<EnvFile>> {
    let mut fields = Fields::open(item, "env file", log)?;
    let path = fields.text("path", log);
    let required = fields.flag("required", log).is_none_or(|at| at.value);
    let format = fields.text("format", log);
    let missing = fields.value("path").is_none();
    fields.finish(log);
    if missing {
        log.rule(Rule::NewerSpelling, item.place, "the item of `env_file` has no `path`", "add `path: FILE`");
    }
    let raw = format.as_ref().is_some_and(|at| at.value == "raw");
    if let Some(format) = format.filter(|_| !raw) {
        let message = format!("`format: {}` is not known", format.value);
        log.rule(Rule::NewerSpelling, format.place, message, "write `format: raw`, or remove the line");
    }
    Some(At::new(EnvFile { path: path?.value, required, raw }, item.place))
}

/// Without `format: raw`, Compose reads quotes, variables and comments in values. What it would read otherwise than
/// it stands is refused, so that there is one meaning.
pub(in super::super) fn refuse_dialect(key: &str, value: &At<String>, log: &mut Log) {
    let text = value.value.as_str();
    let quoted = text.starts_with(['"', '\'', '`']);
    let comment = text.starts_with('#') || text.contains(" #") || text.contains("\t#");
    if key.contains(':') || quoted || comment || text.contains('$') || text.trim() != text {
        let message = format!("Compose reads quotes, variables, comments or blanks in the line of `{key}`");
        log.rule(
            Rule::NewerSpelling,
            value.place,
            message,
            "write `format: raw` if the text is meant as it stands",
        );
    }
}
