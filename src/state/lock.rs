//! The lock: one writer at a time, and a line that says who.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::StateError;
use super::files::make_folder;

/// The lock, held until dropped. The kernel frees it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("`{}` is held by {holder}; wait for it with --lock-wait 5m", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The line that the holder wrote.
        holder: String,
    },
    /// The file could not be opened or locked.
    #[error(transparent)]
    State(#[from] StateError),
}

/// How often a held lock is tried again.
const POLL: Duration = Duration::from_millis(50);

impl Lock {
    /// Takes the lock at `<run>/lock`, waiting for it as long as `wait`. `holder` is the line that others are shown.
    ///
    /// # Errors
    /// [`LockError::Held`] with the other's line, or what the file system said.
    pub fn take(run: &Path, holder: &str, wait: Duration) -> Result<Self, LockError> {
        let path = run.join("lock");
        let missing = !run.exists();
        make_folder(run)?;
        if missing {
            // Who owns a secret goes through it, whatever the umask of the unit that came first is.
            fs::set_permissions(run, fs::Permissions::from_mode(0o755))
                .map_err(StateError::io("open to everybody", run))?;
        }
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(StateError::io("open", &path))?;
        let until = Instant::now() + wait;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(StateError::io("lock", &path)(error.into()).into());
            }
            if Instant::now() >= until {
                return Err(LockError::Held { holder: read_holder(&mut file), path });
            }
            std::thread::sleep(POLL);
        }
        let line = format!("{holder}\n");
        // Written over and then cut: to empty a file in memory first costs more than all the rest of this.
        let mut write = || -> std::io::Result<()> {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(line.as_bytes())?;
            file.set_len(line.len() as u64)
        };
        write().map_err(StateError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn read_holder(file: &mut File) -> String {
    let mut line = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(500).read_to_string(&mut line));
    // Behind it there may be the end of a longer one for a moment.
    let line = line.lines().next().unwrap_or_default().trim();
    if read.is_err() || line.is_empty() { "another run".to_owned() } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let run = tempfile::tempdir().unwrap();
        let first = Lock::take(run.path(), "apply, pid 7", Duration::ZERO).unwrap();
        let error = Lock::take(run.path(), "apply, pid 8", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("apply, pid 7"), "{error}");
        drop(first);
        let _second = Lock::take(run.path(), "plan, 8", Duration::ZERO).unwrap();
        assert_eq!(fs::read_to_string(run.path().join("lock")).unwrap(), "plan, 8\n");
    }

    #[test]
    fn waiting_gets_it_when_the_first_lets_go() {
        let run = tempfile::tempdir().unwrap();
        let first = Lock::take(run.path(), "one", Duration::ZERO).unwrap();
        let freed = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            drop(first);
        });
        Lock::take(run.path(), "two", Duration::from_secs(10)).unwrap();
        freed.join().unwrap();
    }
}
