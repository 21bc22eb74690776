//! Generations: what was applied, in full, with the ciphertext that it was applied with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{holds, read_json, sync_folder, write_durably, write_json};
use super::{Needs, Origin, StateError};

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
    /// The word, as files and lists spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.word().trim_end()
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Applying => "applying\n",
            Self::Applied => "applied\n",
            Self::Proven => "proven\n",
            Self::Failed => "failed\n",
        }
    }
}

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

    /// The newest one that was applied, proven or not, and holds these very texts and secrets (which may be a part of
    /// all that it was made with).
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn applied_with(
        &self,
        files: &[(PathBuf, Vec<u8>)],
        digests: &BTreeMap<String, String>,
    ) -> Result<Option<Generation>, StateError> {
        let applied = |generation: &Generation| {
            let secrets = generation.secrets();
            matches!(generation.status(), Some(Status::Applied | Status::Proven))
                && generation.holds(files)
                && digests.iter().all(|(name, digest)| secrets.get(name) == Some(digest))
        };
        Ok(self.list()?.into_iter().rev().find(applied))
    }

    /// The generation for a compiled manifest: the newest one if it holds these very texts, else a new one, written
    /// whole under another name and renamed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(&self, files: &[(PathBuf, Vec<u8>)], origin: &Origin) -> Result<Generation, StateError> {
        let newest = self.newest()?;
        if let Some(newest) = &newest
            && newest.holds(files)
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
        write_json(&staged.join(ORIGIN), origin)?;
        write_durably(&staged.join("status"), Status::Applying.word().as_bytes(), 0o600)?;
        let generation = Generation { number, folder: self.folder.join(number.to_string()) };
        fs::rename(&staged, &generation.folder).map_err(StateError::io("write", &generation.folder))?;
        sync_folder(&self.folder).map_err(StateError::io("sync", &self.folder))?;
        Ok(generation)
    }

    /// The generations that will be kept when the one with these texts is the newest: that one, `keep` before it, and
    /// the last proven one before it. Without texts the newest that is there counts.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn kept(
        &self,
        files: Option<&[(PathBuf, Vec<u8>)]>,
        keep: usize,
    ) -> Result<Vec<Generation>, StateError> {
        let mut before = self.list()?;
        let is_newest = |newest: &Generation| files.is_none_or(|files| newest.holds(files));
        let current = if before.last().is_some_and(is_newest) { before.pop() } else { None };
        let proven = before.iter().rposition(|generation| generation.status() == Some(Status::Proven));
        let excess = before.len().saturating_sub(keep);
        let stays = |(index, generation): (usize, Generation)| {
            (index >= excess || Some(index) == proven).then_some(generation)
        };
        Ok(before.into_iter().enumerate().filter_map(stays).chain(current).collect())
    }

    /// Removes the oldest ones beyond what is [kept](Self::kept).
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub fn collect(&self, keep: usize) -> Result<(), StateError> {
        let kept: BTreeSet<u64> = self.kept(None, keep)?.iter().map(|generation| generation.number).collect();
        for generation in self.list()?.iter().filter(|generation| !kept.contains(&generation.number)) {
            fs::remove_dir_all(&generation.folder).map_err(StateError::io("remove", &generation.folder))?;
        }
        Ok(())
    }
}

/// Of a recorded run only its start is wanted here.
#[derive(Deserialize)]
struct RunStart {
    started: String,
}

