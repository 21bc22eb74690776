//! Links to installed files, at places that the manifest names anywhere on the host.
//!
//! A folder above such a place may belong to somebody else. So it is opened with no link anywhere in its path, and
//! everything else goes by that open folder: whoever may write there can lead a link of his own astray, and nothing
//! beyond. Only links that lead to where Holdfast installs are ever replaced or removed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fsync, openat2, readlinkat, renameat,
    renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::error::FilesError;
use super::folder::descend;
use crate::observed::LinkSeen;

/// What a missing parent is made with.
const PARENT_MODE: u32 = 0o755;

/// What stands at `path`; `ours` tells which targets are links of Holdfast's own, or may be taken over.
///
/// # Errors
/// Never for a place where no link can be made: that is [`LinkSeen::Refused`].
pub fn observe_link(path: &Path, ours: &dyn Fn(&Path) -> bool) -> LinkSeen {
    match look(path, ours) {
        Ok(seen) => seen,
        Err(error) => LinkSeen::Refused(error.to_string()),
    }
}

fn look(path: &Path, ours: &dyn Fn(&Path) -> bool) -> Result<LinkSeen, FilesError> {
    let (above, name) = split(path)?;
    let folder = match open_above(above)? {
        Above::Open(folder) => folder,
        Above::Missing => return may_make(above).map(|()| LinkSeen::Missing),
    };
    if target_at(&folder, &aside(name), path)?.is_some_and(|target| ours(&target)) {
        return Ok(LinkSeen::Unfinished);
    }
    match kind_at(&folder, name, path)? {
        None => Ok(LinkSeen::Missing),
        Some(FileType::Symlink) => match target_at(&folder, name, path)? {
            Some(target) if ours(&target) => Ok(LinkSeen::Link(target)),
            Some(_) => Err(refused(path, "is a link of somebody else; remove it, or name another path")),
            None => Ok(LinkSeen::Missing),
        },
        Some(FileType::Directory) => Err(refused(path, "is a folder; move it away, or name another path")),
        Some(_) => Err(refused(path, "is there and is no link; move it away, or name another path")),
    }
}

/// Makes `path` a link to `target` by one rename, or leads a link there that is there and of which `ours` is true.
/// Missing folders above are made where only root may write.
///
/// # Errors
/// Anything else at `path`, a link in a folder above it, or a call that failed.
pub fn link(path: &Path, target: &Path, ours: &dyn Fn(&Path) -> bool) -> Result<(), FilesError> {
    let seen = look(path, ours)?;
    let (above, name) = split(path)?;
    let folder = match open_above(above)? {
        Above::Open(folder) => folder,
        Above::Missing => make_above(above)?,
    };
    let fresh = aside(name);
    if target_at(&folder, &fresh, path)?.is_some_and(|target| ours(&target)) {
        unlinkat(&folder, &fresh, AtFlags::empty()).map_err(FilesError::io("remove", &above.join(&fresh)))?;
    }
    symlinkat(target, &folder, &fresh).map_err(FilesError::io("create", &above.join(&fresh)))?;
    let there = matches!(seen, LinkSeen::Link(_))
        || (seen == LinkSeen::Unfinished && target_at(&folder, name, path)?.is_some_and(|at| ours(&at)));
    let renamed = if there {
        renameat(&folder, &fresh, &folder, name)
    } else {
        // What appeared meanwhile is not ours to replace.
        renameat_with(&folder, &fresh, &folder, name, RenameFlags::NOREPLACE)
    };
    if renamed.is_err() {
        unlinkat(&folder, &fresh, AtFlags::empty()).ok();
    }
    renamed.map_err(FilesError::io("replace", path))?;
    sync(&folder);
    Ok(())
}

/// Removes the link `path`, if it is one of which `ours` is true; anything else stays.
///
/// # Errors
/// A link in a folder above it, or a call that failed.
pub fn unlink(path: &Path, ours: &dyn Fn(&Path) -> bool) -> Result<(), FilesError> {
    let (above, name) = split(path)?;
    let Above::Open(folder) = open_above(above)? else { return Ok(()) };
    for name in [aside(name).as_os_str(), name] {
        if target_at(&folder, name, path)?.is_some_and(|target| ours(&target)) {
            unlinkat(&folder, name, AtFlags::empty()).map_err(FilesError::io("remove", path))?;
        }
    }
    sync(&folder);
    Ok(())
}

/// A link that a power cut loses is made again by the next run.
fn sync(folder: &OwnedFd) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(open) = rustix::fs::openat(folder, ".", flags, Mode::empty()) {
        fsync(open).ok();
    }
}

/// The folder above a place.
enum Above {
    Open(OwnedFd),
    Missing,
}

fn split(path: &Path) -> Result<(&Path, &OsStr), FilesError> {
    let parts = path.parent().zip(path.file_name());
    parts.ok_or_else(|| FilesError::BadPath { path: path.to_owned() })
}

/// The name under which a link is made before it is renamed.
fn aside(name: &OsStr) -> std::ffi::OsString {
    let mut bytes = b".".to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b".holdfast");
    std::ffi::OsString::from_vec(bytes)
}

fn refused(path: &Path, reason: &'static str) -> FilesError {
    FilesError::Foreign { path: path.to_owned(), reason }
}

fn open_above(above: &Path) -> Result<Above, FilesError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, above, flags, Mode::empty(), resolve) {
        Ok(folder) => Ok(Above::Open(folder)),
        Err(Errno::NOENT) => Ok(Above::Missing),
        Err(Errno::LOOP) => {
            let is_link = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
            let link = above.ancestors().filter(is_link).last().unwrap_or(above);
            Err(refused(link, "is a link, and could be led elsewhere; write the path that it leads to"))
        }
        Err(errno) => Err(FilesError::io("open", above)(errno)),
    }
}

/// Folders are made only below one that root alone can write to.
fn may_make(above: &Path) -> Result<(), FilesError> {
    let there = above.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(above);
    let Above::Open(_) = open_above(there)? else { return Err(refused(there, "went away meanwhile")) };
    let meta = fs::symlink_metadata(there).map_err(FilesError::io("look at", there))?;
    if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Err(refused(there, "can be written by others, so no folder is made in it; make it first"));
    }
    Ok(())
}

fn make_above(above: &Path) -> Result<OwnedFd, FilesError> {
    may_make(above)?;
    let there = above.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(above);
    let Above::Open(mut folder) = open_above(there)? else {
        return Err(refused(there, "went away meanwhile"));
    };
    for name in above.strip_prefix(there).unwrap_or(above) {
        let name = name.to_str().ok_or_else(|| FilesError::BadPath { path: above.to_owned() })?;
        folder = descend(&folder, name, PARENT_MODE, above)?;
    }
    Ok(folder)
}

fn kind_at(folder: &OwnedFd, name: &OsStr, shown: &Path) -> Result<Option<FileType>, FilesError> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(FilesError::io("look at", shown)(errno)),
    }
}

/// Where the link leads, if there is one.
fn target_at(folder: &OwnedFd, name: &OsStr, shown: &Path) -> Result<Option<PathBuf>, FilesError> {
    match readlinkat(folder, name, Vec::new()) {
        Ok(target) => Ok(Some(PathBuf::from(OsStr::from_bytes(target.as_bytes())))),
        // No link, or nothing.
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(errno) => Err(FilesError::io("read", shown)(io::Error::from(errno))),
    }
}
