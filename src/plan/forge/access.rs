//! Access tokens and OAuth applications: what Gitea makes of them is told once, so what is not kept is made anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::bind::UNKNOWN;
use super::super::builder::Draft;
use super::super::{Action, Change, Consequence, ForgeAction, Group, Verb, WriteApplication, diff};
use super::gitea::{Made, draft, inside};
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::manifest::{self, Gitea, GiteaApplication, GiteaToken};
use crate::observed::{AccessPlace, GiteaApplicationSeen, GiteaSeen, GiteaTokenSeen, scopes};

const LOST: &str = "its value is not known here";
const DUE: &str = "due by its age";

/// What is to be done about a token.
pub(super) enum TokenFate<'s> {
    /// Nothing: this one is as it shall be.
    Stays(&'s GiteaTokenSeen),
    /// It is made, for this reason; the second is one that it stands in for.
    Made(&'static str, Option<&'s GiteaTokenSeen>),
    /// The sops file gives a value that is of none.
    Conflict,
    /// What is kept of it does not open, so nobody can tell.
    Shut,
}

/// What is to be done about an application.
pub(super) enum ApplicationFate<'s> {
    /// Nothing: this one is as it shall be.
    Stays(&'s GiteaApplicationSeen),
    /// It is made.
    Made,
    /// It is changed, which makes a new secret.
    Changed(&'static str, &'s GiteaApplicationSeen),
    /// Its client id is kept.
    Read(&'s GiteaApplicationSeen),
    /// A sops file gives what is not its own, or what a change would end.
    Conflict(String),
    /// What is kept of it, under this secret, does not open, so nobody can tell.
    Shut(String),
}

/// Tokens that are there in the place of a declared one.
fn tokens_of<'s>(
    desired: &'s Desired<'_>,
    seen: &'s GiteaSeen,
    (name, token): (&str, &GiteaToken),
) -> Vec<&'s GiteaTokenSeen> {
    let address = inside(Kind::Token, name);
    let is_ours = |there: &&GiteaTokenSeen| {
        let made = |place: &AccessPlace| {
            place.address == address && place.user == token.user && place.name == there.name
        };
        there.name == name || desired.forge.access.iter().any(made)
    };
    seen.tokens.get(&token.user).into_iter().flatten().filter(is_ours).collect()
}

pub(super) fn token_fate<'s>(
    desired: &'s Desired<'_>,
    seen: &'s GiteaSeen,
    (name, token): (&str, &GiteaToken),
) -> TokenFate<'s> {
    let there = tokens_of(desired, seen, (name, token));
    let wanted = scopes(token.scopes.iter().map(String::as_str));
    let kept = there.iter().rev().find(|there| there.kept).copied();
    // Some versions tell no scopes.
    let is_right = |there: &&GiteaTokenSeen| there.scopes.is_empty() || there.scopes == wanted;
    let secret = desired.compiled.manifest.keeper(manifest::Made::Token(name)).unwrap_or_default();
    let due = desired.due.contains(secret);
    if let Some(right) = kept.filter(is_right).filter(|_| !due) {
        return TokenFate::Stays(right);
    }
    if desired.shut.contains(secret) {
        return TokenFate::Shut;
    }
    if desired.given.contains(secret) {
        return TokenFate::Conflict;
    }
    let reason = match kept {
        _ if there.is_empty() => "",
        None => LOST,
        Some(_) if due => DUE,
        Some(_) => "",
    };
    TokenFate::Made(reason, kept.or_else(|| there.last().copied()))
}

fn applications_of<'s>(
    seen: &'s GiteaSeen,
    (name, application): (&str, &GiteaApplication),
) -> Vec<&'s GiteaApplicationSeen> {
    let all = seen.applications.get(&application.owner).into_iter().flatten();
    all.filter(|there| there.name == name).collect()
}

/// What can be declared of an application, as Gitea tells it.
fn settings(application: &GiteaApplication) -> Value {
    let mut redirect_uris = application.redirect_uris.clone();
    redirect_uris.sort();
    json!({ "redirect_uris": redirect_uris, "confidential_client": application.confidential })
}

