//! All secrets of a manifest, each on its own.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use super::document::{Document, decrypt};
use super::error::SecretError;
use super::identity::{Identities, read_named};
use super::keep::{Kept, Opened};
use super::mint;
use super::told::Told;
use super::value::{SecretBytes, Unlocked};
use crate::address::{Address, Kind};
use crate::manifest::{Manifest, Secret, SecretFormat};
use crate::report::Failure;
use crate::state::spread;

/// A sops file that was read once.
struct Loaded {
    ciphertext: Arc<Vec<u8>>,
    document: Result<Document, SecretError>,
}

/// Opens every secret of `manifest`. Each sops file is read and decrypted once, by one age file. A secret that fails takes its last
/// good version from `kept`, a folder that [`super::keep_ciphertext`] wrote; the failure is
/// reported in both cases and names the secret, the file, the recipients in it and the identities that were tried.
#[must_use]
pub fn unlock(manifest: &Manifest, identities: &Identities, kept: Option<&Path>) -> Unlocked {
    let mut unlocked = Unlocked::default();
    let files = load_all(manifest, identities);
    for ((file, _), loaded) in &files {
        let said = loaded.document.iter().flat_map(Document::warnings);
        unlocked.warnings.extend(said.map(|said| format!("{}: {said}", file.display())));
    }
    let mut kept = LastGood::new(kept, identities);
    for (name, secret) in &manifest.secrets {
        if mint::is_left_to_host(name, secret) {
            if is_by_forge(secret) {
                unlock_told((manifest, name), identities, &mut kept, &mut unlocked);
            } else {
                unlock_minted((manifest, name), identities, &mut kept, &mut unlocked);
            }
            continue;
        }
        if is_by_forge(secret) {
            unlocked.told.insert(name.clone(), Told::Given);
        }
        let format = format_in(secret);
        let Some(loaded) = files.get(&(secret.file.as_path(), format)) else { continue };
        let key = key_of(name, secret);
        match loaded
            .document
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|document| value(document, &key, format))
        {
            Ok(found) => {
                if loaded.document.as_ref().is_ok_and(|document| document.is_clear(&key)) {
                    unlocked.warnings.push(format!(
                        "{}: the value at `{key}` stands there in clear text, and sops protects neither its key nor \
                         where it ends: whoever may write to the file could exchange it for another clear one; \
                         encrypt it if that matters",
                        secret.file.display()
                    ));
                }
                let stamp = loaded.document.as_ref().ok().map(|document| document.stamp.clone());
                let opened = Opened { ciphertext: Arc::clone(&loaded.ciphertext), format, key, stamp };
                unlocked.values.insert(name.clone(), found);
                unlocked.opened.insert(name.clone(), opened);
            }
            Err(error) => {
                let last_good = kept.value(name);
                unlocked.failures.push(failure(name, secret, &error, last_good.is_some()));
                if let Some((found, opened)) = last_good {
                    unlocked.values.insert(name.clone(), found);
                    unlocked.opened.insert(name.clone(), opened);
                }
            }
        }
    }
    unlocked
}

/// Files in the order of their names.
type Files<'m> = BTreeMap<(&'m Path, SecretFormat), Loaded>;

/// Reads and decrypts each sops file once, several at a time unless somebody has to be asked or a program to be run.
fn load_all<'m>(manifest: &'m Manifest, identities: &Identities) -> Files<'m> {
    let names: BTreeSet<_> =
        manifest.secrets.values().map(|secret| (secret.file.as_path(), format_in(secret))).collect();
    let names: Vec<_> = names.into_iter().collect();
    // How many cores there are is asked of several files, so not for nothing.
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = if names.len() > 1 && identities.only_memory() { cores().min(names.len()) } else { 1 };
    let work = |(file, format): &(&'m Path, SecretFormat)| {
        Ok::<_, Infallible>(((*file, *format), load(file, *format, identities)))
    };
    let Ok(files) = spread(&names, workers, work);
    files.into_iter().collect()
}

fn format_in(secret: &Secret) -> SecretFormat {
    secret.format.unwrap_or_else(|| format_of(&secret.file))
}

/// Takes the value that the host made, or its last good version.
fn unlock_minted(
    (manifest, name): (&Manifest, &str),
    identities: &Identities,
    kept: &mut LastGood<'_>,
    unlocked: &mut Unlocked,
) {
    let found = match mint::read(manifest, name, identities) {
        Ok(found) => Some(found),
        Err(error) => {
            let path = mint::minted_path(manifest, name);
            let last = kept.value(name);
            let reason = if matches!(path.try_exists(), Ok(false)) {
                "it is made on this host, and was not made yet (`holdfast apply` does)".to_owned()
            } else {
                format!("{}: {error}", path.display())
            };
            let address = Address::new(Kind::Secret, name);
            unlocked.failures.push(Failure { address, reason, kept: last.is_some() });
            last
        }
    };
    if let Some((value, opened)) = found {
        unlocked.values.insert(name.to_owned(), value);
        unlocked.opened.insert(name.to_owned(), opened);
    }
}

fn is_by_forge(secret: &Secret) -> bool {
    secret.generator.as_ref().is_some_and(|generator| generator.forge.is_some())
}

