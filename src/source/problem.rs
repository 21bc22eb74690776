//! What is wrong with a text, and where.

use std::fmt;
use std::sync::Arc;

use super::node::Span;

/// A text and the name that problems give it (a path as the user wrote it).
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call it: usually the path.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A text under a name.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
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
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing goes on.
    Error,
    /// Said, and passed over.
    Warning,
}

/// Something wrong at a place in a text.
#[derive(Clone, Debug)]
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
