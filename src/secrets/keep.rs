//! The ciphertext behind the last good values, kept so that it can be opened again after a boot.
//!
//! A folder holds `index.json` (secret → file, format, key) and one file per distinct sops file, named by the
//! SHA-256 of its bytes. The index goes by secret and not by file: when a new version of a file lost one key, that
//! secret goes on with the older version while the others move on.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::clear::Stamp;
use super::identity::read_capped;
use super::value::Unlocked;
use crate::manifest::SecretFormat;
use crate::state::{StateError, write_all_durably, write_durably};

const INDEX: &str = "index.json";
/// How names of copies end.
const ENDING: &str = ".sops";

/// Where a value was read from.
#[derive(Clone)]
pub(super) struct Opened {
    /// The whole sops file, encrypted.
    pub(super) ciphertext: Arc<Vec<u8>>,
    /// Its store.
    pub(super) format: SecretFormat,
    /// The value's path; empty for the whole file.
    pub(super) key: String,
    /// Which version of the secret's sops file it is; none of a kept copy, and of what the host made.
    pub(super) stamp: Option<Stamp>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) file: String,
    pub(super) format: SecretFormat,
    pub(super) key: String,
}

/// Writes the ciphertext behind every value of `unlocked` into `dest`, a generation's folder. Values that are
/// themselves from a kept copy are kept on; so is the copy of a secret that nothing could open this time, from `dest`
/// or from `last`, the folder of the generation before: the identity that is missing today may be back tomorrow. Old
/// copies in `dest` that nothing refers to any more do no harm.
///
/// # Errors
/// A file that cannot be written; the index goes last, so that an older one stays in force.
pub fn keep_ciphertext(unlocked: &Unlocked, last: Option<&Path>, dest: &Path) -> Result<(), StateError> {
    Copies::of(unlocked, last, dest).write()
}

/// As [`keep_ciphertext`], in a folder that outlives what it keeps: copies that nothing refers to any more are removed. The
/// disk takes its time; it is written while the caller goes on.
#[must_use]
pub fn keep_only_ciphertext(unlocked: &Unlocked, last: Option<&Path>, dest: &Path) -> Keeping {
    let copies = Arc::new(Copies::of(unlocked, last, dest));
    let written = Arc::clone(&copies);
    let thread = thread::Builder::new().spawn(move || written.write_only()).ok();
    Keeping { copies, thread }
}

/// Copies on their way to the disk.
pub struct Keeping {
    copies: Arc<Copies>,
    /// None where no thread can be had.
    thread: Option<JoinHandle<Result<(), StateError>>>,
}

impl Keeping {
    /// Waits until they are there.
    ///
    /// # Errors
    /// As [`keep_ciphertext`]; a copy that cannot be removed.
    pub fn end(self) -> Result<(), StateError> {
        match self.thread.map(JoinHandle::join) {
            None => self.copies.write_only(),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// What is to be written, and where.
struct Copies {
    dest: PathBuf,
    files: BTreeMap<String, Arc<Vec<u8>>>,
    index: Vec<u8>,
}

impl Copies {
    fn of(unlocked: &Unlocked, last: Option<&Path>, dest: &Path) -> Self {
        let (mut index, mut files) = (BTreeMap::new(), Named::new());
        let kept = LazyCell::new(|| [Some(dest), last].map(|folder| folder.map(Kept::load)));
        for failure in &unlocked.failures {
            let name = &failure.address.leaf().name;
            if let Some(opened) = kept.iter().flatten().find_map(|kept| kept.find(name)) {
                index.insert(name, entry(&opened, &mut files));
            }
        }
        index.extend(unlocked.opened.iter().map(|(name, opened)| (name, entry(opened, &mut files))));
        Self {
            dest: dest.to_owned(),
            files: files.into_values().map(|(bytes, file)| (file, bytes)).collect(),
            // A map of strings cannot fail to serialise.
            index: serde_json::to_vec(&index).unwrap_or_default(),
        }
    }

    fn write(&self) -> Result<(), StateError> {
        let files: Vec<_> =
            self.files.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
        write_all_durably(&self.dest, &files, 0o600)?;
        write_durably(&self.dest.join(INDEX), &self.index, 0o600).map(drop)
    }

    fn write_only(&self) -> Result<(), StateError> {
        self.write()?;
        let dest = &self.dest;
        for entry in fs::read_dir(dest).map_err(StateError::io("read", dest))?.flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(ENDING) && !self.files.contains_key(name)) {
                fs::remove_file(entry.path()).map_err(StateError::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }
}

/// True for a folder that [`keep_ciphertext`] wrote to its end.
#[must_use]
pub fn has_kept(folder: &Path) -> bool {
    folder.join(INDEX).exists()
}

/// Copies and their names, by the place of their bytes: many secrets may be of one file, of which they share the bytes.
type Named = BTreeMap<*const Vec<u8>, (Arc<Vec<u8>>, String)>;

/// A line of the index; the copy that it names is added to the others.
fn entry(opened: &Opened, files: &mut Named) -> Entry {
    let copy = || {
        let file = format!("{:x}{ENDING}", Sha256::digest(opened.ciphertext.as_slice()));
        (Arc::clone(&opened.ciphertext), file)
    };
    let (_, file) = files.entry(Arc::as_ptr(&opened.ciphertext)).or_insert_with(copy);
    Entry { file: file.clone(), format: opened.format, key: opened.key.clone() }
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

    /// Where the last good version of a secret is.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.index.get(name).filter(|entry| !entry.file.contains('/'))
    }

    /// The ciphertext of an entry.
    pub(super) fn read(&self, entry: &Entry) -> Option<Vec<u8>> {
        Some(read_capped(&self.folder.join(&entry.file)).ok()?.to_vec())
    }

    /// The last good source of a secret.
    fn find(&self, name: &str) -> Option<Opened> {
        let entry = self.entry(name)?;
        Some(Opened {
            ciphertext: Arc::new(self.read(entry)?),
            format: entry.format,
            key: entry.key.clone(),
            stamp: None,
        })
    }
}
