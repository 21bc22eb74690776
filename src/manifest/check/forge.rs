//! What a Gitea shall hold.

use std::collections::BTreeMap;

use super::super::{GITEA_EVENTS, Gitea, GiteaWebhook, Manifest};
use super::values::{self, Verdict, Wrong, holds};
use super::{Judge, Path, join};
use crate::source::nearest;

const GITEA: [&str; 2] = ["forge", "gitea"];

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    let Some(gitea) = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref()) else { return };
    let at = &GITEA[..];
    judge.value(&join(at, &["url"]), base(&gitea.url));
    judge.maybe(&join(at, &["connect"]), gitea.connect.as_deref(), dialled);
    judge.maybe(&join(at, &["ca"]), gitea.ca.as_deref(), values::path);
    judge.value(&join(at, &["admin", "username"]), account(&gitea.admin.username));
    judge.refers(&join(at, &["admin", "password", "secret"]), &gitea.admin.password.secret, "secrets");
    judge.names(&join(at, &["users"]), gitea.users.keys(), account);
    judge.names(&join(at, &["organisations"]), gitea.organisations.keys(), account);
    judge.names(&join(at, &["repositories"]), gitea.repositories.keys(), repository);
    judge_users(judge, gitea);
    for (name, repository) in &gitea.repositories {
        let at = join(at, &["repositories", name, "collaborators"]);
        judge.names(&at, repository.collaborators.keys(), account);
        let owner = name.split('/').next().unwrap_or_default();
        if let Some(user) = repository.collaborators.keys().find(|user| user.eq_ignore_ascii_case(owner)) {
            let message = format!("`{user}` owns the repository, and needs no access to it");
            let wrong = Wrong { message, fix: "leave it away".to_owned() };
            judge.wrong_key(&join(&at, &[user]), &join(&at, &[user]), wrong);
        }
    }
    super::access::judge(judge, manifest, gitea);
    judge.names(&join(at, &["webhooks"]), gitea.webhooks.keys(), values::name);
    let mut taken = BTreeMap::new();
    for (name, hook) in &gitea.webhooks {
        judge_hook(judge, &join(at, &["webhooks", name]), hook);
        let other = taken.insert((&hook.repository, &hook.url), name);
        let message = format!("`{}` calls this from the same repository", other.unwrap_or(name));
        let fix = "keep one of them: Gitea tells hooks apart by their URL";
        judge.value(&join(at, &["webhooks", name, "url"]), holds(other.is_none(), message, fix));
    }
}

fn judge_users(judge: &mut Judge<'_>, gitea: &Gitea) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    taken.insert(gitea.admin.username.to_lowercase(), "admin");
    let users = gitea.users.keys().map(|name| ("users", name));
    for (section, name) in users.chain(gitea.organisations.keys().map(|name| ("organisations", name))) {
        if let Some(other) = taken.insert(name.to_lowercase(), section) {
            let message = format!("`{name}` is also in `{other}`, and Gitea has one of each name");
            let wrong = Wrong { message, fix: "rename one of them".to_owned() };
            let at = join(&GITEA, &[section, name]);
            judge.wrong_key(&at, &at, wrong);
        }
    }
    for (name, user) in &gitea.users {
        let at = join(&GITEA, &["users", name]);
        judge.value(&join(&at, &["email"]), email(&user.email));
        if let Some(password) = &user.password {
            judge.refers(&join(&at, &["password", "secret"]), &password.secret, "secrets");
        }
    }
}