/// Names of the files that a generation says things of itself in.
const ORIGIN: &str = "origin.json";
const NEEDS: &str = "needs.json";
/// The keyed digests of the manifest's secrets: a changed value is another generation, as a changed text is.
const SECRETS: &str = "secrets.json";

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

    /// True when it holds these very texts.
    fn holds(&self, files: &[(PathBuf, Vec<u8>)]) -> bool {
        files.iter().all(|(path, bytes)| holds(&self.folder.join(path), bytes))
    }

    /// Where it comes from; of one that a former version wrote only the time is known.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let read = read_json(&self.folder.join(ORIGIN)).ok().flatten();
        read.unwrap_or_else(|| {
            let written = fs::metadata(self.folder.join("manifest.json")).and_then(|file| file.modified());
            let written = written.ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
            Origin {
                created: written.map(|time| format!("{time:.0}")).unwrap_or_default(),
                ..Origin::default()
            }
        })
    }

    /// What it needs of the swarm; nothing where that was never written.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: what it names must not be taken for unused.
    pub fn needs(&self) -> Result<Needs, StateError> {
        Ok(read_json(&self.folder.join(NEEDS))?.unwrap_or_default())
    }

    /// Records what it needs, if that is news.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_needs(&self, needs: &Needs) -> Result<bool, StateError> {
        write_json(&self.folder.join(NEEDS), needs)
    }

    /// The keyed digests of the secrets that it was made with; none where they cannot be read.
    #[must_use]
    pub fn secrets(&self) -> BTreeMap<String, String> {
        read_json(&self.folder.join(SECRETS)).ok().flatten().unwrap_or_default()
    }

    /// Takes the secrets that were told while it was applied for its own.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_secrets(&self, digests: &BTreeMap<String, String>) -> Result<bool, StateError> {
        let (path, text) = Self::secrets_text(digests);
        write_durably(&self.folder.join(path), &text, 0o600)
    }

    /// The text that makes changed secrets another generation.
    #[must_use]
    pub fn secrets_text(digests: &BTreeMap<String, String>) -> (PathBuf, Vec<u8>) {
        // A map of strings cannot fail to serialise.
        (SECRETS.into(), serde_json::to_vec_pretty(digests).unwrap_or_default())
    }

    /// True when both would run the same.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.content() == other.content()
    }

    /// Manifest, specs and secrets.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let specs = fs::read_dir(self.folder.join("specs")).into_iter().flatten().filter_map(Result::ok);
        let specs = specs.map(|entry| Path::new("specs").join(entry.file_name()));
        let files = specs.chain(["manifest.json".into(), SECRETS.into()]);
        files.filter_map(|file| Some((file.clone(), fs::read(self.folder.join(file)).ok()?))).collect()
    }

    /// Where the ciphertext is kept that it was applied with.
    #[must_use]
    pub fn ciphertext(&self) -> PathBuf {
        self.folder.join("ciphertext")
    }

    /// When the last run of it began that changed something, RFC 3339; when it was made, where none is recorded.
    #[must_use]
    pub fn last_run(&self) -> String {
        let run: Option<RunStart> = read_json(&self.folder.join("run.json")).ok().flatten();
        run.map_or_else(|| self.origin().created, |run| run.started)
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
        let one = generations.open(&texts("a"), &Origin::default()).unwrap();
        assert_eq!((one.number, one.status()), (1, Some(Status::Applying)));
        assert_eq!(generations.open(&texts("a"), &Origin::default()).unwrap().number, 1);
        assert_eq!(generations.open(&texts("b"), &Origin::default()).unwrap().number, 2);
    }

    #[test]
    fn a_crash_while_writing_one_leaves_no_number_behind() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir_all(state.path().join("generations/new/specs")).unwrap();
        fs::write(state.path().join("generations/new/specs/old.json"), b"half").unwrap();
        let generations = Generations::new(state.path());
        assert!(generations.newest().unwrap().is_none());
        let one = generations.open(&texts("a"), &Origin::default()).unwrap();
        assert!(!one.folder.join("specs/old.json").exists());
    }

    #[test]
    fn what_will_be_kept_is_known_before_the_new_one_is_written() {
        let state = tempfile::tempdir().unwrap();
        let generations = Generations::new(state.path());
        for text in ["a", "b", "c", "d"] {
            generations.open(&texts(text), &Origin::default()).unwrap().set_status(Status::Failed).unwrap();
        }
        generations.list().unwrap()[0].set_status(Status::Proven).unwrap();
        let kept = |files: Option<&[(PathBuf, Vec<u8>)]>, keep| -> Vec<u64> {
            let kept = generations.kept(files, keep).unwrap();
            kept.iter().map(|generation| generation.number).collect()
        };
        assert_eq!(kept(Some(&texts("d")), 1), [1, 3, 4]);
        assert_eq!(kept(Some(&texts("e")), 1), [1, 4]);
        assert_eq!(kept(Some(&texts("e")), 0), [1]);
        assert_eq!(kept(None, 9), [1, 2, 3, 4]);
        // The current one's own proof changes nothing of what it can be rolled back to.
        generations.list().unwrap()[3].set_status(Status::Proven).unwrap();
        assert_eq!(kept(None, 0), [1, 4]);
    }

    #[test]
    fn a_generation_of_a_former_version_has_a_time_and_no_needs() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("generations/1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("manifest.json"), "{}").unwrap();
        let old = Generations::new(state.path()).newest().unwrap().unwrap();
        assert!(old.origin().created.starts_with("20"), "{:?}", old.origin());
        assert_eq!(old.needs().unwrap(), Needs::default());
        fs::write(folder.join("needs.json"), "{").unwrap();
        assert!(old.needs().is_err(), "a damaged file must not count as needing nothing");
    }

    #[test]
    fn collection_keeps_the_last_proven_one_however_old() {
        let state = tempfile::tempdir().unwrap();
        let generations = Generations::new(state.path());
        generations.open(&texts("proven"), &Origin::default()).unwrap().set_status(Status::Proven).unwrap();
        for n in 0..9 {
            generations
                .open(&texts(&n.to_string()), &Origin::default())
                .unwrap()
                .set_status(Status::Failed)
                .unwrap();
        }
        generations.collect(5).unwrap();
        let left: Vec<u64> = generations.list().unwrap().iter().map(|generation| generation.number).collect();
        assert_eq!(left, [1, 5, 6, 7, 8, 9, 10]);
        assert_eq!(generations.last_applied().unwrap().unwrap().number, 10);
    }
}
