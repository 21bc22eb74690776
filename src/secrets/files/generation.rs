//! Generations: whole sets of secrets and templates, exchanged by flipping one link.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, fchmod, renameat, symlinkat, unlinkat};

use super::error::FilesError;
use super::folder::{self, Item, Maker, bits, components, descend, open_folder, read_all};
use super::memory;
use super::wanted::items;
use crate::manifest::{Folder, Manifest, RENDERED};
use crate::observed::{InstalledFile, leftover};
use crate::report::Failure;
use crate::secrets::value::{SecretBytes, Unlocked};
use crate::state::spread;

/// The generation that is being written.
const STAGING: &str = ".new";
/// Everybody may pass through, root may list.
const FOLDER_MODE: u32 = 0o751;

/// What is installed in one folder, by name. A generation that nobody reads any more, or that a killed run left behind,
/// appears as a [`leftover`], so that it differs from what is wanted; those in `held` do not. `digest` is told name and bytes.
///
/// # Errors
/// A folder that cannot be read, or something foreign mounted there.
pub fn observe(
    run: &Path,
    folder: Folder,
    held: &BTreeSet<u64>,
    digest: &dyn Fn(&str, &SecretBytes) -> String,
) -> Result<BTreeMap<String, InstalledFile>, FilesError> {
    let mut files = BTreeMap::new();
    let shown = run.join(folder.store());
    let Some(generations) = memory::open_existing(&shown)? else { return Ok(files) };
    let current = generation(run, folder);
    for (name, kind) in folder::list(&generations, &shown)? {
        let number = name.parse().ok();
        if current.is_some() && current == number && kind == FileType::Directory {
            let generation = open_folder(&generations, &name, &shown.join(&name))?;
            for found in read_all(&generation, &shown.join(&name), &|_| true)? {
                let digest = digest(&found.name, &found.bytes);
                let file = InstalledFile { digest, uid: found.uid, gid: found.gid, mode: found.mode };
                files.insert(found.name, file);
            }
        } else if !number.is_some_and(|number| held.contains(&number)) {
            let file = InstalledFile { digest: String::new(), uid: 0, gid: 0, mode: 0 };
            files.insert(leftover(&name), file);
        }
    }
    Ok(files)
}

/// Gives each failed secret that has no value the one that is still installed, and remembers the installed templates
/// for [`crate::secrets::render_templates`]. Call it between unlocking and rendering. Nothing else is read.
pub fn fall_back(run: &Path, manifest: &Manifest, unlocked: &mut Unlocked) {
    let failed = unlocked.failures.iter().filter(|failure| !failure.kept);
    let failed: BTreeSet<String> = failed.map(|failure| failure.address.leaf().name.clone()).collect();
    if !failed.is_empty() || !manifest.templates.is_empty() {
        for folder in Folder::ALL {
            fall_back_to(run, folder, &failed, unlocked);
        }
    }
}

fn fall_back_to(run: &Path, folder: Folder, failed: &BTreeSet<String>, unlocked: &mut Unlocked) {
    let Some(current) = generation(run, folder) else { return };
    let shown = run.join(folder.store());
    let Ok(Some(generations)) = memory::open_existing(&shown) else { return };
    let Ok(generation) = open_folder(&generations, &current.to_string(), &shown) else { return };
    let is_asked = |name: &str| name.starts_with(RENDERED) || failed.contains(name);
    let Ok(found) = read_all(&generation, &shown, &is_asked) else { return };
    for file in found {
        let of_file = |failure: &&mut Failure| failure.address.leaf().name == file.name;
        if file.name.starts_with(RENDERED) {
            unlocked.installed.insert(file.name, file.bytes);
        } else if let Some(failure) = unlocked.failures.iter_mut().find(of_file)
            && !failure.kept
        {
            failure.kept = true;
            unlocked.values.insert(file.name, file.bytes);
        }
    }
}

