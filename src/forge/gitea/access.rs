//! Access tokens and OAuth applications of users: what is there, and steps that have a value made, which is kept before
//! anything else happens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::api::Api;
use super::model::{Application, Token};
use super::observe::each;
use crate::address::Kind;
use crate::forge::error::ForgeError;
use crate::forge::http::Client;
use crate::forge::{Keep, text};
use crate::manifest::{Made, Manifest};
use crate::observed::{ForgeRecord, GiteaApplicationSeen, GiteaTokenSeen, scopes};
use crate::plan::ForgeAction;
use crate::secrets::{SecretBytes, Told, Unlocked};

/// As much of a token's end is told by Gitea.
const TOLD: usize = 8;

/// Tokens of the users that have declared or recorded ones.
pub(super) async fn tokens(
    api: &Api,
    (manifest, record): (&Manifest, &ForgeRecord),
    unlocked: &Unlocked,
) -> Result<BTreeMap<String, Vec<GiteaTokenSeen>>, ForgeError> {
    let gitea = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let declared = gitea.into_iter().flat_map(|gitea| &gitea.tokens);
    let mut users: BTreeMap<&str, Vec<&SecretBytes>> = BTreeMap::new();
    for (name, token) in declared {
        let value = manifest.keeper(Made::Token(name)).and_then(|secret| unlocked.values.get(secret));
        users.entry(&token.user).or_default().extend(value);
    }
    for place in record.places(Kind::Token) {
        users.entry(&place.user).or_default();
    }
    each(users, async |(user, values)| {
        let Some(all) = api.tokens(user).await? else { return Ok(None) };
        let mut seen: Vec<GiteaTokenSeen> = all.iter().map(|token| token_seen(token, &values)).collect();
        seen.sort_by_key(|token| token.id);
        Ok(Some((user.to_owned(), seen)))
    })
    .await
}

fn token_seen(token: &Token, values: &[&SecretBytes]) -> GiteaTokenSeen {
    let end = token.token_last_eight.as_bytes();
    let is_it = |value: &&&SecretBytes| {
        let text = value.expose().trim_ascii_end();
        end.len() == TOLD && text.ends_with(end)
    };
    GiteaTokenSeen {
        id: token.id,
        name: token.name.clone(),
        scopes: scopes(token.scopes.iter().map(String::as_str)),
        kept: values.iter().any(|value| is_it(&value)),
    }
}

/// Applications of the users that have declared or recorded ones.
pub(super) async fn applications(
    api: &Api,
    (manifest, record): (&Manifest, &ForgeRecord),
    unlocked: &Unlocked,
) -> Result<BTreeMap<String, Vec<GiteaApplicationSeen>>, ForgeError> {
    let gitea = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let declared = gitea.into_iter().flat_map(|gitea| &gitea.oauth_applications);
    let mut users: BTreeSet<&str> = declared.map(|(_, it)| it.owner.as_str()).collect();
    users.extend(record.places(Kind::OauthApplication).map(|place| place.user.as_str()));
    each(users, async |user| {
        let all = match api.sudo(user).applications().await {
            // Without the user.
            Err(error) if error.status() == Some(404) => return Ok(None),
            all => all?,
        };
        let mut seen: Vec<GiteaApplicationSeen> =
            all.iter().map(|one| application_seen(one, manifest, unlocked)).collect();
        seen.sort_by_key(|application| application.id);
        Ok(Some((user.to_owned(), seen)))
    })
    .await
}

fn application_seen(one: &Application, manifest: &Manifest, unlocked: &Unlocked) -> GiteaApplicationSeen {
    let id = manifest.keeper(Made::ClientId(&one.name)).and_then(|secret| unlocked.values.get(secret));
    let secret = manifest.keeper(Made::ClientSecret(&one.name));
    let secret = secret.filter(|secret| unlocked.values.contains_key(*secret));
    let told = secret.and_then(|secret| unlocked.told.get(secret));
    let mut redirect_uris = one.redirect_uris.clone();
    redirect_uris.sort();
    GiteaApplicationSeen {
        id: one.id,
        name: one.name.clone(),
        settings: json!({ "redirect_uris": redirect_uris, "confidential_client": one.confidential_client }),
        skip_secondary: one.skip_secondary_authorization,
        id_kept: id.is_some_and(|id| id.expose().trim_ascii_end() == one.client_id.as_bytes()),
        secret_kept: match told {
            None => false,
            Some(Told::Given) => true,
            Some(Told::Kept(of)) => *of == one.id,
        },
    }
}

