//! A folder in memory for a clear text that a person or a program works on for a while.
//!
//! The folder is locked by a descriptor that the program started on it inherits: it is in use as long as anybody of them
//! lives. One whose lock is free was left behind, by a kill or a crash, and is removed by the next that is made.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open, statfs};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::geteuid;

use super::super::random::fill;
use super::super::value::SecretBytes;
use super::error::FilesError;
use super::memory;

/// How the folders are called.
const PREFIX: &str = "holdfast-clear-";
/// How one is called that shall stay.
const KEPT: &str = "holdfast-kept-";
/// A folder that is removed by another just when it is made is made again so often.
const TRIES: usize = 5;

/// A folder of one's own; removed with all that is in it when this is dropped, and so is the memory that was mounted for
/// it, unless others use that too.
pub struct Den {
    path: PathBuf,
    /// Held while the folder is in use.
    lock: Option<OwnedFd>,
    /// Where memory was mounted for folders like this one.
    mounted: Option<PathBuf>,
    stays: bool,
}

impl Den {
    /// Makes the folder: in `told` where that is given, whatever it is; else in the first of these that is there and in
    /// memory: `<run>/clear` for root, `runtime` (`XDG_RUNTIME_DIR`), `/run/user/UID`, `/dev/shm`.
    ///
    /// # Errors
    /// There is no such folder, or none can be made in it.
    pub fn make(run: &Path, runtime: Option<&Path>, told: Option<&Path>) -> Result<Self, FilesError> {
        if let Some(told) = told {
            return Self::below(told);
        }
        if geteuid().is_root() {
            // In a container even root may mount nothing; other folders are in memory too.
            let own = run.join("clear");
            // Until the folder in it is there, nobody may unmount it.
            let alone = memory::alone(&own);
            if alone.is_ok() && memory::ensure(&own).is_ok() {
                let mut den = Self::below(&own)?;
                den.mounted = Some(own);
                return Ok(den);
            }
            fs::remove_dir(&own).ok();
        }
        let user = PathBuf::from(format!("/run/user/{}", geteuid().as_raw()));
        let mine = |path: &&Path| fs::metadata(path).is_ok_and(|meta| meta.uid() == geteuid().as_raw());
        let own = runtime.into_iter().chain([user.as_path()]).filter(mine);
        let shared = Path::new("/dev/shm");
        match own.chain([shared]).find(|path| in_memory(path)) {
            Some(base) => Self::below(base),
            None => Err(FilesError::Foreign {
                path: shared.to_owned(),
                reason: "is no folder in memory, and neither is another one that could be used",
            }),
        }
    }

    fn below(base: &Path) -> Result<Self, FilesError> {
        sweep(base);
        for _ in 0..TRIES {
            let path = base.join(format!("{PREFIX}{}", random().map_err(FilesError::io("name", base))?));
            DirBuilder::new().mode(0o700).create(&path).map_err(FilesError::io("make", &path))?;
            if let Some(lock) = locked(&path, FlockOperation::LockExclusive) {
                return Ok(Self { path, lock: Some(lock), mounted: None, stays: false });
            }
        }
        Err(FilesError::Foreign { path: base.to_owned(), reason: "keeps no folder that is made in it" })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file in it that only its owner may read and write.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, name: &str, bytes: &SecretBytes) -> Result<PathBuf, FilesError> {
        let path = self.path.join(name);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes.expose())
        };
        write().map_err(FilesError::io("write", &path))?;
        Ok(path)
    }

    /// Lets programs that are started from now on hold the folder too.
    ///
    /// # Errors
    /// None that are known.
    pub fn share(&self) -> Result<(), FilesError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        fcntl_setfd(lock, FdFlags::empty()).map_err(FilesError::io("share", &self.path))
    }

    /// Leaves the folder where it is, under a name that nothing removes; gives that name.
    ///
    /// # Errors
    /// It cannot be renamed; it is then removed by the next run.
    pub fn leave(mut self) -> Result<PathBuf, FilesError> {
        self.stays = true;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().replace(PREFIX, KEPT);
        let to = self.path.with_file_name(name);
        fs::rename(&self.path, &to).map_err(FilesError::io("rename", &self.path))?;
        Ok(to)
    }
}

impl Drop for Den {
    fn drop(&mut self) {
        if !self.stays {
            // What cannot be removed now is removed by the next run.
            fs::remove_dir_all(&self.path).ok();
        }
        drop(self.lock.take());
        if let Some(mounted) = &self.mounted {
            // While others use it, or something was left in it on purpose, it stays.
            memory::retire(mounted).ok();
        }
    }
}

/// True where clear text may be written to memory that is swapped out: the folder is on no file system that forbids it,
/// and the machine swaps.
#[must_use]
pub fn may_be_swapped(path: &Path) -> bool {
    let swaps = fs::read_to_string("/proc/swaps").is_ok_and(|table| table.lines().count() > 1);
    swaps && !memory::never_swapped(path.parent().unwrap_or(path))
}

/// True for tmpfs and ramfs.
#[must_use]
pub fn in_memory(path: &Path) -> bool {
    path.is_dir()
        && statfs(path).is_ok_and(|found| memory::is_memory(u64::try_from(found.f_type).unwrap_or(0)))
}

/// Removes folders that nobody holds any more.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let mine = fs::symlink_metadata(&path).is_ok_and(|meta| meta.uid() == geteuid().as_raw());
        if mine && locked(&path, FlockOperation::NonBlockingLockExclusive).is_some() {
            // Another run may be faster.
            fs::remove_dir_all(&path).ok();
        }
    }
}

/// The folder with its lock; nothing where somebody else has it, or where it is no longer the one at that path.
fn locked(path: &Path, how: FlockOperation) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(path, flags, Mode::empty()).ok()?;
    flock(&folder, how).ok()?;
    let (held, there) = (fstat(&folder).ok()?, fs::symlink_metadata(path).ok()?);
    (held.st_ino == there.ino()).then_some(folder)
}

fn random() -> std::io::Result<String> {
    let mut bytes = [0_u8; 8];
    fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_removed_by_the_next_and_what_is_left_on_purpose_stays() {
        let base = tempfile::tempdir().unwrap();
        let bytes = SecretBytes::new(b"clear".to_vec());
        let make = || Den::make(Path::new("/nowhere"), None, Some(base.path())).unwrap();
        let stale = base.path().join(format!("{PREFIX}0"));
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("x"), "clear").unwrap();
        let held = make();
        assert!(!stale.exists(), "left behind by a process that is gone");
        let file = held.put("a.yaml", &bytes).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(held.path()).unwrap().mode() & 0o777, 0o700);
        let other = make();
        assert!(file.exists(), "in use by another");
        let kept = other.leave().unwrap();
        drop(held);
        drop(make());
        assert!(!file.exists() && kept.exists());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
    }
}
