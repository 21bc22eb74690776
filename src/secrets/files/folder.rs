//! Files in a folder that is held open: nothing here goes by a path that could change underneath.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, RawMode, Uid, fchmod, fchown, fstat, mkdirat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use zeroize::Zeroizing;

use super::error::FilesError;
use crate::secrets::value::SecretBytes;
use crate::state::spread;

/// Larger files are not ours.
const FILE_CAP: u64 = 64 << 20;

/// A file to write.
pub(super) struct Item<'u> {
    /// Path below the folder.
    pub(super) name: String,
    /// Content.
    pub(super) bytes: &'u SecretBytes,
    /// Owner's number.
    pub(super) uid: u32,
    /// Group's number.
    pub(super) gid: u32,
    /// Permission bits.
    pub(super) mode: u32,
}

/// A file that was found.
pub(super) struct Found {
    /// Path below the folder.
    pub(super) name: String,
    /// Content.
    pub(super) bytes: SecretBytes,
    /// Owner's number.
    pub(super) uid: u32,
    /// Group's number.
    pub(super) gid: u32,
    /// Permission bits.
    pub(super) mode: u32,
}

/// The components of a path below a folder; `None` when it is empty or leads anywhere else.
pub(super) fn components(path: &Path) -> Option<Vec<&str>> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            std::path::Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    parts.filter(|parts| !parts.is_empty())
}

/// Opens a folder in a folder, making it if it is not there; `mode` is what a new one gets.
pub(super) fn descend(folder: &OwnedFd, name: &str, mode: u32, shown: &Path) -> Result<OwnedFd, FilesError> {
    match mkdirat(folder, name, Mode::RWXU) {
        Ok(()) => {
            let fresh = open_folder(folder, name, shown)?;
            fchmod(&fresh, bits(mode)).map_err(FilesError::io("set the mode of", shown))?;
            Ok(fresh)
        }
        Err(Errno::EXIST) => open_folder(folder, name, shown),
        Err(errno) => Err(FilesError::io("create", shown)(errno)),
    }
}

/// Opens a folder in a folder, never through a link.
pub(super) fn open_folder(folder: &OwnedFd, name: &str, shown: &Path) -> Result<OwnedFd, FilesError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty()).map_err(FilesError::io("open", shown))
}

/// What the files that this process makes are without being told.
pub(super) struct Maker {
    owner: (Uid, Gid),
    umask: RawMode,
}

impl Maker {
    /// Asks the system once, for there may be thousands of files.
    pub(super) fn new() -> Self {
        Self { owner: (geteuid(), getegid()), umask: umask().unwrap_or(0o777) }
    }

    /// Writes a new file: readable by nobody else until owner and mode are right, and empty until then.
    pub(super) fn create(
        &self,
        folder: &OwnedFd,
        name: &str,
        item: &Item<'_>,
        shown: &Path,
    ) -> Result<(), FilesError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = bits(item.mode);
        let first = mode & Mode::RWXU;
        let fd = openat(folder, name, flags, first).map_err(FilesError::io("create", shown))?;
        let owner = (Uid::from_raw(item.uid), Gid::from_raw(item.gid));
        if owner != self.owner {
            fchown(&fd, Some(owner.0), Some(owner.1)).map_err(FilesError::io("set the owner of", shown))?;
        }
        if first.bits() & !self.umask != mode.bits() {
            fchmod(&fd, mode).map_err(FilesError::io("set the mode of", shown))?;
        }
        File::from(fd).write_all(item.bytes.expose()).map_err(FilesError::io("write", shown))
    }
}

/// What the system takes from the modes of new files. The call for it would set another one for all threads.
fn umask() -> Option<RawMode> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    RawMode::from_str_radix(mask.trim(), 8).ok()
}

/// All regular files below a folder whose paths below it are `asked` for, in no order; what starts with a dot at its top is
/// work in progress.
pub(super) fn read_all(
    folder: &OwnedFd,
    shown: &Path,
    asked: &dyn Fn(&str) -> bool,
) -> Result<Vec<Found>, FilesError> {
    let (mut found, mut folders) = (Vec::new(), Vec::new());
    let mut todo = vec![(folder.try_clone().map_err(FilesError::io("open", shown))?, String::new())];
    while let Some((folder, prefix)) = todo.pop() {
        for (name, kind) in list(&folder, shown)? {
            if prefix.is_empty() && name.starts_with('.') {
                continue;
            }
            let path = format!("{prefix}{name}");
            match kind {
                FileType::Directory => {
                    let below = open_folder(&folder, &name, &shown.join(&path))?;
                    todo.push((below, format!("{path}/")));
                }
                FileType::RegularFile if asked(&path) => found.push((folders.len(), name, path)),
                _ => {}
            }
        }
        folders.push(folder);
    }
    let read = |(folder, name, path): &(usize, String, String)| {
        folders.get(*folder).map(|folder| read(folder, name, path.clone(), shown)).transpose()
    };
    Ok(spread(&found, threads(found.len()), read)?.into_iter().flatten().collect())
}