fn judge_hook(judge: &mut Judge<'_>, at: &Path<'_>, hook: &GiteaWebhook) {
    // Looked up in the text: what is there and wrong is not also called missing.
    let section = judge.root.at(&join(&GITEA, &["repositories"]));
    let entries = section.map(|node| node.as_map());
    let readable = !matches!(entries, Some(None));
    let names = entries.flatten().into_iter().flatten().map(|entry| entry.key.as_str());
    let known: Vec<&str> = names.collect();
    let declared = !readable || known.contains(&hook.repository.as_str());
    let fix = nearest::nearest(&hook.repository, known.iter().copied())
        .map_or_else(|| "declare it there".to_owned(), |near| format!("write `{near}`"));
    let message = format!("`{}` is not in `forge.gitea.repositories`", hook.repository);
    judge.value(&join(at, &["repository"]), holds(declared, message, fix));
    judge.value(&join(at, &["url"]), values::url(&hook.url));
    judge.refers(&join(at, &["secret", "secret"]), &hook.secret.secret, "secrets");
    let events = judge.root.at(&join(at, &["events"])).map(|node| node.span);
    if let Some(attest) = &hook.attest {
        let at = join(at, &["attest"]);
        judge.value(&join(&at, &["status"]), base(&attest.status));
        if let Some(token) = &attest.token {
            judge.refers(&join(&at, &["token", "secret"]), &token.secret, "secrets");
        }
        // Events that could not be read may have named it, and none at all is told below.
        let unread = events.is_none_or(|span| judge.known.iter().any(|known| span.covers(*known)));
        let tested = unread
            || hook.events.is_empty()
            || hook.active && hook.events.iter().any(|event| event == "push");
        let message = "Gitea's test is a push, of which this hook does not hear";
        judge.value(&at, holds(tested, message, "add `push` to its events, and let it be active"));
    }
    let message = "a hook without events never calls";
    judge.value(&join(at, &["events"]), holds(!hook.events.is_empty(), message, "name one"));
    judge.each(&join(at, &["events"]), &hook.events, |event| {
        let message = format!("`{event}` is no event of Gitea, which would drop it without a word");
        holds(GITEA_EVENTS.contains(&event.as_str()), message, nearest::fix(event, GITEA_EVENTS))
    });
}

/// The base URL of a forge.
pub(super) fn base(text: &str) -> Verdict {
    values::url(text)?;
    let message = format!("`{text}` is more than where a forge is");
    holds(!text.contains(['?', '#']), message, "write it like `https://git.example.org`")
}

/// `HOST:PORT`.
pub(super) fn dialled(text: &str) -> Verdict {
    let fits = text.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty())
        && values::url(&format!("http://{text}")).is_ok()
        && !text.contains('/');
    holds(fits, format!("`{text}` cannot be dialled"), "write it like `127.0.0.1:3000`")
}

/// A name of a user or an organisation, as Gitea takes it.
pub(super) fn account(text: &str) -> Verdict {
    let alone = |c: char| c.is_ascii_alphanumeric();
    let joined = |c: char| matches!(c, '-' | '_' | '.');
    let fits = (1..=40).contains(&text.len())
        && text.starts_with(alone)
        && text.ends_with(alone)
        && text.chars().all(|c| alone(c) || joined(c))
        && !text.as_bytes().windows(2).any(|pair| pair.iter().all(|byte| joined(char::from(*byte))));
    let fix = "letters and digits, joined by single `-`, `_` or `.`, at most 40 of them";
    holds(fits, format!("`{text}` cannot be a name in Gitea"), fix)
}

/// `OWNER/NAME`.
pub(super) fn repository(text: &str) -> Verdict {
    let (owner, name) = text.split_once('/').unwrap_or_default();
    let fits = account(owner).is_ok()
        && (1..=100).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !matches!(name, "." | "..")
        && ![".git", ".wiki", ".rss", ".atom"].iter().any(|end| name.ends_with(end));
    holds(fits, format!("`{text}` cannot be a repository"), "write it like `team/app`")
}

fn email(text: &str) -> Verdict {
    let fits = text.split_once('@').is_some_and(|(who, host)| {
        !who.is_empty()
            && values::server_name(host).is_ok()
            && who.bytes().all(|byte| byte.is_ascii_graphic())
    });
    holds(fits, format!("`{text}` is not an address"), "write it like `bot@example.org`")
}
