//! One step of a plan, as calls of a Gitea.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::api::Api;
use super::hooks::HookBody;
use super::model::Hook;
use super::observe::fields as seen_of;
use super::{access, administered, attest};
use crate::forge::error::ForgeError;
use crate::forge::{Keep, settings, text};
use crate::manifest::{Gitea, GiteaWebhook};
use crate::observed::events;
use crate::plan::ForgeAction;
use crate::secrets::Unlocked;

/// How often a Gitea that does not answer is asked again.
const POLL: Duration = Duration::from_millis(500);

/// Does a step.
///
/// # Errors
/// What Gitea says; what it took and does not keep.
pub async fn execute(
    gitea: &Gitea,
    action: &ForgeAction,
    unlocked: &Unlocked,
    keep: Keep<'_>,
) -> Result<(), ForgeError> {
    let api = &administered(gitea, unlocked)?;
    let secret = |name: &str| text(unlocked, name).map_err(|why| settings(&gitea.url, why));
    match action {
        ForgeAction::Await { patience } => reach(api, gitea, *patience).await,
        ForgeAction::CreateUser { name, fields, password } => {
            let made_up = random().map_err(|why| settings(&gitea.url, why))?;
            let password = password.as_deref().map(secret).transpose()?.unwrap_or(&made_up);
            create_user(api, name, fields, password).await
        }
        ForgeAction::EditUser { name, fields, password } => {
            let password = password.as_deref().map(secret).transpose()?;
            let written = api.edit_user(name, &user(name, fields, password)).await?;
            taken(api, fields, &seen_of(&written))
        }
        ForgeAction::DeleteUser(name) => api.delete_user(name).await.map(drop),
        ForgeAction::CreateOrganisation(body) => api.create_org(body).await.map(drop),
        ForgeAction::EditOrganisation { name, body } => api.edit_org(name, body).await.map(drop),
        ForgeAction::DeleteOrganisation(name) => api.delete_org(name).await.map(drop),
        ForgeAction::CreateRepository { owner, in_organisation, body } => {
            api.create_repo(owner, *in_organisation, body).await.map(drop)
        }
        ForgeAction::EditRepository { repository, body } => {
            let (owner, name) = split(repository);
            api.edit_repo(owner, name, body).await.map(drop)
        }
        ForgeAction::PutCollaborator { repository, user, permission } => {
            let (owner, name) = split(repository);
            api.put_collaborator(owner, name, user, permission).await
        }
        ForgeAction::DeleteCollaborator { repository, user } => {
            let (owner, name) = split(repository);
            api.delete_collaborator(owner, name, user).await.map(drop)
        }
        ForgeAction::CreateHook { hook, instead_of } => {
            create_hook(api, hook, secret(&hook.secret.secret)?, instead_of).await
        }
        ForgeAction::EditHook { id, hook } => {
            let (owner, name) = split(&hook.repository);
            let written = api.edit_hook(owner, name, *id, &body(hook, None)).await?;
            kept(api, hook, &written)
        }
        ForgeAction::DeleteHook { repository, id } => {
            let (owner, name) = split(repository);
            api.delete_hook(owner, name, *id).await.map(drop)
        }
        ForgeAction::AttestHook { hook, patience, .. } => {
            let token = hook.attest.as_ref().and_then(|attest| attest.token.as_ref());
            let token = token.map(|token| secret(&token.secret)).transpose()?;
            attest::attest(api, hook, token, *patience).await
        }
        ForgeAction::Conflict { why } => Err(ForgeError::Conflict { why: why.clone() }),
        ForgeAction::CreateToken { .. }
        | ForgeAction::DeleteToken { .. }
        | ForgeAction::WriteApplication(_)
        | ForgeAction::ReadApplication { .. }
        | ForgeAction::DeleteApplication { .. } => access::execute(api, action, keep).await,
    }
}