/// The one that stays of several: the one that is known here.
fn best<'s>(there: &[&'s GiteaApplicationSeen], wanted: &Value) -> Option<&'s GiteaApplicationSeen> {
    let same = |one: &&GiteaApplicationSeen| one.settings == *wanted;
    let known = |one: &&GiteaApplicationSeen| one.id_kept;
    let chosen = there
        .iter()
        .find(|one| known(one) && one.secret_kept)
        .or_else(|| there.iter().find(|one| known(one)));
    let chosen = chosen.or_else(|| there.iter().find(|one| one.secret_kept && same(one)));
    chosen.or_else(|| there.iter().find(|one| same(one))).or_else(|| there.first()).copied()
}

/// A secret whose value the sops file gives.
fn given<'m>(desired: &Desired<'_>, secret: Option<&'m str>) -> Option<&'m str> {
    secret.filter(|secret| desired.given.contains(*secret))
}

pub(super) fn application_fate<'s>(
    desired: &Desired<'_>,
    seen: &'s GiteaSeen,
    (name, application): (&str, &GiteaApplication),
) -> ApplicationFate<'s> {
    let manifest = &desired.compiled.manifest;
    let id_secret = manifest.keeper(manifest::Made::ClientId(name));
    let secret = manifest.keeper(manifest::Made::ClientSecret(name));
    if let Some(secret) =
        [id_secret, secret].into_iter().flatten().find(|secret| desired.shut.contains(*secret))
    {
        return ApplicationFate::Shut(secret.to_owned());
    }
    let conflict = |secret: &str, why: &str| {
        ApplicationFate::Conflict(format!(
            "{why}, and the sops file's value of `{secret}` goes before what Gitea makes: take it out of the file \
             (`holdfast secrets unset`), so that the host keeps the next one"
        ))
    };
    let wanted = settings(application);
    let there = applications_of(seen, (name, application));
    let Some(best) = best(&there, &wanted) else {
        return match given(desired, secret).or_else(|| given(desired, id_secret)) {
            Some(secret) => conflict(secret, "the application is not there and has to be made"),
            None => ApplicationFate::Made,
        };
    };
    if let Some(secret) = given(desired, id_secret).filter(|_| !best.id_kept) {
        return conflict(secret, "the application has another client id");
    }
    let due = secret.is_some_and(|secret| desired.due.contains(secret));
    let lost = secret.is_some_and(|_| !best.secret_kept)
        || desired.forge.anew.contains(&inside(Kind::OauthApplication, name));
    let reason = match (best.settings == wanted, lost, due) {
        (true, true, _) => "its client secret is not known here",
        (true, false, true) => DUE,
        (true, false, false) if id_secret.is_some() && !best.id_kept => return ApplicationFate::Read(best),
        (true, false, false) => return ApplicationFate::Stays(best),
        (false, ..) => "",
    };
    match given(desired, secret) {
        Some(secret) => conflict(secret, "the application differs, and a change makes a new secret"),
        None => ApplicationFate::Changed(reason, best),
    }
}

pub(super) fn plan(made: &mut Made<'_, '_>, gitea: &Gitea, seen: &GiteaSeen) {
    for (name, token) in &gitea.tokens {
        plan_token(made, (name, token), seen);
    }
    for (name, application) in &gitea.oauth_applications {
        plan_application(made, (name, application), seen);
    }
}

fn plan_token(made: &mut Made<'_, '_>, (name, token): (&str, &GiteaToken), seen: &GiteaSeen) {
    let desired = made.builder.desired;
    let address = inside(Kind::Token, name);
    let needs = [inside(Kind::User, &token.user)];
    let secret = desired.compiled.manifest.keeper(manifest::Made::Token(name)).unwrap_or_default();
    match token_fate(desired, seen, (name, token)) {
        TokenFate::Stays(_) => {}
        TokenFate::Shut => made.builder.hold(address, Address::new(Kind::Secret, secret)),
        TokenFate::Conflict => {
            let why = format!(
                "the sops file's value of `{secret}` is of no such token in Gitea with these scopes, and goes before what \
                 Gitea makes: take it out of the file (`holdfast secrets unset`), so that the host keeps the next one"
            );
            let action = ForgeAction::Conflict { why };
            made.add(draft(address, Verb::Update, action).because("it cannot be made equal"), &needs);
        }
        TokenFate::Made(reason, before) => {
            let names: BTreeSet<&str> =
                seen.tokens.get(&token.user).into_iter().flatten().map(|there| there.name.as_str()).collect();
            let action = ForgeAction::CreateToken {
                user: token.user.clone(),
                name: free(name, &names),
                scopes: token.scopes.clone(),
                secret: secret.to_owned(),
            };
            let wanted = json!({ "scopes": scopes(token.scopes.iter().map(String::as_str)) });
            let mut changes =
                before.map(|there| diff(&json!({ "scopes": there.scopes }), &wanted)).unwrap_or_default();
            changes.push(unknown("value", before.is_some_and(|there| there.kept)));
            let (verb, why) = if before.is_some() {
                (Verb::Update, "the old one goes when nothing uses it any more")
            } else {
                (Verb::Create, "")
            };
            let draft = draft(address, verb, action).changing(changes, Consequence::None);
            made.add(draft.because(joined(reason, why)), &needs);
        }
    }
}

