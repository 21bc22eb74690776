//! `${NAME}`: text that is pasted into the file before it is read as YAML.
//!
//! As drone-runner-exec 1.0.0-beta.10 does it: `$$` is one dollar and escapes what follows, and parameters of the build go
//! before the runner's own values.

use std::collections::BTreeSet;

use super::FIXED;
use crate::source::{Problem, Source, Span};

/// Values of Drone that hold what somebody wrote: a message, a name, a branch.
const WRITTEN_BY_SOMEBODY: [&str; 22] = [
    "CI_COMMIT_AUTHOR",
    "CI_COMMIT_AUTHOR_EMAIL",
    "CI_COMMIT_AUTHOR_NAME",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_MESSAGE",
    "CI_COMMIT_REF",
    "DRONE_BRANCH",
    "DRONE_COMMIT_AUTHOR",
    "DRONE_COMMIT_AUTHOR_AVATAR",
    "DRONE_COMMIT_AUTHOR_EMAIL",
    "DRONE_COMMIT_AUTHOR_NAME",
    "DRONE_COMMIT_BRANCH",
    "DRONE_COMMIT_MESSAGE",
    "DRONE_COMMIT_REF",
    "DRONE_DEPLOY_TO",
    "DRONE_PULL_REQUEST_TITLE",
    "DRONE_SEMVER_PRERELEASE",
    "DRONE_SOURCE_BRANCH",
    "DRONE_TAG",
    "DRONE_TARGET_BRANCH",
    "DRONE_REMOTE_URL",
    "DRONE_BUILD_ACTION",
];

/// A name that is substituted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pasted {
    /// From its dollar to the end of its name.
    pub span: Span,
    /// The name.
    pub name: String,
}

pub(super) fn lint(source: &Source, parameters: &BTreeSet<String>) -> Vec<Problem> {
    pasted(&source.text).iter().filter_map(|found| judge(source, found, parameters)).collect()
}

fn judge(source: &Source, Pasted { span, name }: &Pasted, parameters: &BTreeSet<String>) -> Option<Problem> {
    let fix = format!(
        "write `${name}`, or `$${{{name}}}` where the braces are needed: the shell reads its value then"
    );
    if FIXED.contains(&name.as_str()) || parameters.contains(name) {
        let message = format!(
            "`{name}` is set by a comment, and `${{{name}}}` pastes it into the file before it is read"
        );
        return Some(source.problem(*span, message).fix(fix));
    }
    if WRITTEN_BY_SOMEBODY.contains(&name.as_str()) {
        let message = format!("`${{{name}}}` pastes what somebody wrote into the file before it is read");
        return Some(source.problem(*span, message).fix(fix));
    }
    // Drone's own numbers and addresses. Their names cannot be parameters: the manifest's check refuses them.
    if name.starts_with("DRONE_") || name.starts_with("CI_") {
        return None;
    }
    let message = format!(
        "`${{{name}}}` is substituted by the runner and not by the shell: empty unless a parameter has that name"
    );
    Some(source.problem(*span, message).warning().fix(fix))
}

/// Every name that is substituted, one inside the default of another too.
pub(super) fn pasted(text: &str) -> Vec<Pasted> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(at) = text.get(rest..).and_then(|text| text.find('$')).map(|at| rest + at) {
        let behind = text.get(at..).unwrap_or_default();
        let dollars = behind.len() - behind.trim_start_matches('$').len();
        rest = at + dollars;
        // Two dollars are one that means nothing.
        if dollars % 2 == 0 {
            continue;
        }
        let Some(inner) = text.get(rest..).and_then(|text| text.strip_prefix('{')) else { continue };
        // `${#NAME}` is the length of it.
        let named = inner.strip_prefix('#').unwrap_or(inner);
        let name: String = named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            let end = rest + 1 + (inner.len() - named.len()) + name.len();
            found.push(Pasted { span: Span { start: rest - 1, end }, name });
        }
    }
    found
}
