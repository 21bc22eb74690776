//! The bridge: everything that reaches a build, a URL or a shell is judged before anybody can comment.

use super::values::{self, Verdict, holds};
use super::{Judge, Path, host, join};
use crate::manifest::{Bridge, BridgeParameter, BridgeRepository, Manifest};

/// Names that a build gets from us or that mean something to its shell, its loader or its tools.
const TAKEN: [&str; 16] = [
    "BASH_ENV",
    "BRANCH",
    "CI",
    "CDPATH",
    "ENV",
    "HOME",
    "IFS",
    "MESSAGE",
    "ACTION",
    "PATH",
    "PR",
    "REF",
    "SHELL",
    "TESTME_ID",
    "TMPDIR",
    "USER",
];
/// As [`TAKEN`], by their beginnings.
const TAKEN_BEGINNINGS: [&str; 7] = ["CI_", "DRONE_", "GIT_", "LD_", "NIX_", "PLUGIN_", "SSH_"];
/// Characters of a value, a parameter's name and a trigger.
const LONGEST: usize = 64;

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    let Some(bridge) = &manifest.bridge else { return };
    ends(judge, bridge);
    judge.maybe(&["bridge", "journal"], bridge.journal.as_deref(), values::path);
    judge.value(&["bridge", "bot", "login"], values::name(&bridge.bot.login));
    judge.names(&["bridge", "repositories"], bridge.repositories.keys(), full_name);
    for (name, repository) in &bridge.repositories {
        judge_repository(judge, &["bridge", "repositories", name], repository);
    }
    let policy = &bridge.policy;
    let at: &Path<'_> = &["bridge", "policy"];
    judge.value(&join(at, &["trigger"]), trigger(&policy.trigger));
    judge.value(&join(at, &["max_age"]), values::wait(policy.max_age));
    let long = policy.keep.0 >= policy.max_age.0.saturating_mul(2);
    let message = "a comment could come again after its run was forgotten";
    judge.value(&join(at, &["keep"]), holds(long, message, "write at least twice `max_age`, such as `720h`"));
    judge.value(&join(at, &["burst"]), some(policy.burst > 0));
    judge.value(&join(at, &["per_minute"]), some(policy.per_minute > 0));
    let at: &Path<'_> = &["bridge", "limits"];
    judge.value(&join(at, &["body"]), some(bridge.limits.body > 0));
    judge.value(&join(at, &["connections"]), some(bridge.limits.connections > 0));
    judge.value(&join(at, &["read"]), values::wait(bridge.limits.read));
}

/// The forge and Drone, and the secrets between them and us.
fn ends(judge: &mut Judge<'_>, bridge: &Bridge) {
    judge.value(&["bridge", "forge", "url"], values::url(&bridge.forge.url));
    judge.value(&["bridge", "drone", "url"], values::url(&bridge.drone.url));
    let at: &Path<'_> = &["bridge", "forge", "hook_secrets"];
    let secrets = &bridge.forge.hook_secrets;
    let message = format!("a hook has one secret, or two while it is being changed, not {}", secrets.len());
    judge.value(at, holds((1..=2).contains(&secrets.len()), message, "name one, or the new and the old one"));
    for (index, secret) in secrets.iter().enumerate() {
        judge.refers(&join(at, &[&index.to_string(), "secret"]), &secret.secret, "secrets");
    }
    judge.refers(&["bridge", "bot", "token", "secret"], &bridge.bot.token.secret, "secrets");
    judge.refers(&["bridge", "drone", "token", "secret"], &bridge.drone.token.secret, "secrets");
    if let Some(secret) = &bridge.drone.webhook_secret {
        judge.refers(&["bridge", "drone", "webhook_secret", "secret"], &secret.secret, "secrets");
    }
    judge.maybe(&["bridge", "forge", "ca"], bridge.forge.ca.as_deref(), values::path);
    judge.maybe(&["bridge", "drone", "ca"], bridge.drone.ca.as_deref(), values::path);
    if let Some(token) = &bridge.status_token {
        judge.refers(&["bridge", "status_token", "secret"], &token.secret, "secrets");
    }
    if bridge.listen == bridge.status_listen && bridge.listen.port() != 0 {
        let message = "deliveries and status cannot share an address";
        judge.value(&["bridge", "status_listen"], holds(false, message, "write another port"));
    }
}

fn judge_repository(judge: &mut Judge<'_>, at: &Path<'_>, repository: &BridgeRepository) {
    let known = holds(
        i64::try_from(repository.id).is_ok_and(|id| id > 0),
        format!("`{}` is the number of no repository", repository.id),
        "write the `id` that `GET /api/v1/repos/OWNER/NAME` answers",
    );
    judge.value(&join(at, &["id"]), known);
    judge.value(&join(at, &["branch"]), branch(&repository.branch));
    let at = join(at, &["parameters"]);
    judge.names(&at, repository.parameters.keys(), parameter_name);
    for (name, parameter) in &repository.parameters {
        judge_parameter(judge, &join(&at, &[name]), parameter);
    }
}

fn judge_parameter(judge: &mut Judge<'_>, at: &Path<'_>, parameter: &BridgeParameter) {
    let there = [!parameter.one_of.is_empty(), parameter.integer.is_some(), parameter.commit];
    judge.value(at, host::one_of(&there, "a parameter", "`one_of`, `integer` and `commit`"));
    judge.each(&join(at, &["one_of"]), &parameter.one_of, |value| plain(value));
    judge.maybe(&join(at, &["integer"]), parameter.integer, |range| {
        holds(
            range.min <= range.max,
            format!("no number is from {} to {}", range.min, range.max),
            "write the least first",
        )
    });
}

/// `owner/name`, as the forge writes it.
pub(super) fn full_name(text: &str) -> Verdict {
    let fits = text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name));
    holds(fits, format!("`{text}` is not a repository"), "write it like `owner/name`")
}

fn part(text: &str) -> bool {
    !text.is_empty()
        && !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Drone puts it into a shell script as it is.
pub(super) fn branch(text: &str) -> Verdict {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    holds(
        fits,
        format!("`{text}` cannot be the branch of builds"),
        "letters, digits, `-`, `_`, `.` and `/`: it becomes part of a shell script",
    )
}

fn parameter_name(text: &str) -> Verdict {
    let fits = text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    holds(fits, format!("`{text}` cannot be a parameter"), "capitals, digits and `_`, a capital first")?;
    let taken = TAKEN.contains(&text) || TAKEN_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning));
    holds(
        !taken,
        format!("`{text}` means something to builds already"),
        "choose another name: a parameter goes before everything else in a build's environment",
    )
}

/// A value that no shell, query or YAML gives a meaning.
fn plain(text: &str) -> Verdict {
    let fits = (1..=LONGEST).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    holds(
        fits,
        format!("`{text}` cannot be the value of a parameter"),
        "letters, digits, `-`, `_` and `.`, a letter or digit first",
    )
}

fn trigger(text: &str) -> Verdict {
    let fits = (2..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    holds(fits, format!("`{text}` cannot be a trigger"), "one word of ASCII, like `!testme`")
}

fn some(there: bool) -> Verdict {
    holds(there, "nothing would be let through", "write 1 or more")
}
