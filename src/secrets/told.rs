//! Values that a forge makes and tells once: sealed and kept as they are told, as everything that a host makes.

use std::path::PathBuf;

use jiff::Timestamp;

use super::encrypt::Policy;
use super::error::SecretError;
use super::fill::filled;
use super::identity::{Ask, Environment};
use super::mint::{KEY, minted_path, opened};
use super::value::{SecretBytes, Unlocked};
use crate::manifest::{Manifest, SecretFormat};
use crate::report::chain;
use crate::state::write_durably;

/// The key of the number in its file.
pub(super) const OF: &str = "of";

/// Where a value comes from that a forge makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The sops file has it, which goes before what the host keeps.
    Given,
    /// The host keeps what it was told of the thing with this number; zero where that is not known.
    Kept(i64),
}

/// A value as it was told, and sealed as it is kept.
pub struct Fresh {
    /// The secret.
    pub name: String,
    /// Number of what it is of.
    pub of: i64,
    value: SecretBytes,
    sealed: SecretBytes,
}

/// Readers of what this host makes: itself and its admins.
pub(super) fn policy(manifest: &Manifest) -> Policy {
    let keys = &manifest.identities;
    let readers = keys.public_keys.iter().chain(&keys.admins).cloned().collect();
    Policy { groups: vec![readers], ..Policy::default() }
}

/// Seals a value for the host and its admins and writes it to `<state>/minted`. Who told it need not tell it again: it
/// is on the disk when this returns.
///
/// # Errors
/// A recipient that nothing can be encrypted for; a file that cannot be written.
pub fn keep_told(
    manifest: &Manifest,
    (name, of): (&str, i64),
    value: SecretBytes,
    now: Timestamp,
    (environment, ask): (&Environment, &Ask),
) -> Result<Fresh, SecretError> {
    let number = SecretBytes::new(of.to_string().into_bytes());
    let values = [(KEY, &value), (OF, &number)];
    let plugins = (environment.clone(), ask.clone());
    let sealed = filled(None, (SecretFormat::Json, &policy(manifest)), &values, now, plugins)?;
    let path: PathBuf = minted_path(manifest, name);
    write_durably(&path, sealed.expose(), 0o600).map_err(|error| SecretError::Write(chain(&error)))?;
    Ok(Fresh { name: name.to_owned(), of, value, sealed })
}

impl Unlocked {
    /// Takes values that were kept just now.
    pub fn learn(&mut self, fresh: Vec<Fresh>) {
        for Fresh { name, of, value, sealed } in fresh {
            self.awaited.remove(&name);
            self.due.remove(&name);
            self.to_mint.remove(&name);
            self.opened.insert(name.clone(), opened(sealed.expose().to_vec()));
            self.told.insert(name.clone(), Told::Kept(of));
            self.values.insert(name, value);
        }
    }
}
