//! What only the host makes: kept as sops files of its own, encrypted for the host and its admins.
//!
//! `<state>/minted/NAME.json` holds the value under one key. What the secret's own sops file has goes before it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::document::{Document, decrypt};
use super::error::SecretError;
use super::fill::{filled, has_value, last_written};
use super::generate::make;
use super::identity::{Ask, Environment, Identities, read_capped, read_named};
use super::keep::Opened;
use super::told::{OF, policy};
use super::unlock::format_of;
use super::value::{SecretBytes, Unlocked};
use crate::manifest::{Generator, Manifest, Place, Secret, SecretFormat};

/// The key of the value in its file.
pub(super) const KEY: &str = "value";

/// Where the value of a secret is kept that the host made.
#[must_use]
pub fn minted_path(manifest: &Manifest, name: &str) -> PathBuf {
    minted_in(&manifest.paths.state.join("minted"), name)
}

/// Where it is in a copy of that folder.
#[must_use]
pub fn minted_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// True for a secret that the host makes and that its sops file has no value for.
pub(super) fn is_left_to_host(name: &str, secret: &Secret) -> bool {
    let by_host = secret.generator.as_ref().is_some_and(|generator| generator.place == Place::Host);
    by_host
        && match read_named(&secret.file) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(bytes) => {
                let format = secret.format.unwrap_or_else(|| format_of(&secret.file));
                has_value(&bytes, format, secret.place(name)) == Ok(false)
            }
        }
}

/// Opens a value that a host made.
///
/// # Errors
/// A file that cannot be read or opened.
pub fn open_minted(path: &Path, identities: &Identities) -> Result<SecretBytes, SecretError> {
    let bytes = read_capped(path).map_err(|error| SecretError::Read(error.to_string()))?;
    decrypt(&bytes, SecretFormat::Json, identities)?.get(KEY)
}

