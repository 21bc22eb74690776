//! Generations: what was applied, in full, with the ciphertext that it was applied with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::StateError;
use super::files::{sync_folder, write_durably, write_json};

/// The generations under a state folder.
#[derive(Debug)]
pub struct Generations {
    folder: PathBuf,
}

/// One generation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Its folder.
    pub folder: PathBuf,
}

/// How far a generation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being applied, or a crash ended that.
    Applying,
    /// Applied; no gate was asked.
    Applied,
    /// Applied, and every gate held.
    Proven,
    /// Applied in part, or a gate did not hold.
    Failed,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying\n",
            Self::Applied => "applied\n",
            Self::Proven => "proven\n",
            Self::Failed => "failed\n",
        }
    }
}

/// How many generations are kept besides the current one.
const KEPT: usize = 5;

impl Generations {
    /// The generations under `<state>/generations`.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("generations") }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Generation>, StateError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StateError::io("read", &self.folder)(error)),
        };
        let mut found: Vec<Generation> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let number = entry.file_name().to_str()?.parse().ok()?;
                Some(Generation { number, folder: entry.path() })
            })
            .collect();
        found.sort_by_key(|generation| generation.number);
        Ok(found)
    }

    /// The newest, whatever became of it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn newest(&self) -> Result<Option<Generation>, StateError> {
        Ok(self.list()?.pop())
    }

    /// The newest one whose apply came to an end, proven or not: what runs now, as far as is known.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn last_applied(&self) -> Result<Option<Generation>, StateError> {
        let ended =
            |generation: &Generation| generation.status().is_some_and(|status| status != Status::Applying);
        Ok(self.list()?.into_iter().rev().find(ended))
    }

    /// The generation for a compiled manifest: the newest one if it holds these very texts, else a new one, written
    /// whole under another name and renamed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(&self, files: &[(PathBuf, Vec<u8>)]) -> Result<Generation, StateError> {
        let newest = self.newest()?;
        if let Some(newest) = &newest
            && files
                .iter()
                .all(|(path, bytes)| fs::read(newest.folder.join(path)).is_ok_and(|old| old == *bytes))
        {
            return Ok(newest.clone());
        }
        let number = newest.map_or(0, |newest| newest.number) + 1;
        let staged = self.folder.join("new");
        match fs::remove_dir_all(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StateError::io("remove", staged)(error));
            }
            _ => {}
        }
        for (path, bytes) in files {
            write_durably(&staged.join(path), bytes, 0o600)?;
        }
        write_durably(&staged.join("status"), Status::Applying.word().as_bytes(), 0o600)?;
        let generation = Generation { number, folder: self.folder.join(number.to_string()) };
        fs::rename(&staged, &generation.folder).map_err(StateError::io("write", &generation.folder))?;
        sync_folder(&self.folder).map_err(StateError::io("sync", &self.folder))?;
        Ok(generation)
    }

    /// Removes the oldest ones beyond what is kept; never the last one that was proven.
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub fn collect(&self) -> Result<(), StateError> {
        let all = self.list()?;
        let proven = all.iter().rev().find(|generation| generation.status() == Some(Status::Proven));
        let keep = proven.map(|generation| generation.number);
        let excess = all.len().saturating_sub(KEPT + 1);
        for generation in all.iter().take(excess).filter(|generation| Some(generation.number) != keep) {
            fs::remove_dir_all(&generation.folder).map_err(StateError::io("remove", &generation.folder))?;
        }
        Ok(())
    }
}

impl Generation {
    /// How far it came; `None` when that cannot be read.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let text = fs::read_to_string(self.folder.join("status")).ok()?;
        [Status::Applying, Status::Applied, Status::Proven, Status::Failed]
            .into_iter()
            .find(|status| status.word() == text)
    }

    /// Records how far it came, if that is news.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_status(&self, status: Status) -> Result<bool, StateError> {
        write_durably(&self.folder.join("status"), status.word().as_bytes(), 0o600)
    }

    /// Where the ciphertext is kept that it was applied with.
    #[must_use]
    pub fn ciphertext(&self) -> PathBuf {
        self.folder.join("ciphertext")
    }

    /// Records the run that changed something, for the proofs that come after it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_run<T: Serialize>(&self, record: &T) -> Result<bool, StateError> {
        write_json(&self.folder.join("run.json"), record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(PathBuf, Vec<u8>)> {
        vec![("manifest.json".into(), text.into()), ("specs/web.json".into(), b"{}".to_vec())]
    }

    #[test]
    fn the_same_texts_are_the_same_generation() {
        let state = tempfile::tempdir().unwrap();
        let generations = Generations::new(state.path());
        let one = generations.open(&texts("a")).unwrap();
        assert_eq!((one.number, one.status()), (1, Some(Status::Applying)));
        assert_eq!(generations.open(&texts("a")).unwrap().number, 1);
        assert_eq!(generations.open(&texts("b")).unwrap().number, 2);
    }

    #[test]
    fn a_crash_while_writing_one_leaves_no_number_behind() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir_all(state.path().join("generations/new/specs")).unwrap();
        fs::write(state.path().join("generations/new/specs/old.json"), b"half").unwrap();
        let generations = Generations::new(state.path());
        assert!(generations.newest().unwrap().is_none());
        let one = generations.open(&texts("a")).unwrap();
        assert!(!one.folder.join("specs/old.json").exists());
    }

    #[test]
    fn collection_keeps_the_last_proven_one_however_old() {
        let state = tempfile::tempdir().unwrap();
        let generations = Generations::new(state.path());
        generations.open(&texts("proven")).unwrap().set_status(Status::Proven).unwrap();
        for n in 0..9 {
            generations.open(&texts(&n.to_string())).unwrap().set_status(Status::Failed).unwrap();
        }
        generations.collect().unwrap();
        let left: Vec<u64> = generations.list().unwrap().iter().map(|generation| generation.number).collect();
        assert_eq!(left, [1, 5, 6, 7, 8, 9, 10]);
        assert_eq!(generations.last_applied().unwrap().unwrap().number, 10);
    }
}
