//! Gitea and Drone as things to reconcile: their JSON APIs, and what is made equal through them.

mod answer;
mod browser;
mod caller;
pub mod drone;
pub mod error;
pub mod gitea;
pub mod github;
pub mod http;
mod lines;
mod talk;

pub use caller::Caller;
pub use talk::{NewStatus, State};

use crate::secrets::{SecretBytes, Unlocked};
use error::ForgeError;

/// Where a value goes that a forge tells once: the secret that keeps it, the number of what it is of, the value. Says why
/// it could not be kept.
pub type Keep<'k> = &'k dyn Fn(&str, i64, SecretBytes) -> Result<(), String>;

/// A secret of the manifest as text; one line break at its end does not count.
fn text<'u>(unlocked: &'u Unlocked, secret: &str) -> Result<&'u str, String> {
    let value = unlocked.values.get(secret).ok_or_else(|| format!("the secret `{secret}` was not opened"))?;
    let text =
        std::str::from_utf8(value.expose()).map_err(|_| format!("the secret `{secret}` is no text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(format!("the secret `{secret}` is empty")) } else { Ok(text) }
}

/// A secret of the manifest, without a line break at its end.
///
/// # Errors
/// It was not opened, is empty, or is no text.
pub fn secret(unlocked: &Unlocked, name: &str) -> Result<SecretBytes, String> {
    Ok(SecretBytes::new(text(unlocked, name)?.as_bytes().to_vec()))
}

fn settings(url: &str, why: String) -> ForgeError {
    ForgeError::Settings { url: url.to_owned(), why }
}
