//! The newest version of each secret file that this host has accepted.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StateError;
use super::files::{read_json, write_json};

const FILE: &str = "marks.json";

/// High-water marks, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// Marks; a file in the Nix store is known without the digest in its path, which is another one after each edit.
    pub files: BTreeMap<String, Mark>,
}

/// The newest version that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// `lastmodified` of the file, RFC 3339.
    pub lastmodified: String,
    /// What its MAC is known by.
    pub mac: String,
}

impl Marks {
    /// The marks of a host.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: without it an old file could not be told from a new one.
    pub fn read(state: &Path) -> Result<Self, StateError> {
        Ok(read_json(&state.join(FILE))?.unwrap_or_default())
    }

    /// Writes them, if they are news.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, state: &Path) -> Result<bool, StateError> {
        write_json(&state.join(FILE), self)
    }

    /// The mark above a file of this time, if the file is older. No clock is asked: times are those of the files.
    #[must_use]
    pub fn above(&self, known: &str, lastmodified: &str) -> Option<&Mark> {
        let mark = self.files.get(known)?;
        let time = |text: &str| text.parse::<Timestamp>().ok();
        (time(lastmodified) < time(&mark.lastmodified)).then_some(mark)
    }

    /// Sets the mark of a file, whether it is a higher one or not.
    pub fn set(&mut self, known: String, mark: Mark) {
        self.files.insert(known, mark);
    }
}

/// What a file is known by over time: `/nix/store/<digest>-source/web.yaml` is `source/web.yaml`.
#[must_use]
pub fn known_as(file: &Path) -> String {
    let text = file.display().to_string();
    let stored = text.strip_prefix("/nix/store/").and_then(|rest| rest.split_at_checked(33));
    match stored {
        Some((digest, name)) if digest.ends_with('-') => name.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(lastmodified: &str) -> Mark {
        Mark { lastmodified: lastmodified.to_owned(), mac: String::new() }
    }

    #[test]
    fn only_what_is_older_is_below_its_mark() {
        let mut marks = Marks::default();
        let file = "/etc/secrets.yaml";
        assert!(
            marks.above(file, "1990-01-01T00:00:00Z").is_none(),
            "a file that was never seen has no mark"
        );
        marks.set(file.to_owned(), mark("2026-05-01T12:00:00Z"));
        for (time, older) in [
            ("2026-05-01T11:59:59Z", true),
            ("2026-05-01T12:00:00Z", false),
            ("2026-05-01T14:00:00+02:00", false),
            ("2026-05-01T13:59:59+02:00", true),
            ("2099-01-01T00:00:00Z", false),
            ("no time", true),
        ] {
            assert_eq!(marks.above(file, time).is_some(), older, "{time}");
        }
    }

    #[test]
    fn a_file_in_the_store_is_the_same_after_an_edit() {
        let path = |digest: char| format!("/nix/store/{}-source/web.yaml", digest.to_string().repeat(32));
        assert_eq!(known_as(Path::new(&path('a'))), known_as(Path::new(&path('b'))));
        assert_eq!(known_as(Path::new(&path('a'))), "source/web.yaml");
        assert_eq!(known_as(Path::new("/nix/store/short/web.yaml")), "/nix/store/short/web.yaml");
    }

    #[test]
    fn damaged_marks_are_no_empty_ones() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(Marks::read(state.path()).unwrap(), Marks::default());
        std::fs::write(state.path().join(FILE), "{").unwrap();
        assert!(Marks::read(state.path()).is_err());
    }
}
