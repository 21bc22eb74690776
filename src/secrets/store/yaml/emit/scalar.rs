//! Scalars in their styles.

use super::{Emitter, In, Letter, letters};
use crate::secrets::store::yaml::words::{Style, Word, escaped, is_break};

impl Emitter<'_> {
    pub(super) fn scalar(&mut self, word: &Word<'_>, place: In, may_break: bool) {
        if !word.tag.is_empty() {
            self.indicator(word.tag, true, false, false);
        }
        let outer = self.deeper(true, place);
        let text = word.text.get();
        let style = match word.style {
            Style::Literal if !may_break => Style::Double,
            Style::Single | Style::Literal if self.stored && !self.reads_back(word, outer) => Style::Double,
            style => style,
        };
        match style {
            Style::Plain => self.plain(text),
            Style::Single => self.single(text),
            Style::Double => self.double(text),
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
    }

    /// False for a block that says how far it is indented and is not, as go-yaml writes it in lists: nothing reads
    /// that, itself included. False for line ends of Unicode too, which not every reader takes for line ends.
    fn reads_back(&self, word: &Word<'_>, outer: isize) -> bool {
        let text = word.text.get();
        let misplaced =
            word.style == Style::Literal && needs_hint(text) && self.indent - outer.max(0) != self.step;
        let odd = |letter: Letter<'_>| matches!(letter.as_char(), '\u{2028}' | '\u{2029}');
        !misplaced && !letters(text).any(odd)
    }

    fn plain(&mut self, text: &[u8]) {
        if !text.is_empty() {
            if !self.whitespace {
                self.put(" ");
            }
            self.all(text);
            self.whitespace = false;
        }
        self.indention = false;
    }

    fn single(&mut self, text: &[u8]) {
        self.indicator("'", true, false, false);
        let mut breaks = false;
        for letter in letters(text) {
            if is_break(letter.as_char()) {
                self.broken(&letter);
                breaks = true;
                continue;
            }
            if std::mem::take(&mut breaks) {
                self.next_line();
            }
            if letter.as_char() == '\'' {
                self.put("'");
            }
            self.letter(&letter);
            if letter.as_char() != ' ' {
                self.indention = false;
            }
        }
        self.indicator("'", false, false, false);
        (self.whitespace, self.indention) = (false, false);
    }

    fn double(&mut self, text: &[u8]) {
        self.indicator("\"", true, false, false);
        for letter in letters(text) {
            match escaped(letter.as_char()) {
                Some(escape) => self.put(&escape),
                None => self.letter(&letter),
            }
        }
        self.indicator("\"", false, false, false);
        (self.whitespace, self.indention) = (false, false);
    }

    fn literal(&mut self, text: &[u8]) {
        self.indicator("|", true, false, false);
        if needs_hint(text) {
            let hint = self.step.to_string();
            self.indicator(&hint, false, false, false);
        }
        // What keeps or drops the line ends at the end of it: the last two letters tell.
        let breaks = letters(text).map(|letter| is_break(letter.as_char()));
        let chomp = match breaks.fold((true, true), |(_, before), last| (before, last)) {
            (_, false) => "-",
            (true, true) => "+",
            (false, true) => "",
        };
        if !chomp.is_empty() {
            self.indicator(chomp, false, false, false);
        }
        self.line_remark(true);
        self.whitespace = true;
        let mut breaks = true;
        for letter in letters(text) {
            if is_break(letter.as_char()) {
                self.broken(&letter);
                breaks = true;
                continue;
            }
            if std::mem::take(&mut breaks) {
                self.next_line();
            }
            self.letter(&letter);
            self.indention = false;
        }
    }
}

/// True for a block whose first line does not show the indentation.
fn needs_hint(text: &[u8]) -> bool {
    letters(text).next().is_some_and(|first| first.as_char() == ' ' || is_break(first.as_char()))
}
