//! Who else may change what stands at a path, and what is opened with that in mind.

use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

/// No path leads through more links.
const MOST_LINKS: usize = 40;

/// A part of a path that somebody else could exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub path: PathBuf,
    /// Who owns it, by number.
    pub owner: u32,
}

/// The first folder, link or file on the way to `path` that belongs to neither root nor this process's user, or a
/// folder that others may write to (unless it is sticky, as `/tmp` is). What is not there yet belongs to nobody.
///
/// Where there is none, nobody else can change where the path leads, not even in the middle of a run.
///
/// # Errors
/// A folder on the way cannot be looked at, or there are too many links.
pub fn touched_by_others(path: &Path) -> io::Result<Option<Touched>> {
    let mut todo = parts(&std::path::absolute(path)?);
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    while let Some(part) = todo.pop() {
        if part.as_os_str() == ".." {
            here.pop();
            continue;
        }
        let at = here.join(&part);
        let meta = match fs::symlink_metadata(&at) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if ![0, user].contains(&meta.uid()) || (meta.is_dir() && is_open(&meta, group)) {
            return Ok(Some(Touched { path: at, owner: meta.uid() }));
        }
        if meta.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::other("leads through too many links"));
            }
            let target = fs::read_link(&at)?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            todo.extend(parts(&target));
        } else {
            here = at;
        }
    }
    Ok(None)
}

/// Opens what a manifest names to be read: where somebody else could exchange a folder above it, or the file, no link is
/// followed, so that nobody leads this process to a file that he may not read himself. A pipe is not waited for; what kind
/// of file it is, the caller looks at.
///
/// # Errors
/// It cannot be opened, or is a link that somebody else could lead elsewhere.
pub fn open_guarded(path: &Path) -> io::Result<File> {
    if touched_by_others(path)?.is_none() {
        return open_unguarded(path);
    }
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(CWD, path, OPENED, Mode::empty(), resolve) {
        Ok(file) => Ok(file.into()),
        Err(Errno::LOOP) => Err(io::Error::other(
            "it, or a folder above it, is a link, and somebody else could lead it elsewhere",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Opens what somebody named himself, wherever links lead. A pipe is not waited for.
///
/// # Errors
/// It cannot be opened.
pub fn open_unguarded(path: &Path) -> io::Result<File> {
    Ok(open(path, OPENED, Mode::empty())?.into())
}

/// Opens a regular file that a manifest names, or what it names. A device or pipe could give bytes for ever, or none. Where
/// root reads it and somebody else could lead the path elsewhere, no link is followed. A folder is opened too; reading says
/// that it is one.
///
/// # Errors
/// As [`open_guarded`], and what is neither a regular file nor a folder.
pub fn open_named(path: &Path) -> io::Result<File> {
    let judged = |kind: FileType| {
        let known = kind.is_file() || kind.is_dir();
        known
            .then_some(())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    };
    // To open a device may be to do something.
    if let Ok(meta) = fs::metadata(path) {
        judged(meta.file_type())?;
    }
    let file = if geteuid().is_root() { open_guarded(path) } else { open_unguarded(path) }?;
    // It may be another one by now.
    judged(file.metadata()?.file_type())?;
    Ok(file)
}

/// How files are opened to be read.
const OPENED: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// The steps of a path below its root, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let steps = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    steps.map(|part| PathBuf::from(part.as_os_str())).rev().collect()
}

/// Whether others than those of `group` may put something else in the place of what is in a folder.
fn is_open(meta: &fs::Metadata, group: u32) -> bool {
    let own_group = [0, group].contains(&meta.gid());
    let open = if own_group { 0o002 } else { 0o022 };
    meta.mode() & open != 0 && meta.mode() & 0o1000 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn touched(path: &Path) -> Option<PathBuf> {
        touched_by_others(path).unwrap().map(|touched| touched.path)
    }

    #[test]
    fn what_others_may_write_to_is_found_also_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (open, inner) = (folder.path().join("open"), folder.path().join("open/inner"));
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(touched(&inner.join("absent/file")), None);
        let mode = |mode| fs::set_permissions(&open, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o777);
        assert_eq!(touched(&inner), Some(open.clone()));
        let link = folder.path().join("link");
        symlink("open/inner/../inner", &link).unwrap();
        assert_eq!(touched(&link), Some(open.clone()));
        mode(0o1777);
        assert_eq!(touched(&link), None, "what is in a sticky folder stays with its owner");
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(touched_by_others(&folder.path().join("a")).is_err());
    }
}
