//! Single values.

use super::super::place::Log;
use super::super::rules::Rule;
use super::super::tree::{Field, Kind, Tree};
use super::{child, remove};

/// The top-level `name` must be the stack's: it is the prefix of every object in Compose too.
pub(super) fn project_name(field: &Field, stack: &str, log: &mut Log) {
    let written = field.value.kind.go_text().unwrap_or_default();
    if written != stack {
        let message = format!("the file's `name` is `{written}`, the stack is `{stack}`");
        log.rule(
            Rule::NewerSpelling,
            field.value.place,
            message,
            format!("remove the line, or write `name: {stack}`"),
        );
    }
}

/// `name: STACK_KEY` says what is so without it; an object that is not external then keeps its content name.
pub(super) fn default_name(entry: &mut Field, stack: &str) {
    let whole = format!("{stack}_{}", entry.key);
    if child(&mut entry.value, "external").is_some_and(|external| external.kind != Kind::Bool(false)) {
        return;
    }
    let Kind::Map(fields) = &mut entry.value.kind else { return };
    if fields.iter().any(|field| field.key == "name" && field.value.kind.go_text().as_ref() == Some(&whole)) {
        remove(fields, "name");
    }
}

/// `true` and `false` as values of a map of texts.
pub(super) fn booleans(tree: &mut Tree) {
    super::each(tree, |field| {
        if let Kind::Bool(value) = field.value.kind {
            field.value.kind = Kind::text(if value { "true" } else { "false" });
        }
    });
}

/// A number where docker takes text.
pub(super) fn number_as_text(tree: &mut Tree) {
    let text = match &tree.kind {
        Kind::Int(value) => value.to_string(),
        // The shortest digits without an exponent, which Go's own form may have.
        Kind::Float(value) if value.is_finite() => value.to_string(),
        _ => return,
    };
    tree.kind = Kind::text(&text);
}

/// A whole number that is written as text.
pub(super) fn text_as_number(tree: &mut Tree) {
    let Kind::Text { text, .. } = &tree.kind else { return };
    let digits = !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(value) = digits.then(|| text.parse().ok()).flatten() {
        tree.kind = Kind::Int(value);
    }
}

/// Mode bits that are written as text, always in octal: `"0440"`, `"440"` and `"0o440"` are one.
pub(super) fn octal_text(tree: &mut Tree) {
    let Kind::Text { text, cast: false } = &tree.kind else { return };
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal =
        !digits.is_empty() && digits.len() < 8 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if let Some(value) = octal.then(|| i128::from_str_radix(digits, 8).ok()).flatten() {
        tree.kind = Kind::Int(value);
    }
}

/// How an image is pulled. A service's image is pinned by digest, so that nothing newer can be pulled, and nodes
/// pull what they lack.
pub(super) fn pull_policy(field: &Field, log: &mut Log) {
    let written = field.value.kind.go_text().unwrap_or_default();
    let every = written.strip_prefix("every_").is_some_and(|rest| !rest.is_empty());
    if every || matches!(written.as_str(), "missing" | "if_not_present" | "always" | "daily" | "weekly") {
        return;
    }
    let message = match written.as_str() {
        "never" => "a node of a swarm pulls an image that it lacks; `never` cannot be kept",
        "build" => "a swarm cannot build images",
        _ => "`pull_policy` takes `missing`, `always`, `daily` or `weekly`",
    };
    log.rule(Rule::NewerSpelling, field.value.place, message, "remove the line: images are pinned by digest");
}
