//! Places in the files of a stack, and the problems found there.

use std::path::Path;

use crate::source::{Problem, Source, Span};

/// Errors after which no more are kept, and warnings; a hostile file could have millions.
const MOST_PROBLEMS: usize = 1000;

/// A place in one of the files that were read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Index into [`Log::sources`].
    pub(super) file: usize,
    /// Where in that file.
    pub(super) span: Span,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    /// The value.
    pub(super) value: T,
    /// Where it stands.
    pub(super) place: Place,
}

/// Equal when the values are; merges compare what files say, not where they say it.
impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    pub(super) const fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// The files read so far and everything found wrong with them.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Every file, in the order of reading.
    pub(super) sources: Vec<Source>,
    /// What stops the stack.
    pub(super) errors: Vec<Problem>,
    /// What is said and passed over.
    pub(super) warnings: Vec<Problem>,
    /// Minor version of the format of the file that is being read.
    pub(super) minor: u8,
    /// The first compose file, for problems of the stack as a whole.
    pub(super) home: Place,
}

impl Log {
    /// True when newer spellings are read.
    #[expect(clippy::unused_self, reason = "the mode of the stack decides")]
    pub(super) const fn translates(&self) -> bool {
        true
    }

    /// Adds a file; its index goes into places.
    pub(super) fn source(&mut self, path: &Path, text: &str) -> usize {
        self.sources.push(Source::new(path.display().to_string(), text));
        self.sources.len() - 1
    }

    /// The file of a place; an empty one when there is none, so that no problem is ever lost.
    pub(super) fn at(&self, place: Place) -> Source {
        self.sources.get(place.file).cloned().unwrap_or_else(|| Source::new("compose", ""))
    }

    /// An error and what to write instead.
    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        if self.errors.len() >= MOST_PROBLEMS {
            return;
        }
        let problem = self.at(place).problem(place.span, message).fix(fix);
        self.errors.push(problem);
    }

    /// A warning and what to write instead.
    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        if self.warnings.len() >= MOST_PROBLEMS {
            return;
        }
        let problem = self.at(place).problem(place.span, message).fix(fix).warning();
        self.warnings.push(problem);
    }
}