/// Installs every value of one folder as a new generation and removes what was there before, but for the generations in
/// `asked_to_keep`. When it fails, or is killed, the last generation is still whole and linked; the next installation removes
/// what was begun.
///
/// # Errors
/// No memory file system, no room, or a call that failed.
pub fn install(
    run: &Path,
    folder: Folder,
    asked_to_keep: &BTreeSet<u64>,
    manifest: &Manifest,
    unlocked: &Unlocked,
) -> Result<(), FilesError> {
    let (items, _) = items(manifest, folder, unlocked);
    let bytes = items.iter().map(|item| item.bytes.expose().len()).sum();
    if bytes > memory::MOST {
        return Err(FilesError::TooLarge { bytes, most: memory::MOST });
    }
    let shown = run.join(folder.store());
    let generations = memory::ensure(&shown)?;
    let current = generation(run, folder);
    let mut keep = asked_to_keep.clone();
    keep.extend(current);
    // Leftovers go first: they may be what fills the file system.
    remove_others(&generations, &keep, &shown)?;
    let next = keep.last().map_or(1, |last| last + 1);
    if let Err(error) = write(&generations, &items, &shown) {
        // Best effort: the next installation does it otherwise.
        remove_others(&generations, &keep, &shown).ok();
        return Err(error);
    }
    renameat(&generations, STAGING, &generations, next.to_string())
        .map_err(FilesError::io("rename into", &shown))?;
    flip(run, folder, next)?;
    if let Some(current) = current.filter(|current| !asked_to_keep.contains(current)) {
        keep.remove(&current);
    }
    keep.insert(next);
    remove_others(&generations, &keep, &shown)
}

/// Removes the generations of one folder that are neither installed nor in `keep`.
///
/// # Errors
/// A folder that cannot be read or changed.
pub fn prune(run: &Path, folder: Folder, keep: &BTreeSet<u64>) -> Result<(), FilesError> {
    let shown = run.join(folder.store());
    let Some(generations) = memory::open_existing(&shown)? else { return Ok(()) };
    let keep = keep.iter().copied().chain(generation(run, folder)).collect();
    remove_others(&generations, &keep, &shown)
}

/// The number of the generation that the link of a folder leads to.
#[must_use]
pub fn generation(run: &Path, folder: Folder) -> Option<u64> {
    let target = std::fs::read_link(run.join(folder.link())).ok()?;
    target.strip_prefix(folder.store()).ok()?.to_str()?.parse().ok()
}

fn write(generations: &OwnedFd, items: &[Item<'_>], shown: &Path) -> Result<(), FilesError> {
    let staging = descend(generations, STAGING, 0o700, &shown.join(STAGING))?;
    let maker = Maker::new();
    let create = |item: &Item<'_>| {
        let shown = shown.join(STAGING).join(&item.name);
        let parts = components(Path::new(&item.name)).unwrap_or_default();
        let Some((file, folders)) = parts.split_last() else {
            return Err(FilesError::BadPath { path: item.name.clone().into() });
        };
        let mut below: Option<OwnedFd> = None;
        for name in folders {
            below = Some(descend(below.as_ref().unwrap_or(&staging), name, FOLDER_MODE, &shown)?);
        }
        maker.create(below.as_ref().unwrap_or(&staging), file, item, &shown)
    };
    spread(items, folder::threads(items.len()), create)?;
    fchmod(&staging, bits(FOLDER_MODE)).map_err(FilesError::io("set the mode of", &shown.join(STAGING)))
}

/// Points the link at a generation by one rename.
fn flip(run: &Path, folder: Folder, next: u64) -> Result<(), FilesError> {
    let (link, fresh) = (run.join(folder.link()), run.join(format!(".{}.new", folder.link())));
    match unlinkat(CWD, &fresh, AtFlags::empty()).map_err(io::Error::from) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FilesError::io("remove", &fresh)(error));
        }
        _ => {}
    }
    let target = format!("{}/{next}", folder.store());
    symlinkat(target, CWD, &fresh).map_err(FilesError::io("create", &fresh))?;
    renameat(CWD, &fresh, CWD, &link).map_err(FilesError::io("replace", &link))
}

/// Removes all generations but these.
fn remove_others(generations: &OwnedFd, keep: &BTreeSet<u64>, shown: &Path) -> Result<(), FilesError> {
    for (name, kind) in folder::list(generations, shown)? {
        if !name.parse().is_ok_and(|number| keep.contains(&number)) {
            folder::remove(generations, &name, kind, shown)?;
        }
    }
    Ok(())
}
