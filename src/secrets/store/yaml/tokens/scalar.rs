//! Over names and scalars.

use super::{Kind, Lost, Scanned, Scanner};
use crate::secrets::store::yaml::cursor::{Cursor, ends_line, ends_word, is_blank};
use crate::secrets::store::yaml::scalars::Style;

impl Scanner<'_> {
    /// An alias, an anchor or a tag.
    pub(super) fn named(&mut self, kind: fn(String) -> Kind) {
        self.save_candidate();
        self.key_allowed = false;
        let from = self.cursor.mark.index;
        let ends = |letter: Option<char>| {
            ends_word(letter) || self.flow > 0 && letter.is_some_and(|letter| ",[]{}".contains(letter))
        };
        let mut far = 1;
        while !ends(self.cursor.ahead(far)) {
            far += 1;
        }
        let name = self.cursor.text.get(from + 1..from + far).unwrap_or_default().iter().collect();
        self.push(kind(name));
        self.cursor.advance_to(from + far);
        self.end(from + far);
    }

    pub(super) fn scalar(&mut self, first: char) -> Scanned {
        let at = self.cursor.mark.index;
        let scalar = self.scalars.list.get(self.next_scalar).ok_or(Lost(at))?;
        let style = match first {
            '"' => Style::Double,
            '\'' => Style::Single,
            '|' | '>' if self.flow == 0 => Style::Block,
            _ => Style::Plain,
        };
        let inside = scalar.start <= at && at < scalar.end;
        if scalar.style != style || style != Style::Block && !inside {
            return Err(Lost(at));
        }
        if style == Style::Block {
            self.forget_candidate();
        } else {
            self.save_candidate();
        }
        self.push(Kind::Scalar(self.next_scalar));
        self.next_scalar += 1;
        self.key_allowed = style == Style::Block;
        match style {
            Style::Block => self.block(at),
            Style::Single | Style::Double => {
                self.quoted(first);
                self.end(self.cursor.mark.index);
            }
            Style::Plain => {
                self.cursor.advance_to(scalar.end);
                self.end(scalar.end);
                // Blanks and line ends behind it were looked at to see whether it goes on.
                while self.cursor.ahead(0).is_some_and(|letter| is_blank(letter) || ends_line(Some(letter))) {
                    self.cursor.advance();
                }
                self.key_allowed = self.cursor.newlines > 0;
            }
        }
        Ok(())
    }

    /// Over a quoted scalar. The parser's own end of it lies behind a comment in the same line.
    fn quoted(&mut self, quote: char) {
        self.cursor.advance();
        while let Some(letter) = self.cursor.ahead(0) {
            self.cursor.advance();
            if letter == '\\' && quote == '"' {
                self.cursor.advance();
            } else if letter == quote {
                if quote == '"' || self.cursor.ahead(0) != Some(quote) {
                    return;
                }
                self.cursor.advance();
            }
        }
    }

    /// Over a block scalar: its header with a comment, its lines, and the blanks that could have been indentation.
    fn block(&mut self, start: usize) {
        self.cursor.advance();
        let mut increment = 0;
        while let Some(letter @ ('+' | '-' | '1'..='9')) = self.cursor.ahead(0) {
            increment = letter.to_digit(10).map_or(increment, |digit| isize::try_from(digit).unwrap_or(0));
            self.cursor.advance();
        }
        self.line_remark(start);
        while !self.cursor.at_line_end() {
            self.cursor.advance();
        }
        self.end(self.cursor.mark.index);
        self.cursor.advance();
        let mut indent = if increment > 0 { Some(self.indent.max(0) + increment) } else { None };
        let mut deepest = 0;
        loop {
            let column = |cursor: &Cursor<'_>| isize::try_from(cursor.mark.column).unwrap_or(isize::MAX);
            while self.cursor.ahead(0) == Some(' ')
                && indent.is_none_or(|indent| column(&self.cursor) < indent)
            {
                self.cursor.advance();
            }
            deepest = deepest.max(column(&self.cursor));
            if matches!(self.cursor.ahead(0), Some('\r' | '\n')) {
                self.cursor.advance();
                continue;
            }
            let indent = *indent.get_or_insert(deepest.max(self.indent + 1).max(1));
            if column(&self.cursor) != indent || self.cursor.ahead(0).is_none() {
                return;
            }
            while !self.cursor.at_line_end() {
                self.cursor.advance();
            }
            self.end(self.cursor.mark.index);
            self.cursor.advance();
        }
    }
}
