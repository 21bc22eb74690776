//! A file replaced by a changed one: by one rename, with its mode and its owner, unless somebody else was faster.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::document::FILE_CAP;
use super::error::SecretError;
use super::value::SecretBytes;

/// Replaces the file by what `change` makes of its bytes. A link stays one: what it leads to is replaced.
///
/// # Errors
/// A file that cannot be read or written or that changed meanwhile, and what `change` says; the file is then as it was.
pub fn rewrite(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<SecretBytes, SecretError>,
) -> Result<(), SecretError> {
    let failed = |what: &'static str| move |error: io::Error| SecretError::Write(format!("{what}: {error}"));
    let path = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SecretError::Missing,
        _ => SecretError::Read(error.to_string()),
    })?;
    let before = read(&path)?;
    let changed = change(before.expose())?;
    let staged = staged(&path);
    let folder = File::open(path.parent().unwrap_or_else(|| Path::new("/"))).map_err(failed("its folder"))?;
    // One at a time: all stage it under one name, and what is read again must still be there when it is replaced. Not every
    // file system has such a lock for a folder.
    flock(&folder, FlockOperation::LockExclusive).ok();
    let written = write(&path, &staged, &changed).map_err(failed("the new file")).and_then(|()| {
        if read(&path)?.expose() != before.expose() {
            return Err(SecretError::Write("somebody else changed it meanwhile (try again)".to_owned()));
        }
        fs::rename(&staged, &path).map_err(failed("the new file in its place"))
    });
    if written.is_err() {
        // Nothing else can be done about it; the next try takes the same name.
        fs::remove_file(&staged).ok();
        return written;
    }
    folder.sync_all().map_err(failed("its folder"))
}

fn read(path: &Path) -> Result<SecretBytes, SecretError> {
    let most = u64::try_from(FILE_CAP).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| SecretError::Read(error.to_string()))?;
    Ok(SecretBytes::new(bytes))
}

/// Beside the file, so that a rename is enough.
fn staged(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".holdfast-new");
    path.with_file_name(name)
}

fn write(path: &Path, staged: &Path, bytes: &SecretBytes) -> io::Result<()> {
    let found = fs::metadata(path)?;
    match fs::remove_file(staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(staged)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (found.uid(), found.gid()) {
        fchown(&file, Some(found.uid()), Some(found.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(found.mode() & 0o7777))?;
    file.write_all(bytes.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(bytes: &[u8]) -> SecretBytes {
        SecretBytes::new(bytes.to_vec())
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, link) = (dir.path().join("a.yaml"), dir.path().join("link.yaml"));
        fs::write(&file, "old").expect("a file");
        fs::set_permissions(&file, Permissions::from_mode(0o664)).expect("a mode");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(rewrite(&link, |_| Ok(new(b"new"))).is_ok());
        assert_eq!(fs::read(&file).expect("the file"), b"new");
        assert_eq!(fs::metadata(&file).expect("the file").mode() & 0o7777, 0o664);
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 2, "nothing is left behind");
    }

    #[test]
    fn several_at_once_lose_nothing_of_each_other() {
        const EACH: usize = 20;
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a.yaml");
        fs::write(&file, "").expect("a file");
        // Each adds a byte to what it finds, until it has done so often enough.
        let add = || {
            let mut left = EACH;
            while left > 0 {
                match rewrite(&file, |before| Ok(new(&[before, b"x"].concat()))) {
                    Ok(()) => left -= 1,
                    Err(error) => assert!(error.to_string().contains("meanwhile"), "{error}"),
                }
            }
        };
        std::thread::scope(|scope| drop([0; 4].map(|_| scope.spawn(add))));
        assert_eq!(fs::read(&file).expect("the file").len(), 4 * EACH);
    }

    #[test]
    fn a_file_that_changes_meanwhile_and_one_that_cannot_change_stay_as_they_are() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a.yaml");
        fs::write(&file, "old").expect("a file");
        let raced = rewrite(&file, |_| {
            fs::write(&file, "theirs").expect("another writer");
            Ok(new(b"ours"))
        });
        assert!(raced.is_err_and(|error| error.to_string().contains("meanwhile")));
        assert_eq!(fs::read(&file).expect("the file"), b"theirs");
        assert!(rewrite(&file, |_| Err(SecretError::NoMac)).is_err());
        assert_eq!(fs::read(&file).expect("the file"), b"theirs");
        assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 1, "nothing is left behind");
    }
}
