//! Places in the files of a stack, and the problems found there.

use std::path::Path;

use crate::manifest::Mode;
use crate::source::{Problem, Source, Span};

use super::rules::{Class, Rule};

/// Bytes of a message or fix; what it quotes may be a whole file.
const LONGEST_MESSAGE: usize = 400;

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
    /// Published ports of all files so far.
    pub(super) ports: usize,
    /// The first compose file, for problems of the stack as a whole.
    pub(super) home: Place,
    /// How the files are read.
    pub(super) mode: Mode,
    /// True where no manifest stands behind the files: external secrets are somebody else's.
    pub(super) alone: bool,
}

impl Log {
    /// True when newer spellings are read.
    pub(super) const fn translates(&self) -> bool {
        self.mode.is_strict()
    }

    /// True when nothing but docker's rules hold: its names, images as they are written, secrets of files.
    pub(super) const fn exact(&self) -> bool {
        self.alone && !self.mode.is_strict()
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

    /// True when no more errors are kept, so that nobody need look for them.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= MOST_PROBLEMS
    }

    /// A broken rule and what to write instead. This is the one place that knows what a rule means in each mode.
    ///
    /// The caller goes on with what docker does; where that ends in an error, nobody sees it.
    pub(super) fn rule(
        &mut self,
        rule: Rule,
        place: Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let strict = self.mode.is_strict();
        let error = match rule.class() {
            Class::Modern if strict => return,
            Class::House if self.exact() && rule.lifted() => return,
            Class::Refused | Class::House => true,
            Class::Lossy | Class::Engine => strict || !rule.followed(),
            Class::Modern => !rule.followed(),
            Class::Said => false,
        };
        let problems = if error { &self.errors } else { &self.warnings };
        if problems.len() >= MOST_PROBLEMS {
            return;
        }
        let mut problem = self.at(place).problem(place.span, shown(message)).fix(shown(fix));
        problem.rule = Some(rule.id());
        if error {
            self.errors.push(problem);
        } else {
            self.warnings.push(problem.warning());
        }
    }
}

/// A message as a terminal and a log may print it: control characters spelt out, the middle of a long one left out.
fn shown(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.len() > LONGEST_MESSAGE {
        let near =
            |from: usize| (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let (head, tail) = (near(LONGEST_MESSAGE / 2), near(text.len() - LONGEST_MESSAGE / 4));
        text.replace_range(head..tail, " ... ");
    }
    if !text.contains(char::is_control) {
        return text;
    }
    let spell = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_short_and_steer_no_terminal() {
        assert_eq!(shown("plain `ä`"), "plain `ä`");
        assert_eq!(shown("a\u{1b}[2Jb\nc\0"), "a\\u{1b}[2Jb\\nc\\u{0}");
        let long = shown(format!("the image `{}` is wrong", "ä".repeat(1_000_000)));
        assert!(long.len() < 320 && long.starts_with("the image") && long.ends_with("is wrong"), "{long}");
    }
}