/// Takes what a forge told and the host keeps, or its last good version; what was never told is awaited.
fn unlock_told(
    (manifest, name): (&Manifest, &str),
    identities: &Identities,
    kept: &mut LastGood<'_>,
    unlocked: &mut Unlocked,
) {
    let found = match mint::read_told(manifest, name, identities) {
        Ok(found) => Some(found),
        Err(error) => {
            let path = mint::minted_path(manifest, name);
            let last = kept.value(name).map(|(value, opened)| (value, opened, kept.number(name)));
            if last.is_none() && matches!(path.try_exists(), Ok(false)) {
                unlocked.awaited.insert(name.to_owned());
                return;
            }
            let reason = format!("{}: {error}", path.display());
            let address = Address::new(Kind::Secret, name);
            unlocked.failures.push(Failure { address, reason, kept: last.is_some() });
            last
        }
    };
    if let Some((value, opened, number)) = found {
        unlocked.values.insert(name.to_owned(), value);
        unlocked.opened.insert(name.to_owned(), opened);
        unlocked.told.insert(name.to_owned(), Told::Kept(number));
    }
}

/// Opens every secret of `manifest` as it was kept in `kept`, a folder that [`super::keep_ciphertext`] wrote; the sops
/// files are not looked at.
#[must_use]
pub fn unlock_kept(manifest: &Manifest, identities: &Identities, kept: &Path) -> Unlocked {
    let mut unlocked = Unlocked::default();
    let mut copies = LastGood::new(Some(kept), identities);
    for (name, secret) in &manifest.secrets {
        // What a forge holds is not brought back: what it told last counts.
        if mint::is_left_to_host(name, secret) && is_by_forge(secret) {
            unlock_told((manifest, name), identities, &mut copies, &mut unlocked);
            continue;
        }
        let minted = || mint::read(manifest, name, identities).ok();
        if let Some((found, opened)) = copies.value(name).or_else(minted) {
            unlocked.values.insert(name.clone(), found);
            unlocked.opened.insert(name.clone(), opened);
        } else {
            let reason = format!("no copy of its ciphertext in `{}` opens", kept.display());
            unlocked.failures.push(Failure {
                address: Address::new(Kind::Secret, name),
                reason,
                kept: false,
            });
        }
    }
    unlocked
}

/// A kept file: its ciphertext and what is in it.
type KeptFile = (Arc<Vec<u8>>, Document);

/// What secrets were when they last opened; each kept file is read and decrypted once.
pub(super) struct LastGood<'k> {
    folder: Option<&'k Path>,
    /// There once a secret was asked for.
    kept: OnceCell<Kept<'k>>,
    identities: &'k Identities,
    files: BTreeMap<(String, SecretFormat), Option<KeptFile>>,
}

impl<'k> LastGood<'k> {
    /// Those in `kept`, a folder that [`super::keep_ciphertext`] wrote.
    pub(super) fn new(kept: Option<&'k Path>, identities: &'k Identities) -> Self {
        Self { folder: kept, kept: OnceCell::new(), identities, files: BTreeMap::new() }
    }

    /// The value that the secret had when it last opened.
    pub(super) fn value(&mut self, name: &str) -> Option<(SecretBytes, Opened)> {
        let folder = self.folder?;
        let kept = self.kept.get_or_init(|| Kept::load(folder));
        let entry = kept.entry(name)?;
        let load = || {
            let ciphertext = Arc::new(kept.read(entry)?);
            let document = decrypt(&ciphertext, entry.format, self.identities).ok()?;
            Some((ciphertext, document))
        };
        let loaded = self.files.entry((entry.file.clone(), entry.format)).or_insert_with(load);
        let (ciphertext, document) = loaded.as_ref()?;
        let opened = Opened {
            ciphertext: Arc::clone(ciphertext),
            format: entry.format,
            key: entry.key.clone(),
            stamp: None,
        };
        Some((value(document, &entry.key, entry.format).ok()?, opened))
    }

    /// The number that a forge's value was kept with.
    fn number(&mut self, name: &str) -> i64 {
        let entry = self.kept.get().and_then(|kept| kept.entry(name));
        let file = entry.map(|entry| (entry.file.clone(), entry.format));
        let loaded = file.and_then(|file| self.files.get(&file)?.as_ref());
        loaded.map_or(0, |(_, document)| mint::number_of(document))
    }
}

fn failure(name: &str, secret: &Secret, error: &SecretError, kept: bool) -> Failure {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let reason = format!("{}: {error}{hint}", secret.file.display());
    Failure { address: Address::new(Kind::Secret, name), reason, kept }
}

fn load(path: &Path, format: SecretFormat, identities: &Identities) -> Loaded {
    match read_named(path) {
        Err(error) => {
            Loaded { ciphertext: Arc::default(), document: Err(SecretError::Read(error.to_string())) }
        }
        Ok(bytes) => {
            let document = decrypt(&bytes, format, identities);
            Loaded { document, ciphertext: Arc::new(bytes.to_vec()) }
        }
    }
}

fn value(document: &Document, key: &str, format: SecretFormat) -> Result<SecretBytes, SecretError> {
    if key.is_empty() || matches!(format, SecretFormat::Binary) {
        document.whole()
    } else {
        document.get(key)
    }
}

/// The store that sops takes for a file of this name.
#[must_use]
pub fn format_of(file: &Path) -> SecretFormat {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => SecretFormat::Yaml,
        Some("json") => SecretFormat::Json,
        Some("env") => SecretFormat::Dotenv,
        Some("ini") => SecretFormat::Ini,
        _ => SecretFormat::Binary,
    }
}

fn key_of(name: &str, secret: &Secret) -> String {
    secret.key.clone().unwrap_or_else(|| name.to_owned())
}
