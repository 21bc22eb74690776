//! Key → text fields, written as a map or as a list of `KEY=VALUE`: environment, labels, sysctls, options.

use std::collections::BTreeMap;

use super::fields;
use super::interpolate::Environment;
use super::model::Texts;
use super::names;
use super::place::{At, Log, Place};
use super::rules::Rule;
use super::tree::{Kind, Tree};

/// A pair before its missing value is decided: `None` for a bare key or an empty map value.
type Pairs = BTreeMap<String, At<Option<String>>>;

/// Labels and sysctls: a missing value is empty.
pub(super) fn texts(tree: &Tree, what: &str, log: &mut Log) -> Texts {
    let pairs = pairs(tree, what, log);
    pairs.into_iter().map(|(key, at)| (key, At::new(at.value.unwrap_or_default(), at.place))).collect()
}

/// Labels of the stack's objects, in which docker's own keys cannot be set.
pub(super) fn labels(tree: &Tree, what: &str, log: &mut Log) -> Texts {
    let labels = texts(tree, what, log);
    for (key, at) in &labels {
        if matches!(key.as_str(), "com.docker.stack.namespace" | "com.docker.stack.image") {
            log.rule(
                Rule::LabelReserved,
                at.place,
                format!("the label `{key}` is set by the stack itself"),
                "remove it",
            );
        }
    }
    labels
}

/// Driver and log options: a map only.
pub(super) fn options(tree: &Tree, what: &str, nothing: bool, log: &mut Log) -> Texts {
    let mut out = Texts::new();
    for field in fields::map(tree, what, log).unwrap_or_default() {
        let value = match &field.value.kind {
            Kind::Null if nothing => Some(String::new()),
            _ => scalar(&field.value, &field.key, log),
        };
        out.extend(value.map(|value| (field.key.clone(), At::new(value, field.value.place))));
    }
    out
}

/// `environment`: docker fills a missing or empty value from its own environment. Here that is the stack's
/// `env`, and only where the file asks for it. Beside the values stand the names that have none.
pub(super) fn environment(tree: &Tree, env: &Environment, log: &mut Log) -> (Texts, BTreeMap<String, Place>) {
    let mut out = Texts::new();
    let mut bare = BTreeMap::new();
    for (key, at) in pairs(tree, "environment", log) {
        let value = match (at.value, env.get(&key)) {
            (None, Some(value)) => value.clone(),
            (None, None) => {
                let message = format!("`{key}` has no value here and none in `env` of the stack");
                log.rule(
                    Rule::EnvironmentBare,
                    at.place,
                    message,
                    format!("declare `{key}` in `env` of the stack, or write a value"),
                );
                bare.insert(key, at.place);
                continue;
            }
            (Some(empty), Some(refill)) if empty.is_empty() => {
                refuse_refill(&key, at.place, log);
                refill.clone()
            }
            (Some(value), _) => value,
        };
        out.insert(key, At::new(value, at.place));
    }
    (out, bare)
}

/// Docker puts the variable of the same name in place of an empty value.
pub(super) fn refuse_refill(key: &str, place: Place, log: &mut Log) {
    log.rule(
        Rule::EnvironmentEmptyRefilled,
        place,
        format!("docker replaces the empty value of `{key}` by that of the variable `{key}`"),
        format!("write `{key}: ${{{key}}}` if that is meant, else take `{key}` out of `env` of the stack"),
    );
}

fn pairs(tree: &Tree, what: &str, log: &mut Log) -> Pairs {
    let mut out = Pairs::new();
    match &tree.kind {
        Kind::Map(entries) => {
            for field in entries {
                let nothing = field.value.kind == Kind::Null;
                let value = if nothing { None } else { scalar(&field.value, &field.key, log) };
                if nothing || value.is_some() {
                    out.insert(field.key.clone(), At::new(value, field.value.place));
                }
            }
        }
        Kind::List(items) => {
            fields::refuse_repeated(items, what, log);
            for item in items {
                let Some(item) = fields::text(item, what, log) else { continue };
                let (key, value) = match item.value.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (item.value.as_str(), None),
                };
                names::key(key, item.place, log);
                if out.insert(key.to_owned(), At::new(value, item.place)).is_some() {
                    log.rule(
                        Rule::EnvironmentTwice,
                        item.place,
                        format!("`{key}` stands in `{what}` twice"),
                        "keep one of the two",
                    );
                }
            }
        }
        _ => fields::wrong(
            tree,
            what,
            "a map, or a list of `KEY=VALUE`",
            "write `KEY: value` lines below it",
            log,
        ),
    }
    out
}

/// The text of a map's value; `None` after a problem. Nothing at all is decided before.
fn scalar(tree: &Tree, key: &str, log: &mut Log) -> Option<String> {
    match &tree.kind {
        Kind::Text { text, .. } => Some(text.clone()),
        Kind::Bool(value) => {
            let fix = format!("quote it: `{key}: \"{value}\"`");
            log.rule(
                Rule::ValueType,
                tree.place,
                format!("`{key}` takes text or a number, not true or false"),
                fix,
            );
            None
        }
        // Reported when the tree was built.
        Kind::Float(value) if !value.is_finite() => None,
        Kind::Null | Kind::List(_) | Kind::Map(_) => {
            fields::wrong(tree, key, "text or a number", "write one value", log);
            None
        }
        Kind::Int(_) | Kind::Float(_) | Kind::Time(_) => {
            let value = tree.kind.go_text()?;
            let source = log.at(tree.place);
            let written = source.text.get(tree.place.span.start..tree.place.span.end).unwrap_or_default();
            if written.trim() != value {
                let message =
                    format!("docker reads `{}` as {} and sends `{value}`", written.trim(), tree.kind.name());
                log.rule(Rule::NumberRewritten, tree.place, message, "quote it to keep the text");
            }
            Some(value)
        }
    }
}
