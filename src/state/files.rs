//! Durable small files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateError, spread};

/// Writes `bytes` to `path` so that a crash leaves the old file or the new one: a file beside it, synced, renamed,
/// and the folder synced. Writes nothing when the file already holds these bytes; returns whether it wrote.
///
/// # Errors
/// Any failure of the file system, by path.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, StateError> {
    if holds(path, bytes) {
        return Ok(false);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    make_folder(folder)?;
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = Path::new(&staged);
    let write = || -> io::Result<()> {
        let mut file = anew(staged, mode)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(staged, path)?;
        sync_folder(folder)
    };
    write().map_err(|error| {
        // A part of a file is of no use to anybody, and it may be one of clear text.
        drop(fs::remove_file(staged));
        StateError::io("write", path)(error)
    })?;
    Ok(true)
}

/// As [`write_durably`], for several files of one folder at once: a crash leaves any of them old and any of them new. The
/// disk is asked for all of them at a time, which takes it little longer than for one.
///
/// # Errors
/// As [`write_durably`].
pub fn write_all_durably(folder: &Path, files: &[(&str, &[u8])], mode: u32) -> Result<(), StateError> {
    let news: Vec<_> = files.iter().filter(|(name, bytes)| !holds(&folder.join(name), bytes)).collect();
    if news.is_empty() {
        return Ok(());
    }
    make_folder(folder)?;
    let staged = |name: &str| folder.join(format!("{name}.new"));
    let write = |(name, bytes): &(&str, &[u8])| {
        let write = || -> io::Result<()> {
            let mut file = anew(&staged(name), mode)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(StateError::io("write", folder.join(name)))
    };
    spread(&news, WRITERS, |file| write(file))?;
    for (name, _) in &news {
        let path = folder.join(name);
        fs::rename(staged(name), &path).map_err(StateError::io("write", path))?;
    }
    sync_folder(folder).map_err(StateError::io("write", folder))
}

/// Files that are written at a time.
const WRITERS: usize = 4;

/// Writes `bytes` to `path` for programs that may read it at any time: a reader sees the old text or the new one, whole,
/// with this very mode whatever the umask is. Several may write at once, without a lock; the last one counts.
///
/// # Errors
/// Any failure of the file system, by path.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateError> {
    let mut staged = path.as_os_str().to_owned();
    // No ending that a reader of the folder looks for.
    staged.push(format!(".{}.new", std::process::id()));
    let staged = Path::new(&staged);
    let write = || -> io::Result<()> {
        let mut file = anew(staged, mode)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(staged, path)
    };
    write().map_err(|error| {
        drop(fs::remove_file(staged));
        StateError::io("write", path)(error)
    })
}

/// A new file in the place of a leftover of a crash, which is ours to replace: a lock is held, or the name is our own.
fn anew(staged: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(staged)
}

/// True when a file is there and holds these very bytes. It is read piece by piece: it may be large, and nothing of it
/// is wanted.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> bool {
    let same = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != bytes.len() as u64 {
            return Ok(false);
        }
        let (mut rest, mut piece) = (bytes, [0; PIECE]);
        loop {
            let read = file.read(&mut piece)?;
            match piece.get(..read).and_then(|piece| rest.strip_prefix(piece)) {
                Some(_) if read == 0 => return Ok(rest.is_empty()),
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
    };
    same().unwrap_or_default()
}

/// Bytes that are compared at a time.
const PIECE: usize = 1 << 14;

/// Makes a folder and those above it, where they are missing. Nobody else may write to them, whatever the umask is.
pub(super) fn make_folder(folder: &Path) -> Result<(), StateError> {
    let mut new = fs::DirBuilder::new();
    new.recursive(true).mode(0o755).create(folder).map_err(StateError::io("make the folder", folder))
}

/// Makes a rename or a new entry in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a JSON file; `None` when there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StateError::Damaged { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::io("read", path)(error)),
    }
}

/// Writes a value as JSON, durably, if it differs from what is there.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<bool, StateError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|source| StateError::Damaged { path: path.to_owned(), source })?;
    text.push(b'\n');
    write_durably(path, &text, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_holds_its_own_bytes_and_none_that_are_longer_shorter_or_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            fs::write(&path, &bytes).unwrap();
            assert!(holds(&path, &bytes), "{length}");
            assert!(!holds(&path, &[&bytes[..], b"x"].concat()), "{length}");
            for at in [0, length / 2, length.saturating_sub(1)].into_iter().filter(|at| *at < length) {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert!(!holds(&path, &other), "{length}, {at}");
                assert!(!holds(&path, &bytes[..at]), "{length}, {at}");
            }
        }
        assert!(!holds(&folder.path().join("none"), b""));
    }

    #[test]
    fn writes_once_and_not_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        assert!(write_durably(&path, b"one", 0o600).unwrap());
        let inode = fs::metadata(&path).unwrap().ino();
        assert!(!write_durably(&path, b"one", 0o600).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert!(write_durably(&path, b"two", 0o600).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn several_files_are_written_at_once_and_only_those_that_differ() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a");
        for count in [0, 1, 7, 8, 9, 40] {
            let texts: Vec<(String, String)> =
                (0..count).map(|at| (at.to_string(), format!("{count}-{at}"))).collect();
            let files: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
            write_all_durably(&place, &files, 0o600).unwrap();
            for (name, text) in &texts {
                assert_eq!(&fs::read_to_string(place.join(name)).unwrap(), text);
            }
            let inodes = || {
                texts
                    .iter()
                    .map(|(name, _)| fs::metadata(place.join(name)).unwrap().ino())
                    .collect::<Vec<_>>()
            };
            let before = inodes();
            write_all_durably(&place, &files, 0o600).unwrap();
            assert_eq!(inodes(), before);
        }
        assert_eq!(fs::read_dir(&place).unwrap().count(), 40, "something is left beside them");
        let error =
            write_all_durably(&place, &[("0", b"a"), ("none/1", b"b"), ("2", b"c")], 0o600).unwrap_err();
        assert!(error.to_string().contains("none/1"), "{error}");
    }

    #[test]
    fn what_others_read_has_its_mode_whatever_stood_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.prom");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside it");
        let error = replace(&folder.path().join("none/x.prom"), b"", 0o644).unwrap_err();
        assert!(error.to_string().contains("none/x.prom"), "{error}");
    }

    #[test]
    fn replaces_what_a_crash_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(folder.path().join("x.new"), b"half").unwrap();
        assert!(write_durably(&path, b"whole", 0o600).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(!folder.path().join("x.new").exists());
    }

    #[test]
    fn damaged_json_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ownership.json");
        fs::write(&path, b"{\"half\":").unwrap();
        let error = read_json::<serde_json::Value>(&path).unwrap_err();
        assert!(error.to_string().contains("ownership.json"), "{error}");
    }
}
