//! Generated files for containers, each replaced by one rename in a real folder.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, renameat, unlinkat};
use rustix::io::Errno;

use super::error::FilesError;
use super::folder::{self, Found, Item, Maker, components, descend, open_folder, read_all};
use super::memory;
use crate::observed::InstalledFile;
use crate::secrets::digest::Ids;
use crate::secrets::value::SecretBytes;

/// Below the run folder.
pub(super) const FOLDER: &str = "generated";
/// The kind that digests of generated files are made for.
const KIND: &str = "generated";
/// Written here, outside of every folder that a container sees, and renamed from here.
const STAGING: &str = ".new";
/// Containers may run as anybody; the names in there are no secret.
const FOLDER_MODE: u32 = 0o755;

/// Generated files by their path below `<run>/generated`, with digests of kind `generated`.
///
/// # Errors
/// A folder that cannot be read, or something foreign mounted there.
pub fn observe_generated(
    run: &Path,
    key: &SecretBytes,
    instance: &str,
) -> Result<BTreeMap<String, InstalledFile>, FilesError> {
    let ids = Ids::new(key, instance);
    described(run, |found| ids.of(KIND, &found.name, &found.bytes))
}

/// Generated files by their path below `<run>/generated`, without digests: for who has no key.
///
/// # Errors
/// A folder that cannot be read, or something foreign mounted there.
pub fn generated(run: &Path) -> Result<BTreeMap<String, InstalledFile>, FilesError> {
    described(run, |_| String::new())
}

fn described(
    run: &Path,
    digest: impl Fn(&Found) -> String,
) -> Result<BTreeMap<String, InstalledFile>, FilesError> {
    let shown = run.join(FOLDER);
    let Some(root) = memory::open_existing(&shown)? else { return Ok(BTreeMap::new()) };
    let files = read_all(&root, &shown, &|_| true)?.into_iter().map(|found| {
        let file = InstalledFile { digest: digest(&found), uid: found.uid, gid: found.gid, mode: found.mode };
        (found.name, file)
    });
    Ok(files.collect())
}

/// Puts one file at `<run>/generated/<path>`, owned by root, by one rename.
///
/// # Errors
/// A path that leads elsewhere, no memory file system, no room, or a call that failed.
pub fn put(run: &Path, path: &Path, bytes: &SecretBytes, mode: u32) -> Result<(), FilesError> {
    let shown = run.join(FOLDER).join(path);
    let Some((file, folders)) =
        components(path).and_then(|parts| parts.split_last().map(|(f, d)| (*f, d.to_vec())))
    else {
        return Err(FilesError::BadPath { path: path.to_owned() });
    };
    let root = memory::ensure(&run.join(FOLDER))?;
    let mut folder = root.try_clone().map_err(FilesError::io("open", &shown))?;
    for name in folders {
        folder = descend(&folder, name, FOLDER_MODE, &shown)?;
    }
    folder::remove(&root, STAGING, FileType::RegularFile, &run.join(FOLDER))?;
    let item = Item { name: String::new(), bytes, uid: 0, gid: 0, mode };
    let written = Maker::new()
        .create(&root, STAGING, &item, &shown)
        .and_then(|()| renameat(&root, STAGING, &folder, file).map_err(FilesError::io("replace", &shown)));
    if written.is_err() {
        // Best effort: the next one does it otherwise.
        folder::remove(&root, STAGING, FileType::RegularFile, &run.join(FOLDER)).ok();
    }
    written
}

/// Removes one file below `<run>/generated`; its folder stays, because a container may have it mounted.
///
/// # Errors
/// A path that leads elsewhere, or a call that failed. A file that is not there is a success.
pub fn remove(run: &Path, path: &Path) -> Result<(), FilesError> {
    let shown = run.join(FOLDER).join(path);
    let parts = components(path).unwrap_or_default();
    let Some((file, folders)) = parts.split_last() else {
        return Err(FilesError::BadPath { path: path.to_owned() });
    };
    let Some(mut folder) = memory::open_existing(&run.join(FOLDER))? else { return Ok(()) };
    for name in folders {
        folder = match open_folder(&folder, name, &shown) {
            Err(FilesError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(());
            }
            other => other?,
        };
    }
    unlink(&folder, file, &shown)
}

fn unlink(folder: &OwnedFd, file: &str, shown: &Path) -> Result<(), FilesError> {
    match unlinkat(folder, file, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(FilesError::io("remove", shown)(errno)),
    }
}