/// The number of what a forge made and told the value of; zero where that is not known.
pub(super) fn number_of(document: &Document) -> i64 {
    let text = document.get(OF).ok().and_then(|value| String::from_utf8(value.expose().to_vec()).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// What the host keeps of it, with its number.
pub(super) fn read_told(
    manifest: &Manifest,
    name: &str,
    identities: &Identities,
) -> Result<(SecretBytes, Opened, i64), SecretError> {
    let bytes =
        read_capped(&minted_path(manifest, name)).map_err(|error| SecretError::Read(error.to_string()))?;
    let document = decrypt(&bytes, SecretFormat::Json, identities)?;
    Ok((document.get(KEY)?, opened(bytes.to_vec()), number_of(&document)))
}

/// The value that the host made before.
pub(super) fn read(
    manifest: &Manifest,
    name: &str,
    identities: &Identities,
) -> Result<(SecretBytes, Opened), SecretError> {
    let path = minted_path(manifest, name);
    let value = open_minted(&path, identities)?;
    let bytes = read_capped(&path).map_err(|error| SecretError::Read(error.to_string()))?;
    Ok((value, opened(bytes.to_vec())))
}

pub(super) fn opened(ciphertext: Vec<u8>) -> Opened {
    Opened { ciphertext: Arc::new(ciphertext), format: SecretFormat::Json, key: KEY.to_owned(), stamp: None }
}

/// Makes, in memory, each value that the host makes and that nobody has made yet; with `renew` also those that are due by
/// their age. Its sealed file is in [`Unlocked::to_mint`]: it has to be written before anything uses the value, and only
/// then the value is the secret's.
pub fn mint_missing(
    manifest: &Manifest,
    unlocked: &mut Unlocked,
    (now, renew): (Timestamp, bool),
    (environment, ask): (&Environment, &Ask),
) {
    let due = if renew { due(manifest, unlocked, now) } else { BTreeSet::new() };
    let missing = |(name, secret): &(&String, &Secret)| {
        is_left_to_host(name, secret) && matches!(minted_path(manifest, name).try_exists(), Ok(false))
    };
    let mut missing: Vec<_> = manifest.secrets.iter().filter(missing).collect();
    missing.retain(|(name, _)| !recover(unlocked, name));
    missing.extend(manifest.secrets.iter().filter(|(name, _)| due.contains(name.as_str())));
    // A forge is asked for the others.
    let by_forge = |secret: &Secret| secret.generator.as_ref().is_some_and(|by| by.forge.is_some());
    let due_there = missing
        .extract_if(.., |(_, secret)| by_forge(secret))
        .filter(|(name, _)| due.contains(name.as_str()));
    unlocked.due.extend(due_there.map(|(name, _)| name.clone()));
    let policy = policy(manifest);
    let (later, first): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .filter_map(|(name, secret)| Some((name, secret.generator.as_ref()?)))
        .partition(|(_, generator)| generator.password().is_some());
    for (name, generator) in first.into_iter().chain(later) {
        let made = value(generator, unlocked, now).and_then(|value| {
            let values = [(KEY, &value)];
            let plugins = (environment.clone(), ask.clone());
            let sealed = filled(None, (SecretFormat::Json, &policy), &values, now, plugins);
            sealed.map(|sealed| (value, sealed)).map_err(|error| error.to_string())
        });
        let failure = unlocked.failures.iter().position(|failure| failure.address.leaf().name == *name);
        match made {
            Ok((value, sealed)) => {
                if let Some(at) = failure {
                    unlocked.failures.remove(at);
                }
                unlocked.values.insert(name.clone(), value);
                unlocked.opened.insert(name.clone(), opened(sealed.expose().to_vec()));
                unlocked.to_mint.insert(name.clone(), sealed);
            }
            Err(why) => {
                if let Some(failure) = failure.and_then(|at| unlocked.failures.get_mut(at)) {
                    failure.reason = format!("it cannot be made on this host: {why}");
                } else {
                    let text = format!("`secret.{name}` is due and cannot be made anew on this host: {why}");
                    unlocked.warnings.push(text);
                }
            }
        }
    }
}

/// Names of the values of this host that are to be made anew: by their age, and what was made of a password that is.
/// What does not open is never among them.
fn due<'m>(manifest: &'m Manifest, unlocked: &mut Unlocked, now: Timestamp) -> BTreeSet<&'m str> {
    let failed: BTreeSet<&str> =
        unlocked.failures.iter().map(|failure| failure.address.leaf().name.as_str()).collect();
    let mut made = BTreeMap::new();
    for (name, secret) in &manifest.secrets {
        let generator = secret.generator.as_ref().filter(|generator| generator.place == Place::Host);
        let minted = |opened: &&Opened| opened.stamp.is_none() && opened.key == KEY;
        let (Some(generator), Some(opened)) = (generator, unlocked.opened.get(name).filter(minted)) else {
            continue;
        };
        let written = last_written(&opened.ciphertext, opened.format).ok();
        let written = written.and_then(|written| written.parse::<Timestamp>().ok());
        if let Some(written) = written.filter(|_| !failed.contains(name.as_str())) {
            made.insert(name.as_str(), (generator, written));
        }
    }
    let mut due = BTreeSet::new();
    for (name, (generator, written)) in &made {
        let Some(days) = generator.due_after() else { continue };
        if now < *written {
            unlocked.warnings.push(format!(
                "`secret.{name}` was made at {written}, which is still to come by the clock of this host: it is not made \
                 anew by age until then"
            ));
        } else if now.duration_since(*written) >= jiff::SignedDuration::from_hours(24 * i64::from(days)) {
            due.insert(*name);
        }
    }
    // Also what a run that was killed has left with the password from before.
    let stale = |(name, (generator, written)): (&&'m str, &(&Generator, Timestamp))| {
        let password = generator.password()?;
        let newer = made.get(password).is_some_and(|(_, password)| password > written);
        (newer || due.contains(password)).then_some(*name)
    };
    let stale: Vec<&str> = made.iter().filter_map(stale).collect();
    due.extend(stale);
    due
}

/// Takes what an applied generation has kept for what the host has made: it is never made twice.
fn recover(unlocked: &mut Unlocked, name: &str) -> bool {
    let Some(opened) = unlocked.opened.get(name).filter(|_| unlocked.values.contains_key(name)) else {
        return false;
    };
    if opened.key == KEY && opened.format == SecretFormat::Json {
        unlocked.to_mint.insert(name.to_owned(), SecretBytes::new(opened.ciphertext.to_vec()));
        unlocked.failures.retain(|failure| failure.address.leaf().name != name);
    }
    true
}

fn value(generator: &Generator, unlocked: &Unlocked, now: Timestamp) -> Result<SecretBytes, String> {
    let kind = generator.kinds().into_iter().next().ok_or("its generator has no kind")?;
    let password = generator.password().and_then(|of| unlocked.values.get(of));
    make(kind, password, now).map(|made| made.value)
}
