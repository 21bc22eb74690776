//! One look at a Gitea: what is declared in it, and what is recorded as made from here. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::api::Api;
use super::model::{Hook, User};
use super::{access, administered, model};
use crate::address::{Address, Kind};
use crate::forge::error::ForgeError;
use crate::manifest::{Gitea, Manifest};
use crate::observed::{ForgeRecord, GiteaHookSeen, GiteaRepositorySeen, GiteaSeen, events};
use crate::secrets::Unlocked;

/// Calls at once: each costs Gitea the check of a password.
const AT_ONCE: usize = 8;
/// Fields of an organisation that a change has to say again.
const ORGANISATION: [&str; 7] = [
    "full_name",
    "email",
    "description",
    "website",
    "location",
    "visibility",
    "repo_admin_change_team_access",
];

/// What is of interest in one repository.
#[derive(Default)]
struct Interest<'a> {
    collaborators: BTreeSet<&'a str>,
    hooks: bool,
}

/// Looks at a Gitea. Why it does not answer is part of what is seen.
pub async fn observe(manifest: &Manifest, record: &ForgeRecord, unlocked: &Unlocked) -> Option<GiteaSeen> {
    let gitea = manifest.forge.as_ref()?.gitea.as_ref()?;
    let seen = look((manifest, gitea), record, unlocked).await.unwrap_or_else(|error| {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        GiteaSeen { away: format!("{error}{hint}"), ..GiteaSeen::default() }
    });
    Some(seen)
}

async fn look(
    (manifest, gitea): (&Manifest, &Gitea),
    record: &ForgeRecord,
    unlocked: &Unlocked,
) -> Result<GiteaSeen, ForgeError> {
    let api = administered(gitea, unlocked)?;
    let version = api.version().await?;
    let made = |kind: Kind| {
        let of = ours(record).filter(move |address| address.leaf().kind == kind);
        of.map(|address| address.leaf().name.as_str())
    };
    let users: BTreeSet<&str> = gitea.users.keys().map(String::as_str).chain(made(Kind::User)).collect();
    let owners = gitea.repositories.keys().filter_map(|name| name.split('/').next());
    let owners = owners.filter(|owner| !gitea.users.contains_key(*owner) && *owner != gitea.admin.username);
    let declared = gitea.organisations.keys().map(String::as_str);
    let organisations: BTreeSet<&str> = declared.chain(made(Kind::Organisation)).chain(owners).collect();
    let interest = interest(gitea, record);
    let left = made(Kind::User).filter(|name| !gitea.users.contains_key(*name));
    let left: Vec<&str> = left
        .chain(made(Kind::Organisation).filter(|name| !gitea.organisations.contains_key(*name)))
        .collect();
    let api = &api;
    Ok(GiteaSeen {
        away: String::new(),
        version,
        users: each(users, async |name| {
            Ok(api.user(name).await?.map(|user| (name.to_owned(), fields(&user))))
        })
        .await?,
        organisations: each(organisations, async |name| {
            Ok(api.org(name).await?.map(|seen| (name.to_owned(), told_again(&seen))))
        })
        .await?,
        repositories: each(interest, async |(name, interest)| {
            Ok(repository(api, name, &interest).await?.map(|seen| (name.to_owned(), seen)))
        })
        .await?,
        owners: each::<_, String, ()>(left, async |name| {
            Ok(api.owns(name).await?.then(|| (name.to_owned(), ())))
        })
        .await?
        .into_keys()
        .collect(),
        tokens: access::tokens(api, (manifest, record), unlocked).await?,
        applications: access::applications(api, (manifest, record), unlocked).await?,
    })
}

/// Asks about several things, a few at once; what is not there is left out.
pub(in crate::forge) async fn each<I, K: Ord, V>(
    items: impl IntoIterator<Item = I>,
    ask: impl AsyncFn(I) -> Result<Option<(K, V)>, ForgeError>,
) -> Result<BTreeMap<K, V>, ForgeError> {
    let asked = stream::iter(items).map(|item| ask(item)).buffer_unordered(AT_ONCE);
    asked.try_filter_map(async |found| Ok(found)).try_collect().await
}

/// What was made from here in a Gitea.
fn ours(record: &ForgeRecord) -> impl Iterator<Item = &Address> {
    record.made.iter().filter(|address| address.outer.name == "gitea")
}

/// The repositories that are looked at, and what for.
fn interest<'a>(gitea: &'a Gitea, record: &'a ForgeRecord) -> BTreeMap<&'a str, Interest<'a>> {
    let mut map: BTreeMap<&str, Interest<'_>> = BTreeMap::new();
    for (name, repository) in &gitea.repositories {
        let users = repository.collaborators.keys().map(String::as_str);
        map.entry(name).or_default().collaborators.extend(users);
    }
    for hook in gitea.webhooks.values() {
        map.entry(&hook.repository).or_default().hooks = true;
    }
    for place in &record.hooks {
        map.entry(&place.repository).or_default().hooks = true;
    }
    for address in ours(record) {
        let name = address.leaf().name.as_str();
        match address.leaf().kind {
            Kind::Repository => drop(map.entry(name).or_default()),
            Kind::Collaborator => {
                if let Some((repository, user)) = name.rsplit_once('/') {
                    map.entry(repository).or_default().collaborators.insert(user);
                }
            }
            _ => {}
        }
    }
    map
}

async fn repository(
    api: &Api,
    full: &str,
    interest: &Interest<'_>,
) -> Result<Option<GiteaRepositorySeen>, ForgeError> {
    let (owner, name) = full.split_once('/').unwrap_or_default();
    let Some(seen) = api.repo(owner, name).await? else { return Ok(None) };
    let mut collaborators = BTreeMap::new();
    if !interest.collaborators.is_empty() {
        let all = api.collaborators(owner, name).await?.unwrap_or_default();
        for user in &interest.collaborators {
            // Everybody has some permission on a public repository: who was given one is in the list.
            if all.iter().any(|one| one.login.eq_ignore_ascii_case(user))
                && let Some(found) = api.permission(owner, name, user).await?
            {
                collaborators.insert((*user).to_owned(), found.permission);
            }
        }
    }
    let mut hooks = Vec::new();
    if interest.hooks {
        hooks = api.hooks(owner, name).await?.unwrap_or_default().iter().map(hook).collect();
        // The order of two with one URL must not depend on the forge.
        hooks.sort_by_key(|hook: &GiteaHookSeen| hook.id);
    }
    Ok(Some(GiteaRepositorySeen { settings: settings(&seen), collaborators, hooks }))
}

pub(super) fn fields(user: &User) -> Value {
    json!({
        "email": user.email,
        "full_name": user.full_name,
        "admin": user.is_admin,
        "restricted": user.restricted,
        "visibility": user.visibility,
    })
}

fn told_again(organisation: &Value) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), organisation.get(*name)?.clone()));
    ORGANISATION.iter().filter_map(field).collect()
}

fn settings(repository: &model::Repository) -> Value {
    json!({
        "description": repository.description,
        "private": repository.private,
        "default_branch": repository.default_branch,
    })
}

fn hook(hook: &Hook) -> GiteaHookSeen {
    let settings = json!({
        "type": hook.kind,
        "content_type": hook.config.content_type,
        "events": events(hook.events.iter().map(String::as_str), false),
        "active": hook.active,
        "branch_filter": hook.branch_filter,
    });
    GiteaHookSeen { id: hook.id, url: hook.config.url.clone(), settings }
}
