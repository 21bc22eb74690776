//! The ciphertext behind the last good values, kept so that it can be opened again after a boot.
//!
//! A folder holds `index.json` (secret → file, format, key) and one file per distinct sops file, named by the
//! SHA-256 of its bytes. The index goes by secret and not by file: when a new version of a file lost one key, that
//! secret goes on with the older version while the others move on.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::read_capped;
use super::value::Unlocked;
use crate::manifest::SecretFormat;

const INDEX: &str = "index.json";

/// Where a value was read from.
#[derive(Clone)]
pub(super) struct Opened {
    /// The whole sops file, encrypted.
    pub(super) ciphertext: Arc<Vec<u8>>,
    /// Its store.
    pub(super) format: SecretFormat,
    /// The value's path; empty for the whole file.
    pub(super) key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    format: SecretFormat,
    key: String,
}

/// Writes the ciphertext behind every value of `unlocked` into `dest`, a folder that is made for it. Values that
/// are themselves from a kept copy are kept on.
///
/// # Errors
/// A file that cannot be written; what is in `dest` is then of no use.
pub fn keep_ciphertext(unlocked: &Unlocked, dest: &Path) -> io::Result<()> {
    fs::create_dir_all(dest)?;
    let mut index = BTreeMap::new();
    for (name, opened) in &unlocked.opened {
        let file = format!("{:x}.sops", Sha256::digest(opened.ciphertext.as_slice()));
        let path = dest.join(&file);
        if !path.exists() {
            write_durably(&path, &opened.ciphertext)?;
        }
        index.insert(name, Entry { file, format: opened.format, key: opened.key.clone() });
    }
    write_durably(&dest.join(INDEX), &serde_json::to_vec_pretty(&index)?)?;
    fs::File::open(dest)?.sync_all()
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What an earlier [`keep_ciphertext`] wrote.
pub(super) struct Kept<'p> {
    folder: &'p Path,
    index: BTreeMap<String, Entry>,
}

impl<'p> Kept<'p> {
    /// Reads the index; a folder that is absent or damaged keeps nothing.
    pub(super) fn load(folder: &'p Path) -> Self {
        let index = read_capped(&folder.join(INDEX)).ok();
        let index = index.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { folder, index }
    }

    /// The last good source of a secret.
    pub(super) fn find(&self, name: &str) -> Option<Opened> {
        let entry = self.index.get(name)?;
        if entry.file.contains('/') {
            return None;
        }
        let ciphertext = read_capped(&self.folder.join(&entry.file)).ok()?;
        Some(Opened {
            ciphertext: Arc::new(ciphertext.to_vec()),
            format: entry.format,
            key: entry.key.clone(),
        })
    }
}