/// How many threads to take for so many files: each of them is a few calls of the system.
pub(super) const fn threads(files: usize) -> usize {
    if files < 100 { 1 } else { 2 }
}

fn read(folder: &OwnedFd, name: &str, path: String, shown: &Path) -> Result<Found, FilesError> {
    let shown = || shown.join(&path);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(folder, name, flags, Mode::empty())
        .map_err(|errno| FilesError::io("open", &shown())(errno))?;
    let stat = fstat(&fd).map_err(|errno| FilesError::io("look at", &shown())(errno))?;
    let size = u64::try_from(stat.st_size).unwrap_or(0).min(FILE_CAP);
    let size = usize::try_from(size).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; size]);
    let mut file = File::from(fd).take(FILE_CAP);
    let read = file.read(&mut bytes).map_err(|error| FilesError::io("read", &shown())(error))?;
    // Nobody else writes here, so what has the length that it says is read whole.
    if read != size {
        bytes.truncate(read);
        file.read_to_end(&mut bytes).map_err(|error| FilesError::io("read", &shown())(error))?;
    }
    let mode = Mode::from_raw_mode(stat.st_mode).bits();
    Ok(Found { name: path, bytes: bytes.into(), uid: stat.st_uid, gid: stat.st_gid, mode })
}

/// Names and kinds in a folder. A name that is no text is not one of ours and is left alone.
pub(super) fn list(folder: &OwnedFd, shown: &Path) -> Result<Vec<(String, FileType)>, FilesError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(FilesError::io("list", shown))? {
        let entry = entry.map_err(FilesError::io("list", shown))?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name != "." && name != ".." {
            let mut kind = entry.file_type();
            // Not every file system says it with the name.
            if kind == FileType::Unknown {
                let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
                kind = FileType::from_raw_mode(stat.map_err(FilesError::io("look at", shown))?.st_mode);
            }
            names.push((name.to_owned(), kind));
        }
    }
    Ok(names)
}

/// Removes everything in a folder.
pub(super) fn empty(folder: &OwnedFd, shown: &Path) -> Result<(), FilesError> {
    for (name, kind) in list(folder, shown)? {
        remove(folder, &name, kind, shown)?;
    }
    Ok(())
}

/// Removes a file, or a folder with all that is in it.
pub(super) fn remove(folder: &OwnedFd, name: &str, kind: FileType, shown: &Path) -> Result<(), FilesError> {
    let shown = shown.join(name);
    let flags = if kind == FileType::Directory {
        empty(&open_folder(folder, name, &shown)?, &shown)?;
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match unlinkat(folder.as_fd(), name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(FilesError::io("remove", &shown)(errno)),
    }
}

/// Permission bits for the kernel.
pub(super) fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as RawMode)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_has_its_very_mode_whatever_the_system_takes_away() {
        let place = tempfile::tempdir().unwrap();
        let folder: OwnedFd = File::open(place.path()).unwrap().into();
        let bytes = SecretBytes::new(b"value".to_vec());
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        for umask in [0, 0o022, 0o077, 0o777] {
            let maker = Maker { umask, ..Maker::new() };
            for mode in [0, 0o400, 0o440, 0o600, 0o644, 0o750, 0o777] {
                let name = format!("{umask:o}-{mode:o}");
                let item = Item { name: name.clone(), bytes: &bytes, uid, gid, mode };
                maker.create(&folder, &name, &item, place.path()).unwrap();
                let meta = std::fs::metadata(place.path().join(&name)).unwrap();
                assert_eq!(meta.permissions().mode() & 0o7777, mode, "{name}");
                assert_eq!(meta.len(), 5, "{name}");
            }
        }
        assert_eq!(umask().map(|mask| mask & !0o777), Some(0), "the system says what it takes");
    }
}
