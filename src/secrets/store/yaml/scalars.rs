//! What the scalars of a text hold, in order.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::tokens::Words;

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// Literal or folded.
    Block,
}

/// A scalar that is written out.
pub(super) struct Scalar {
    pub(super) text: Words,
    pub(super) style: Style,
    /// Its first character; anchors and tags before it are counted in.
    pub(super) start: usize,
    /// Behind its last character that is no blank.
    pub(super) end: usize,
}

/// All of a text.
#[derive(Default)]
pub(super) struct Scalars {
    pub(super) list: Vec<Scalar>,
}

impl Scalars {
    /// Reads a text by itself; `letters` are its characters.
    ///
    /// # Errors
    /// What is no YAML: the character where reading ends.
    pub(super) fn read(text: &str, letters: &[char]) -> Result<Self, usize> {
        let mut scalars = Self::default();
        for item in Parser::new_from_str(text) {
            let (event, span) = item.map_err(|error| error.marker().index())?;
            scalars.hear(&event, span.start.index()..span.end.index(), letters);
        }
        Ok(scalars)
    }

    /// Takes an event of the parser, whose place is `range`; `letters` are the characters of the text.
    pub(super) fn hear(&mut self, event: &Event<'_>, range: Range<usize>, letters: &[char]) {
        let Event::Scalar(words, style, ..) = event else { return };
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        if style == Style::Plain && words.is_empty() {
            return;
        }
        let Range { start, end } = range;
        let range = letters.get(start..end).unwrap_or_default();
        let blank = range.iter().rev().take_while(|letter| letter.is_whitespace()).count();
        let range = range.get(..range.len() - blank).unwrap_or_default();
        let mut text = Words::new(words.to_string());
        // A line that ends with the file has no line end; the parser adds one.
        let cut_short = style == Style::Block && end >= letters.len();
        if cut_short && !letters.last().is_some_and(|last| matches!(last, '\r' | '\n')) {
            text.pop();
        }
        self.list.push(Scalar { text, style, start, end: start + range.len() });
    }
}
