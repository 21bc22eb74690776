//! Gitea's API, as far as it is needed: typed calls below `/api/v1`.
//!
//! Types hold the fields that are used; what a newer Gitea adds is passed over. Lists are read whole, page by page.

mod access;
mod admin;
mod api;
mod attest;
mod execute;
mod hooks;
mod model;
mod observe;
mod pulls;
mod tokens;

pub use access::untaken;
pub use api::Api;
pub use execute::execute;
pub use hooks::HookBody;
pub use model::{
    Application, Branch, Collaborator, Comment, Entry, Hook, HookConfig, Permission, Permissions,
    PullRequest, Repository, Token, User,
};
pub(in crate::forge) use observe::each;
pub use observe::observe;

use crate::forge::error::ForgeError;
use crate::forge::http::Client;
use crate::forge::{settings, text};
use crate::manifest;
use crate::secrets::Unlocked;

/// The Gitea of a manifest, asked by its administrator.
///
/// # Errors
/// [`ForgeError::Settings`]: an address that cannot be used, or no password.
pub fn administered(gitea: &manifest::Gitea, unlocked: &Unlocked) -> Result<Api, ForgeError> {
    let password = text(unlocked, &gitea.admin.password.secret).map_err(|why| settings(&gitea.url, why))?;
    let client = Client::new(&gitea.url, gitea.connect.as_deref(), gitea.ca.as_deref())?;
    let password = crate::secrets::SecretBytes::new(password.as_bytes().to_vec());
    Ok(Api::with_password(client, &gitea.admin.username, &password))
}
