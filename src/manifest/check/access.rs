//! Access tokens and OAuth applications, and the secrets that keep what a forge makes of them.

use super::super::generator::{Generator, Place};
use super::super::{FromForge, GITEA_SCOPES, Gitea, Made, Manifest};
use super::forge::account;
use super::values::{self, Verdict, holds};
use super::{Judge, join};
use crate::source::nearest;

const GITEA: [&str; 2] = ["forge", "gitea"];

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest, gitea: &Gitea) {
    let at = &GITEA[..];
    // A secret that is wrong in itself may have been meant to keep something.
    let unread = has_problems(judge, "secrets");
    judge.names(&join(at, &["tokens"]), gitea.tokens.keys(), values::name);
    for (name, token) in &gitea.tokens {
        let at = join(at, &["tokens", name]);
        judge.value(&join(&at, &["user"]), account(&token.user));
        let message = "a token without scopes opens nothing";
        judge.value(&join(&at, &["scopes"]), holds(!token.scopes.is_empty(), message, "name one"));
        judge.each(&join(&at, &["scopes"]), &token.scopes, |text| scope(text));
        let fix = format!(
            "declare one with the generator `{{ \"forge\": {{ \"of\": \"gitea.tokens.{name}\" }} }}`"
        );
        let kept = unread || manifest.keeper(Made::Token(name)).is_some();
        judge.value(&at, holds(kept, "no secret keeps its value, which Gitea tells once", fix));
    }
    judge.names(&join(at, &["oauth_applications"]), gitea.oauth_applications.keys(), values::name);
    for (name, application) in &gitea.oauth_applications {
        let at = join(at, &["oauth_applications", name]);
        judge.value(&join(&at, &["owner"]), account(&application.owner));
        let uris = &application.redirect_uris;
        let message = "nobody can be sent back to an application without redirect URIs";
        judge.value(&join(&at, &["redirect_uris"]), holds(!uris.is_empty(), message, "name one"));
        judge.each(&join(&at, &["redirect_uris"]), uris, |uri| redirect(uri));
        let fix = format!(
            "declare one with the generator `{{ \"forge\": {{ \"of\": \"gitea.oauth_applications.{name}.client_secret\" }} }}`"
        );
        let kept = unread || !application.confidential || manifest.keeper(Made::ClientSecret(name)).is_some();
        judge.value(&at, holds(kept, "no secret keeps its client secret, which Gitea tells once", fix));
    }
    let by_forge = manifest.made_by_forge().any(|(secret, _)| secret == gitea.admin.password.secret);
    let message = "Gitea makes this value, and is asked for it with this very password";
    let fix = "name a secret that is there before";
    judge.value(&join(&GITEA, &["admin", "password", "secret"]), holds(!by_forge, message, fix));
}

/// A secret that keeps what a forge makes.
pub(super) fn kept(
    judge: &mut Judge<'_>,
    manifest: &Manifest,
    (name, generator): (&str, &Generator),
    from: &FromForge,
) {
    let at = ["secrets", name, "generator"];
    let message = "only a host that asks the forge knows what it makes";
    let fix = "write `\"where\": \"host\"`";
    judge.value(&join(&at, &["where"]), holds(generator.place == Place::Host, message, fix));
    let of = join(&at, &["forge", "of"]);
    let Some(made) = from.made() else {
        let message = format!("`{}` is nothing that a forge makes", from.of);
        let fix = "write `gitea.tokens.NAME`, `gitea.oauth_applications.NAME.client_id` or `.client_secret`";
        return judge.value(&of, holds(false, message, fix));
    };
    let (section, thing) = match made {
        Made::Token(name) => ("tokens", name),
        Made::ClientId(name) | Made::ClientSecret(name) => ("oauth_applications", name),
    };
    // Looked up in the text: what is there and wrong is not also called missing.
    let entries = judge.root.at(&join(&GITEA, &[section])).map(|node| node.as_map());
    let readable = !matches!(entries, Some(None)) && !has_problems(judge, "forge");
    let known: Vec<&str> = entries.flatten().into_iter().flatten().map(|entry| entry.key.as_str()).collect();
    let message = format!("`{thing}` is not in `forge.gitea.{section}`");
    let fix = nearest::nearest(thing, known.iter().copied())
        .map_or_else(|| "declare it there".to_owned(), |near| format!("write `{near}`"));
    judge.value(&of, holds(!readable || known.contains(&thing), message, fix));
    let other = manifest.made_by_forge().find(|(other, kept)| *kept == made && *other < name);
    if let Some((other, _)) = other {
        judge.value(&of, holds(false, format!("`{other}` keeps this too"), "use that one"));
    }
    let message = "the names of Swarm secrets need this value before a forge can be asked";
    let is_key = manifest.naming_key.as_deref() == Some(name);
    judge.value(&["naming_key"], holds(!is_key, message, "name a secret that is there before"));
}

/// True where a section, or its name, has problems of its own, so that it may have been meant to hold anything.
fn has_problems(judge: &Judge<'_>, section: &str) -> bool {
    let span = judge.root.get(section).map(|node| node.span);
    judge.keys(section).is_none()
        || span.is_some_and(|span| judge.known.iter().any(|known| span.covers(*known)))
}

fn scope(text: &str) -> Verdict {
    let of = text.strip_prefix("read:").or_else(|| text.strip_prefix("write:"));
    let known = matches!(text, "all" | "public-only") || of.is_some_and(|of| GITEA_SCOPES.contains(&of));
    let fix =
        of.map_or_else(|| "write it like `write:repository`".to_owned(), |of| nearest::fix(of, GITEA_SCOPES));
    holds(known, format!("`{text}` is no scope of Gitea's"), fix)
}

/// Where a browser can be sent.
fn redirect(text: &str) -> Verdict {
    let whole = text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    let fits = whole && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    holds(
        fits,
        format!("`{text}` is no URI to be sent back to"),
        "write it like `https://ci.example.org/login`",
    )
}
