//! Comments between tokens, told apart by where go-yaml v3 puts them: above what follows, in the line of what is
//! before, or below it.

use zeroize::Zeroizing;

use super::cursor::{FAR, Mark, ends_line, is_blank};
use super::tokens::{Kind, Scanner};

/// Where a comment belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Above the next value.
    Head,
    /// In the line of a value.
    Line,
    /// Below the last value.
    Foot,
}

/// Lines of comment that belong together, with their `#`.
pub(super) struct Remark {
    pub(super) side: Side,
    pub(super) text: Zeroizing<String>,
    /// The first token that starts here or later takes it.
    pub(super) taken_from: usize,
    /// Where it starts; the column counts from 1, except of one in a line.
    pub(super) start: Mark,
    /// From where it was looked for.
    pub(super) sought_from: usize,
    /// Where looking ended; 0 for one in a line.
    pub(super) end: usize,
}

/// A remark that is being put together.
struct Draft {
    text: Zeroizing<String>,
    start: Mark,
    sought_from: usize,
    taken_from: usize,
}

impl Scanner<'_> {
    /// The comment in the rest of the line, if there is one; the token at `taken_from` gets it.
    pub(super) fn line_remark(&mut self, taken_from: usize) {
        if self.cursor.newlines > 0 {
            return;
        }
        let blanks = (0..FAR).take_while(|&far| self.cursor.ahead(far).is_some_and(is_blank)).count();
        if self.cursor.ahead(blanks) != Some('#') {
            return;
        }
        self.cursor.advance_to(self.cursor.mark.index + blanks);
        let start = self.cursor.mark;
        let text = self.rest_of_line();
        self.remarks.push(Remark { side: Side::Line, text, taken_from, start, sought_from: 0, end: 0 });
    }

    /// The comments from here, at a `#`, to the next token.
    pub(super) fn remarks(&mut self, sought: Mark) {
        let last = self.tokens.len().saturating_sub(1);
        let comma = matches!(self.tokens.get(last).map(|token| &token.kind), Some(Kind::Comma)) && last > 0;
        let token = self.tokens.get(if comma { last - 1 } else { last });
        let after_colon = token.is_some_and(|token| matches!(token.kind, Kind::Colon));
        let mut draft = Draft {
            text: Zeroizing::default(),
            start: Mark::default(),
            sought_from: sought.index,
            taken_from: token.map_or(0, |token| token.start),
        };
        let foot_line = self.foot_line(sought);
        let next_indent = self.indent.max(0).unsigned_abs();
        let (mut first_empty, mut recent_empty) = (self.cursor.newlines <= 1, false);
        let Mark { mut line, mut column, .. } = self.cursor.mark;
        let mut far = 0;
        while far < FAR {
            let found = self.cursor.ahead(far);
            column += 1;
            if found.is_some_and(is_blank) {
                far += 1;
                continue;
            }
            let closes = self.flow > 0 && matches!(found, Some(']' | '}'));
            if closes || ends_line(found) {
                let dedented = draft.start.column <= next_indent;
                let below = Some(draft.start.line) == foot_line && !after_colon;
                if closes || !recent_empty && first_empty && (below || dedented) {
                    if dedented {
                        draft.taken_from = draft.start.index;
                    }
                    self.foot(&mut draft, far);
                } else if !recent_empty && !draft.text.is_empty() && found.is_some() {
                    draft.text.push('\n');
                }
                if closes || found.is_none() {
                    break;
                }
                (first_empty, recent_empty) = (false, true);
                column = 0;
                line += 1;
                far += 1;
                continue;
            }
            if column <= next_indent && column != draft.start.column {
                self.foot(&mut draft, far);
            }
            if found != Some('#') {
                break;
            }
            if draft.text.is_empty() {
                draft.start = Mark { index: self.cursor.mark.index + far, line, column };
            } else {
                draft.text.push('\n');
            }
            recent_empty = false;
            self.cursor.advance_to(self.cursor.mark.index + far);
            let words = self.rest_of_line();
            draft.text.push_str(&words);
            // The line end itself is passed over unseen, so the count of lines lags by one from here on.
            far = 1;
            column = 0;
            line = self.cursor.mark.line;
        }
        if !draft.text.is_empty() {
            let end = self.cursor.mark.index + far - 1;
            draft.taken_from = draft.start.index;
            self.finish(&mut draft, Side::Head, end);
        }
    }

    /// The line that a comment must start in to belong to what is above it.
    fn foot_line(&self, sought: Mark) -> Option<usize> {
        if sought.line == 0 {
            return None;
        }
        let (mark, newlines) = (self.cursor.mark, self.cursor.newlines);
        let behind_content = newlines == 0 && mark.column > 1;
        (mark.line + 1 + usize::from(behind_content)).checked_sub(newlines)
    }

    /// Ends a remark that belongs to what is above; the next one starts from here.
    fn foot(&mut self, draft: &mut Draft, far: usize) {
        if draft.text.is_empty() {
            return;
        }
        let end = self.cursor.mark.index + far;
        self.finish(draft, Side::Foot, end);
        (draft.sought_from, draft.taken_from) = (end, end);
    }

    fn finish(&mut self, draft: &mut Draft, side: Side, end: usize) {
        let text = std::mem::take(&mut draft.text);
        let Draft { start, sought_from, taken_from, .. } = *draft;
        self.remarks.push(Remark { side, text, taken_from, start, sought_from, end });
    }

    fn rest_of_line(&mut self) -> Zeroizing<String> {
        let from = self.cursor.mark.index;
        while !self.cursor.at_line_end() {
            self.cursor.advance();
        }
        let letters = self.cursor.text.get(from..self.cursor.mark.index).unwrap_or_default();
        // Sized first, so that no copy is left behind.
        let mut text =
            Zeroizing::new(String::with_capacity(letters.iter().map(|letter| letter.len_utf8()).sum()));
        text.extend(letters);
        text
    }
}