/// Applications whose client secret is kept here, and is not the one that Gitea takes.
///
/// # Errors
/// Gitea does not answer, or in words that are not known.
pub async fn untaken(manifest: &Manifest, unlocked: &Unlocked) -> Result<BTreeSet<String>, ForgeError> {
    let Some(gitea) = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref()) else {
        return Ok(BTreeSet::new());
    };
    let client = Client::new(&gitea.url, gitea.connect.as_deref(), gitea.ca.as_deref())?;
    let api = Api::anonymous(client);
    let mut untaken = BTreeSet::new();
    for name in gitea.oauth_applications.iter().filter(|(_, one)| one.confidential).map(|(name, _)| name) {
        let kept = |made: Made<'_>| manifest.keeper(made).and_then(|secret| text(unlocked, secret).ok());
        if let (Some(id), Some(secret)) = (kept(Made::ClientId(name)), kept(Made::ClientSecret(name)))
            && !api.takes(id, secret).await?
        {
            untaken.insert(name.clone());
        }
    }
    Ok(untaken)
}

/// Does a step that concerns a token or an application.
///
/// # Errors
/// What Gitea says; a value that cannot be kept.
pub(super) async fn execute(api: &Api, action: &ForgeAction, keep: Keep<'_>) -> Result<(), ForgeError> {
    match action {
        ForgeAction::CreateToken { user, name, scopes, secret } => {
            let made = api.create_token(user, name, scopes).await?;
            let kept = kept(keep, secret, made.id, made.value);
            if kept.is_err() {
                // Nobody knows its value. What stays all the same is found by the next run.
                api.delete_token(user, made.id).await?;
            }
            kept
        }
        ForgeAction::DeleteToken { user, id } => api.delete_token(user, *id).await.map(drop),
        ForgeAction::WriteApplication(write) => {
            let api = api.sudo(&write.owner);
            let body = json!({
                "name": write.name,
                "redirect_uris": write.redirect_uris,
                "confidential_client": write.confidential,
                "skip_secondary_authorization": write.skip_secondary,
            });
            let made = match write.id {
                None => api.create_application(&body).await?,
                Some(id) => api.edit_application(id, &body).await?,
            };
            if let Some(secret) = &write.secret {
                kept(keep, secret, made.id, made.client_secret)?;
            }
            id_kept(keep, write.id_secret.as_deref(), &made.client_id, made.id)
        }
        ForgeAction::ReadApplication { owner, id, secret } => {
            let all = api.sudo(owner).applications().await?;
            let found = all.into_iter().find(|one| one.id == *id);
            let client_id = found.map(|one| one.client_id).unwrap_or_default();
            id_kept(keep, Some(secret), &client_id, *id)
        }
        ForgeAction::DeleteApplication { owner, id } => {
            api.sudo(owner).delete_application(*id).await.map(drop)
        }
        _ => Ok(()),
    }
}

fn id_kept(keep: Keep<'_>, secret: Option<&str>, client_id: &str, of: i64) -> Result<(), ForgeError> {
    let Some(secret) = secret else { return Ok(()) };
    let value =
        Some(SecretBytes::new(client_id.as_bytes().to_vec())).filter(|value| !value.expose().is_empty());
    kept(keep, secret, of, value)
}

fn kept(keep: Keep<'_>, secret: &str, of: i64, value: Option<SecretBytes>) -> Result<(), ForgeError> {
    let wrong = |why: String| ForgeError::Keep { secret: secret.to_owned(), why };
    let value = value.ok_or_else(|| wrong("the forge did not tell it".to_owned()))?;
    keep(secret, of, value).map_err(wrong)
}