pub(super) fn split(repository: &str) -> (&str, &str) {
    repository.split_once('/').unwrap_or_default()
}

/// Waits until Gitea answers; it then has to let its administrator in.
async fn reach(api: &Api, gitea: &Gitea, patience: Duration) -> Result<(), ForgeError> {
    let until = Instant::now() + patience;
    loop {
        match api.me().await {
            Ok(user) if user.is_admin => return Ok(()),
            Ok(_) => {
                let why = format!("its user `{}` is no site administrator", gitea.admin.username);
                return Err(settings(&gitea.url, why));
            }
            Err(error) if error.is_not_there_yet() && Instant::now() < until => sleep(POLL).await,
            Err(error) => return Err(error),
        }
    }
}

/// What is written of a user.
#[derive(Serialize)]
struct User<'a> {
    #[serde(flatten)]
    fields: &'a Value,
    username: &'a str,
    login_name: &'a str,
    source_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    /// Until they have changed it, nobody could sign in with what the secret holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    must_change_password: Option<bool>,
}

fn user<'a>(name: &'a str, fields: &'a Value, password: Option<&'a str>) -> User<'a> {
    let must_change_password = password.map(|_| false);
    User { fields, username: name, login_name: name, source_id: 0, password, must_change_password }
}

async fn create_user(api: &Api, name: &str, fields: &Value, password: &str) -> Result<(), ForgeError> {
    api.create_user(&user(name, fields, Some(password))).await?;
    // Only a change can make an administrator.
    if fields.get("admin").and_then(Value::as_bool) == Some(true) {
        api.edit_user(name, &user(name, fields, None)).await?;
    }
    Ok(())
}

/// Gitea 1.22 takes a user who is to be public again, and leaves them as they are.
fn taken(api: &Api, wanted: &Value, written: &Value) -> Result<(), ForgeError> {
    let wanted = wanted.as_object().into_iter().flatten();
    let lost: Vec<String> = wanted
        .filter(|(name, value)| written.get(name.as_str()) != Some(value))
        .map(|(name, value)| format!("`{name}` ({value})"))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let why = format!("the user was taken without {}: this version does not keep that", lost.join(", "));
    Err(ForgeError::Answer { method: "PATCH".to_owned(), url: api.client().base(), why })
}

/// A password that nobody knows.
fn random() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    // So few bytes come at once or not at all.
    match getrandom(&mut bytes[..], GetRandomFlags::empty()) {
        Ok(32) => Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..]))),
        _ => Err("the kernel gives no random bytes".to_owned()),
    }
}

fn body<'a>(hook: &'a GiteaWebhook, secret: Option<&'a str>) -> HookBody<'a> {
    let (url, events, branch_filter) = (&hook.url, &hook.events, &hook.branch_filter);
    HookBody { url, secret, events, active: hook.active, branch_filter }
}

async fn create_hook(
    api: &Api,
    hook: &GiteaWebhook,
    secret: &str,
    instead_of: &[i64],
) -> Result<(), ForgeError> {
    let (owner, name) = split(&hook.repository);
    let written = api.create_hook(owner, name, &body(hook, Some(secret))).await?;
    if let Err(error) = kept(api, hook, &written) {
        api.delete_hook(owner, name, written.id).await?;
        return Err(error);
    }
    for old in instead_of {
        api.delete_hook(owner, name, *old).await?;
    }
    Ok(())
}

/// Gitea drops events that it does not know, without a word.
fn kept(api: &Api, hook: &GiteaWebhook, written: &Hook) -> Result<(), ForgeError> {
    let wanted = events(hook.events.iter().map(String::as_str), true);
    let taken = events(written.events.iter().map(String::as_str), false);
    let dropped: BTreeSet<&String> = wanted.difference(&taken).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    let names = dropped.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let why = format!("the hook was taken without the events {names}: this version does not know them");
    Err(ForgeError::Answer { method: "POST".to_owned(), url: api.client().base(), why })
}
