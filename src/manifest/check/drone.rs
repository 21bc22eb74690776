//! What a Drone shall hold.

use super::super::{Drone, DroneCron, DroneRepository, Duration, Gitea, Manifest};
use super::forge::{base, dialled, repository};
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, join};
use crate::source::nearest;

const DRONE: [&str; 2] = ["forge", "drone"];

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    let Some(forge) = &manifest.forge else { return };
    let Some(drone) = &forge.drone else { return };
    let at = &DRONE[..];
    judge.value(&join(at, &["url"]), base(&drone.url));
    judge.maybe(&join(at, &["connect"]), drone.connect.as_deref(), dialled);
    judge.maybe(&join(at, &["ca"]), drone.ca.as_deref(), values::path);
    judge.maybe(&join(at, &["hooks"]), drone.hooks.as_deref(), base);
    judge.value(&join(at, &["admin", "username"]), login(&drone.admin.username));
    judge.refers(&join(at, &["admin", "token", "secret"]), &drone.admin.token.secret, "secrets");
    judge.refers(&join(at, &["admin", "password", "secret"]), &drone.admin.password.secret, "secrets");
    judge_users(judge, drone);
    judge.names(&join(at, &["repositories"]), drone.repositories.keys(), repository);
    for (name, repository) in &drone.repositories {
        judge_repository(judge, &join(at, &["repositories", name]), repository);
    }
    // What is misspelt or of a wrong type may have been meant.
    let like = |key: &&str| *key == "gitea" || nearest::nearest(key, ["gitea"]).is_some();
    match &forge.gitea {
        Some(gitea) => judge_hooks(judge, gitea, drone),
        None if judge.keys("forge").is_some_and(|keys| !keys.iter().any(like)) => {
            let message = "a Drone is signed in to through a Gitea, and there is no `forge.gitea`";
            let wrong = Wrong { message: message.to_owned(), fix: "declare `forge.gitea`".to_owned() };
            judge.wrong_key(at, &["forge"], wrong);
        }
        None => {}
    }
}

fn judge_users(judge: &mut Judge<'_>, drone: &Drone) {
    let at = join(&DRONE, &["users"]);
    judge.names(&at, drone.users.keys(), login);
    for (name, user) in &drone.users {
        if name.eq_ignore_ascii_case(&drone.admin.username) {
            let message = format!("`{name}` is the `admin`, whom `DRONE_USER_CREATE` makes");
            let wrong = Wrong { message, fix: "leave it away".to_owned() };
            judge.wrong_key(&join(&at, &[name]), &join(&at, &[name]), wrong);
        }
        if let Some(token) = &user.token {
            judge.refers(&join(&at, &[name, "token", "secret"]), &token.secret, "secrets");
        }
    }
}

fn judge_repository(judge: &mut Judge<'_>, at: &Path<'_>, repository: &DroneRepository) {
    judge.maybe(&join(at, &["timeout"]), repository.timeout, minutes);
    let config = repository.config_path.as_deref();
    judge.maybe(&join(at, &["config_path"]), config, |text| values::filled(text, "the path"));
    let secrets = join(at, &["secrets"]);
    judge.names(&secrets, repository.secrets.keys(), secret);
    for (name, secret) in &repository.secrets {
        judge.refers(&join(&secrets, &[name, "value", "secret"]), &secret.value.secret, "secrets");
    }
    let clocks = join(at, &["cron"]);
    judge.names(&clocks, repository.cron.keys(), clock);
    for (name, cron) in &repository.cron {
        judge_cron(judge, &join(&clocks, &[name]), cron);
    }
}

fn judge_cron(judge: &mut Judge<'_>, at: &Path<'_>, cron: &DroneCron) {
    let fits = cron.expr.starts_with('@') || cron.expr.split_ascii_whitespace().count() == 6;
    let message = format!("`{}` is no time for Drone, which wants seconds first", cron.expr);
    judge.value(&join(at, &["expr"]), holds(fits, message, "write it like `0 0 2 * * *` or `@daily`"));
    // Drone puts it into a shell script as it is.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let fits = cron.branch.chars().all(plain) && cron.branch.starts_with(|c: char| c.is_ascii_alphanumeric());
    let message = format!("`{}` cannot be a branch that is built by a clock", cron.branch);
    let fix = "letters, digits, `-`, `_`, `.` and `/`: Drone writes it into a shell script as it is";
    judge.value(&join(at, &["branch"]), holds(fits, message, fix));
}

/// Drone deletes hooks that call its own host when it makes or repairs its own.
fn judge_hooks(judge: &mut Judge<'_>, gitea: &Gitea, drone: &Drone) {
    let own = drone.hooks.as_deref().unwrap_or(&drone.url);
    for (name, hook) in &gitea.webhooks {
        let message = format!(
            "`{}` is Drone's own host and port: whenever Drone makes or repairs a hook of its own, it deletes one that calls \
             there",
            hook.url
        );
        let other = authority(own) != authority(&hook.url);
        let fix = "let the hook call another port, or another name";
        judge.value(&join(&["forge", "gitea"], &["webhooks", name, "url"]), holds(other, message, fix));
    }
}

/// Host and port of a URL, in one spelling.
fn authority(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let usual = if scheme == "https" { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    Some((host.to_ascii_lowercase(), port))
}

/// A name of a user, as Drone takes it.
fn login(text: &str) -> Verdict {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let fits = (1..=50).contains(&text.len()) && text.chars().all(plain);
    holds(
        fits,
        format!("`{text}` cannot be a name in Drone"),
        "letters, digits, `-` and `_`, at most 50 of them",
    )
}

fn secret(text: &str) -> Verdict {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !text.is_empty() && text.chars().all(plain);
    holds(fits, format!("`{text}` cannot be a secret in Drone"), "letters, digits, `-`, `_` and `.`")
}

fn clock(text: &str) -> Verdict {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = !text.is_empty() && text.split('-').all(|part| !part.is_empty() && part.chars().all(plain));
    let fix = "lower-case letters and digits, joined by single `-`: Drone renames others without a word";
    holds(fits, format!("`{text}` cannot be a clock in Drone"), fix)
}

fn minutes(duration: Duration) -> Verdict {
    let fits = duration.0.as_secs() >= 60
        && duration.0.as_secs().is_multiple_of(60)
        && duration.0.subsec_nanos() == 0;
    holds(fits, format!("`{duration}` is not a number of minutes"), "write it like `1h` or `90m`")
}