/// A name that nothing there has: with the new one first, nothing that uses the old one is without any.
fn free(name: &str, taken: &BTreeSet<&str>) -> String {
    let numbered = (2..).map(|number| format!("{name}.{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name.as_str()))
        .unwrap_or_else(|| name.to_owned())
}

fn unknown(field: &str, before: bool) -> Change {
    let before = before.then(|| "as kept here".to_owned());
    Change { field: field.to_owned(), before, after: Some(UNKNOWN.to_owned()) }
}

fn joined(one: &str, other: &str) -> String {
    let words: Vec<&str> = [one, other].into_iter().filter(|words| !words.is_empty()).collect();
    words.join("; ")
}

fn plan_application(
    made: &mut Made<'_, '_>,
    (name, application): (&str, &GiteaApplication),
    seen: &GiteaSeen,
) {
    let desired = made.builder.desired;
    let address = inside(Kind::OauthApplication, name);
    let needs = [inside(Kind::User, &application.owner)];
    let keeper = |made: manifest::Made<'_>| desired.compiled.manifest.keeper(made).map(ToOwned::to_owned);
    let (id_secret, secret) =
        (keeper(manifest::Made::ClientId(name)), keeper(manifest::Made::ClientSecret(name)));
    let write = |there: Option<&GiteaApplicationSeen>| {
        ForgeAction::WriteApplication(Box::new(WriteApplication {
            id: there.map(|there| there.id),
            name: name.to_owned(),
            owner: application.owner.clone(),
            redirect_uris: application.redirect_uris.clone(),
            confidential: application.confidential,
            skip_secondary: there.and_then(|there| there.skip_secondary),
            id_secret: id_secret.clone(),
            secret: secret.clone(),
        }))
    };
    let fields = [("client_id", &id_secret), ("client_secret", &secret)];
    let drafted = match application_fate(desired, seen, (name, application)) {
        ApplicationFate::Stays(_) => None,
        ApplicationFate::Shut(secret) => {
            made.builder.hold(address, Address::new(Kind::Secret, secret));
            None
        }
        ApplicationFate::Conflict(why) => {
            let draft = draft(address, Verb::Update, ForgeAction::Conflict { why });
            Some(draft.because("it cannot be made equal"))
        }
        ApplicationFate::Made => {
            let kept = fields.iter().filter(|(_, secret)| secret.is_some());
            let changes = kept.map(|(field, _)| unknown(field, false)).collect();
            Some(draft(address, Verb::Create, write(None)).changing(changes, Consequence::None))
        }
        ApplicationFate::Changed(reason, there) => {
            let mut changes = diff(&there.settings, &settings(application));
            changes.extend(secret.is_some().then(|| unknown("client_secret", there.secret_kept)));
            let draft = draft(address, Verb::Update, write(Some(there)));
            let why = "every change makes a new secret; the old one ends with it";
            Some(draft.changing(changes, Consequence::None).because(joined(reason, why)))
        }
        ApplicationFate::Read(there) => {
            let secret = id_secret.clone().unwrap_or_default();
            let action =
                ForgeAction::ReadApplication { owner: application.owner.clone(), id: there.id, secret };
            let changes = vec![unknown("client_id", false)];
            Some(draft(address, Verb::Update, action).changing(changes, Consequence::None))
        }
    };
    if let Some(draft) = drafted {
        made.add(draft, &needs);
    }
}

/// Values that this plan makes, and that are therefore known after it: manifest secret → what makes it.
pub(super) fn later(desired: &Desired<'_>, gitea: &Gitea, seen: &GiteaSeen) -> BTreeMap<String, Address> {
    let mut later = BTreeMap::new();
    for (secret, made) in desired.compiled.manifest.made_by_forge() {
        let is_made = match made {
            manifest::Made::Token(name) => gitea.tokens.get(name).is_some_and(|token| {
                matches!(token_fate(desired, seen, (name, token)), TokenFate::Made(..))
            }),
            manifest::Made::ClientId(name) => gitea.oauth_applications.get(name).is_some_and(|it| {
                matches!(
                    application_fate(desired, seen, (name, it)),
                    ApplicationFate::Made | ApplicationFate::Read(_)
                ) || matches!(application_fate(desired, seen, (name, it)), ApplicationFate::Changed(_, there) if !there.id_kept)
            }),
            manifest::Made::ClientSecret(name) => gitea.oauth_applications.get(name).is_some_and(|it| {
                matches!(
                    application_fate(desired, seen, (name, it)),
                    ApplicationFate::Made | ApplicationFate::Changed(..)
                )
            }),
        };
        if is_made {
            later.insert(secret.to_owned(), made.address());
        }
    }
    later
}

/// What stands beside what is declared, and what left the manifest: it goes when nothing uses it any more.
pub(super) fn removal(made: &mut Made<'_, '_>, gitea: &Gitea, seen: &GiteaSeen) {
    let desired = made.builder.desired;
    for (name, token) in &gitea.tokens {
        let TokenFate::Stays(right) = token_fate(desired, seen, (name, token)) else { continue };
        for other in tokens_of(desired, seen, (name, token)).iter().filter(|other| other.id != right.id) {
            let action = ForgeAction::DeleteToken { user: token.user.clone(), id: other.id };
            let reason = format!("`{}` (number {}) is not the one whose value is kept", other.name, other.id);
            remove(made, inside(Kind::Token, name), action, &reason);
        }
    }
    for (name, application) in &gitea.oauth_applications {
        let fate = application_fate(desired, seen, (name, application));
        let (ApplicationFate::Stays(right) | ApplicationFate::Read(right)) = fate else { continue };
        let there = applications_of(seen, (name, application));
        for other in there.iter().filter(|other| other.id != right.id) {
            let action = ForgeAction::DeleteApplication { owner: application.owner.clone(), id: other.id };
            let reason = format!("a second application of this name (number {})", other.id);
            remove(made, inside(Kind::OauthApplication, name), action, &reason);
        }
    }
    for place in &desired.forge.access {
        left(made, place, gitea, seen);
    }
}

fn left(made: &mut Made<'_, '_>, place: &AccessPlace, gitea: &Gitea, seen: &GiteaSeen) {
    let (name, user) = (place.address.leaf().name.as_str(), place.user.as_str());
    let reason = "no longer declared";
    if place.address.leaf().kind == Kind::Token {
        if gitea.tokens.get(name).is_some_and(|token| token.user == user) {
            return;
        }
        for there in seen.tokens.get(user).into_iter().flatten().filter(|there| there.name == place.name) {
            let action = ForgeAction::DeleteToken { user: user.to_owned(), id: there.id };
            remove(made, place.address.clone(), action, reason);
        }
        return;
    }
    if gitea.oauth_applications.get(name).is_some_and(|application| application.owner == user) {
        return;
    }
    for there in seen.applications.get(user).into_iter().flatten().filter(|there| there.name == place.name) {
        let action = ForgeAction::DeleteApplication { owner: user.to_owned(), id: there.id };
        remove(made, place.address.clone(), action, reason);
    }
}

/// After everything that uses it has got the next one and runs.
fn remove(made: &mut Made<'_, '_>, address: Address, action: ForgeAction, reason: &str) {
    let mut draft = Draft::new(address, Verb::Delete, Group::Removal, Action::Forge(action)).because(reason);
    draft.consequence = Consequence::Removed;
    let before = made.builder.steps().iter().filter(|step| step.verb != Verb::Delete);
    draft.needs = before.map(|step| step.id).collect();
    let id = made.builder.add(draft);
    // Users go after what is theirs.
    made.all.push(id);
}
