//! What is wrong with a text, and where.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Serialize;

use super::node::Span;
use super::told::ToldProblem;

/// A text and the name that problems give it (a path as the user wrote it).
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it: usually the path.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<Text>,
}

/// A text that knows where its lines are.
#[derive(Debug)]
pub struct Text {
    all: Box<str>,
    /// Known places, found when the first line is asked for.
    marks: OnceLock<Vec<Mark>>,
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.all
    }
}

/// A known place of a text, one every [`STRIDE`] bytes: places of large files are asked for by the thousand.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Byte offset.
    at: usize,
    /// Its line and column, both from 1.
    place: (usize, usize),
}

/// Bytes between two marks.
const STRIDE: usize = 1024;

impl Source {
    /// A text under a name.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), text: Arc::new(Text { all: text.into(), marks: OnceLock::new() }) }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// The first byte that is not UTF-8.
    pub fn from_bytes(name: impl Into<Arc<str>>, bytes: Vec<u8>) -> Result<Self, Problem> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => {
                let start = error.utf8_error().valid_up_to();
                let source = Self::new(name, String::from_utf8_lossy(error.as_bytes()));
                let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
                Err(source
                    .problem(Span { start, end }, "this byte is not UTF-8")
                    .fix("save the file as UTF-8"))
            }
        }
    }

    /// An error at a place of this text.
    pub fn problem(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem {
            source: self.clone(),
            span,
            severity: Severity::Error,
            message: message.into(),
            fix: None,
            rule: None,
        }
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let marks = self.text.marks.get_or_init(|| marks(&self.text));
        let near = marks.partition_point(|mark| mark.at <= offset);
        let Some(mark) = near.checked_sub(1).and_then(|at| marks.get(at)) else { return (1, 1) };
        self.text.get(mark.at..offset).unwrap_or_default().chars().fold(mark.place, follow)
    }
}

/// The place behind a character.
const fn follow((line, column): (usize, usize), c: char) -> (usize, usize) {
    if c == '\n' { (line + 1, 1) } else { (line, column + 1) }
}

fn marks(text: &str) -> Vec<Mark> {
    let mut marks = vec![Mark { at: 0, place: (1, 1) }];
    let mut place = (1, 1);
    for (at, c) in text.char_indices() {
        if at / STRIDE >= marks.len() {
            marks.push(Mark { at, place });
        }
        place = follow(place, c);
    }
    marks
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing goes on.
    Error,
    /// Said, and passed over.
    Warning,
}

/// Something wrong at a place in a text.
#[derive(Clone, Debug, Serialize)]
#[serde(into = "ToldProblem")]
pub struct Problem {
    /// The text.
    pub source: Source,
    /// Where in it.
    pub span: Span,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, never a secret value.
    pub message: String,
    /// What to write instead, or the next command.
    pub fix: Option<String>,
    /// Id of the rule that it breaks, where the reader of the text has a table of rules.
    pub rule: Option<&'static str>,
}

impl Problem {
    /// The same problem with a fix.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same problem as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// One line: `FILE:LINE:COLUMN: message`. [`Problem::render`] prints it with the text underlined.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.span.start);
        write!(f, "{}:{line}:{column}: {}", self.source.name, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_however_far_in_a_text_it_is() {
        let text = "ä\nbc é\n\n".repeat(700) + &"ü".repeat(3000) + "\nend";
        let source = Source::new("m", text.as_str());
        for offset in (0..=text.len() + 1).step_by(7).chain([text.len()]) {
            let before = text.get(..offset).unwrap_or(&text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            assert_eq!(source.line_column(offset), (line, column), "{offset}");
        }
    }
}
