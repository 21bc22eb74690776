//! What Gitea answers: the fields that are used.

use serde::{Deserialize, Deserializer, Serialize};

use crate::secrets::SecretBytes;

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "these are the forge's own switches")]
pub struct User {
    /// Number.
    pub id: i64,
    /// Name to sign in with, as it is written.
    pub login: String,
    /// Address; hidden from others than the user and administrators.
    pub email: String,
    /// Name to show.
    pub full_name: String,
    /// True for a site administrator; told to administrators only.
    pub is_admin: bool,
    /// False for a user who has not been confirmed or was turned off.
    pub active: bool,
    /// True for a user who cannot sign in.
    pub prohibit_login: bool,
    /// True for a user who sees only what they are a member of.
    pub restricted: bool,
    /// `public`, `limited` or `private`.
    pub visibility: String,
}

/// What somebody may do with a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Change its settings.
    pub admin: bool,
    /// Push to it.
    pub push: bool,
    /// Read it.
    pub pull: bool,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// Number; stays when it is renamed.
    pub id: i64,
    /// Name without its owner.
    pub name: String,
    /// `owner/name`.
    pub full_name: String,
    /// Whose it is.
    pub owner: User,
    /// What it is for.
    pub description: String,
    /// True where only members see it.
    pub private: bool,
    /// True where nothing may be written.
    pub archived: bool,
    /// True where nothing was pushed yet.
    pub empty: bool,
    /// The branch that it opens with.
    pub default_branch: String,
    /// What the asking user may do.
    #[serde(deserialize_with = "or_default")]
    pub permissions: Permissions,
}

/// Somebody who was given access to a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collaborator {
    /// Name.
    pub login: String,
}

/// What somebody may do with a repository, in one word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// `none`, `read`, `write`, `admin` or `owner`.
    pub permission: String,
}

/// An access token.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Token {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Its last eight characters.
    pub token_last_eight: String,
    /// What it opens: `write:repository` and so on; empty where the version does not tell.
    #[serde(deserialize_with = "or_default")]
    pub scopes: Vec<String>,
    /// The token itself, told once: when it is made.
    #[serde(rename = "sha1", deserialize_with = "secret")]
    pub value: Option<SecretBytes>,
}

/// An OAuth application.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Application {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Its public name in the protocol.
    pub client_id: String,
    /// Its secret, told once: when it is made, or changed.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<SecretBytes>,
    /// Where users may be sent back to.
    #[serde(deserialize_with = "or_default")]
    pub redirect_uris: Vec<String>,
    /// True where it can keep its secret.
    pub confidential_client: bool,
    /// True where nobody is asked a second time; absent before 1.23.
    pub skip_secondary_authorization: Option<bool>,
}

/// A webhook. Its secret is never told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Number.
    pub id: i64,
    /// `gitea` and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it calls, and how.
    pub config: HookConfig,
    /// Internal names of its events, in any order.
    #[serde(deserialize_with = "or_default")]
    pub events: Vec<String>,
    /// False where it is turned off.
    pub active: bool,
    /// Branches that it is limited to; empty for all.
    #[serde(deserialize_with = "text")]
    pub branch_filter: String,
    /// Value of the `Authorization` header that it sends, as Gitea shows it.
    #[serde(skip_serializing, deserialize_with = "text")]
    pub authorization_header: String,
}

/// Where a webhook calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookConfig {
    /// The URL; of Drone's own hooks with a secret in its query.
    pub url: String,
    /// `json` or `form`.
    pub content_type: String,
}

/// One side of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Branch {
    /// The branch's name, or `refs/pull/N/head` where it is gone.
    #[serde(rename = "ref")]
    pub name: String,
    /// The commit that it stands at now.
    pub sha: String,
    /// Number of its repository; -1 where that is gone.
    pub repo_id: i64,
}

/// A pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: i64,
    /// `open` or `closed`.
    pub state: String,
    /// Its title.
    pub title: String,
    /// True where it is not meant to be merged yet.
    pub draft: bool,
    /// True where it is merged.
    pub merged: bool,
    /// True where only writers may comment.
    pub is_locked: bool,
    /// Who opened it.
    pub user: User,
    /// Where it shall go.
    pub base: Branch,
    /// What shall go there.
    pub head: Branch,
    /// Its page.
    pub html_url: String,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// Number; unique in the whole forge.
    pub id: i64,
    /// Its page.
    pub html_url: String,
    /// The pull request's page; empty for a comment on an issue.
    pub pull_request_url: String,
    /// The issue's page; empty for a comment on a pull request.
    pub issue_url: String,
    /// Who wrote it.
    #[serde(deserialize_with = "or_default")]
    pub user: User,
    /// Its text.
    pub body: String,
    /// When it was written, RFC 3339.
    pub created_at: String,
    /// When it was changed last, RFC 3339.
    pub updated_at: String,
}

/// An entry of a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Number.
    pub id: i64,
    /// `comment`, `pull_push` and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says; of `pull_push` JSON text with `commit_ids`.
    pub body: String,
    /// When, RFC 3339.
    pub created_at: String,
}

/// `null` where a text is meant is an empty one.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `null` is what is there when nothing is said.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A value that is told once; empty otherwise.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretBytes>, D::Error> {
    let text = text(deserializer)?;
    Ok(if text.is_empty() { None } else { Some(SecretBytes::new(text.into_bytes())) })
}
