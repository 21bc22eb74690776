//! Writes documents as go-yaml v3 writes them, comments and blank lines included.
//!
//! A comment waits from the moment that its value comes up until a place where one can be written; a later one of the
//! same side takes its place. Where exactly that is decides about every blank line, so the order of calls is go-yaml's.

mod scalar;

use super::lay::{Laid, Remark, Shape};
use super::words::is_break;
use crate::secrets::store::out::Out;

/// A longer key is written behind a `?`.
const LONGEST_KEY: usize = 128;

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Root,
    List,
    Map,
}

/// Comments that wait to be written.
#[derive(Default)]
struct Waiting {
    head: Remark,
    line: Remark,
    key_line: Remark,
    foot: Remark,
    /// Below the last value of a map, written before what follows.
    tail: Remark,
}

/// What is written, and what is known about the end of it.
pub(super) struct Emitter<'o> {
    out: &'o mut Out,
    step: isize,
    /// True for a text that is read again, false for one that is shown.
    stored: bool,
    /// -1 outside of everything.
    indent: isize,
    column: isize,
    /// True when what is at the end separates words.
    whitespace: bool,
    /// True while the line holds nothing but indentation and dashes.
    indention: bool,
    /// The indentation at which a blank line ends a comment; -1 for none.
    foot_indent: isize,
    waiting: Waiting,
}

impl<'o> Emitter<'o> {
    pub(super) fn new(out: &'o mut Out, step: u8, stored: bool) -> Self {
        let step = isize::from(step);
        let (whitespace, indention, waiting) = (true, true, Waiting::default());
        Self { out, step, stored, indent: -1, column: 0, whitespace, indention, foot_indent: -1, waiting }
    }

    pub(super) fn document(&mut self, root: &Laid<'_>, first: bool) {
        if !first {
            self.next_line();
            self.indicator("---", true, false, false);
            self.next_line();
        }
        if !self.waiting.head.is_empty() {
            self.heads();
            self.line_end();
        }
        self.announce(&root.head, None, None);
        self.heads();
        self.value(root, In::Root);
        self.foot_indent = 0;
        self.feet();
        self.foot_indent = -1;
        self.next_line();
    }

    /// Makes comments wait.
    fn announce(&mut self, head: &Remark, line: Option<&Remark>, foot: Option<&Remark>) {
        let waiting = &mut self.waiting;
        for (to, from) in
            [(&mut waiting.head, Some(head)), (&mut waiting.line, line), (&mut waiting.foot, foot)]
        {
            if let Some(from) = from.filter(|from| !from.is_empty()) {
                to.clone_from(from);
            }
        }
    }

    /// What a value's first event brings along; the rest of a list or map comes with its end.
    fn announce_value(&mut self, value: &Laid<'_>) {
        match value.shape {
            Shape::Scalar(_) => self.announce(&value.head, Some(&value.line), Some(&value.foot)),
            Shape::List(_) | Shape::Map(_) => self.announce(&value.head, None, None),
        }
    }

    /// A value whose comments wait, with what follows it in its line.
    fn value(&mut self, value: &Laid<'_>, place: In) {
        if let Shape::Scalar(word) = &value.shape {
            self.scalar(word, place, true);
        }
        let empty = match &value.shape {
            Shape::Scalar(_) => false,
            Shape::List(items) => items.is_empty(),
            Shape::Map(pairs) => pairs.is_empty(),
        };
        self.line_remark(false);
        self.feet();
        match &value.shape {
            Shape::Scalar(_) => {}
            Shape::List(_) if empty => self.empty(value, "[", "]", place),
            Shape::Map(_) if empty => self.empty(value, "{", "}", place),
            Shape::List(items) => self.list(value, items, place),
            Shape::Map(pairs) => self.map(value, pairs, place),
        }
    }

    fn empty(&mut self, value: &Laid<'_>, open: &str, close: &str, place: In) {
        self.indicator(open, true, true, false);
        let outer = self.deeper(true, place);
        self.announce(&Remark::default(), Some(&value.line), Some(&value.foot));
        if open == "{" {
            self.heads();
        }
        self.indent = outer;
        if open == "[" && self.column == 0 {
            self.next_line();
        }
        self.indicator(close, false, false, false);
        self.line_remark(false);
        self.feet();
    }

    fn list(&mut self, list: &Laid<'_>, items: &[Laid<'_>], place: In) {
        let outer = self.deeper(false, place);
        for item in items {
            self.announce_value(item);
            self.heads();
            self.next_line();
            self.indicator("-", true, false, true);
            self.value(item, In::List);
        }
        self.announce(&Remark::default(), Some(&list.line), Some(&list.foot));
        self.indent = outer;
    }

    fn map(&mut self, map: &Laid<'_>, pairs: &[(Laid<'_>, Laid<'_>)], place: In) {
        let outer = self.deeper(false, place);
        let mut tail = &Remark::default();
        for (key, value) in pairs {
            self.announce(&key.head, None, None);
            self.tail(tail);
            tail = &key.foot;
            self.heads();
            self.next_line();
            if !self.waiting.line.is_empty() {
                self.waiting.key_line = std::mem::take(&mut self.waiting.line);
            }
            self.key(key);
            self.announce_value(value);
            self.key_line(value);
            self.value(value, In::Map);
        }
        self.tail(tail);
        self.announce(&Remark::default(), Some(&map.line), Some(&map.foot));
        self.heads();
        self.indent = outer;
    }

    fn key(&mut self, key: &Laid<'_>) {
        let Shape::Scalar(word) = &key.shape else { return };
        if !word.lines && word.text.get().len() <= LONGEST_KEY {
            self.scalar(word, In::Map, false);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.scalar(word, In::Map, true);
            self.next_line();
            self.indicator(":", true, false, true);
        }
    }

    /// A comment in a line that waited too long stands behind the next key.
    fn key_line(&mut self, value: &Laid<'_>) {
        if self.waiting.key_line.is_empty() {
            return;
        }
        match value.shape {
            Shape::Scalar(_) if self.waiting.line.is_empty() => {
                self.waiting.line = std::mem::take(&mut self.waiting.key_line);
            }
            Shape::Scalar(_) => {}
            Shape::List(_) | Shape::Map(_) => {
                let own =
                    std::mem::replace(&mut self.waiting.line, std::mem::take(&mut self.waiting.key_line));
                self.line_remark(false);
                self.waiting.line = own;
            }
        }
    }

    fn tail(&mut self, tail: &Remark) {
        if !tail.is_empty() {
            self.waiting.tail.clone_from(tail);
        }
    }

    /// Goes one level deeper; gives the level before.
    fn deeper(&mut self, flow: bool, place: In) -> isize {
        let outer = self.indent;
        self.indent = match (outer, place) {
            (..0, _) => {
                if flow {
                    self.step
                } else {
                    0
                }
            }
            (_, In::List) => outer + 2,
            _ => self.step * ((outer + self.step) / self.step),
        };
        outer
    }

    fn heads(&mut self) {
        let tail = std::mem::take(&mut self.waiting.tail);
        if !tail.is_empty() {
            self.next_line();
            self.remark(&tail);
            self.foot_indent = self.indent.max(0);
        }
        let head = std::mem::take(&mut self.waiting.head);
        if !head.is_empty() {
            self.next_line();
            self.remark(&head);
        }
    }

    /// The comment in this line; with `ends`, a line end where there is none.
    fn line_remark(&mut self, ends: bool) {
        let line = std::mem::take(&mut self.waiting.line);
        if line.is_empty() {
            if ends {
                self.line_end();
            }
            return;
        }
        if !self.whitespace {
            self.put(" ");
        }
        self.remark(&line);
    }

    fn feet(&mut self) {
        let foot = std::mem::take(&mut self.waiting.foot);
        if !foot.is_empty() {
            self.next_line();
            self.remark(&foot);
            self.foot_indent = self.indent.max(0);
        }
    }

    fn remark(&mut self, text: &[u8]) {
        let (mut breaks, mut marked) = (false, false);
        for letter in letters(text) {
            if is_break(letter.as_char()) {
                self.broken(&letter);
                (breaks, marked) = (true, false);
                continue;
            }
            if breaks {
                self.next_line();
            }
            if !marked {
                if letter.as_char() != '#' {
                    self.put("# ");
                }
                marked = true;
            }
            self.letter(&letter);
            self.indention = false;
            breaks = false;
        }
        if !breaks {
            self.line_end();
        }
        self.whitespace = true;
    }

    /// On to a new line where this one holds something, and to the indentation.
    fn next_line(&mut self) {
        let indent = self.indent.max(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.line_end();
        }
        if self.foot_indent == indent {
            self.line_end();
        }
        while self.column < indent {
            self.put(" ");
        }
        self.whitespace = true;
        self.foot_indent = -1;
    }

    fn indicator(&mut self, sign: &str, needs_space: bool, is_space: bool, is_indention: bool) {
        if needs_space && !self.whitespace {
            self.put(" ");
        }
        self.put(sign);
        self.whitespace = is_space;
        self.indention &= is_indention;
    }

    /// ASCII without line ends.
    fn put(&mut self, text: &str) {
        self.out.put(text.as_bytes());
        self.column += isize::try_from(text.len()).unwrap_or(0);
    }

    /// Text without line ends.
    fn all(&mut self, text: &[u8]) {
        self.out.put(text);
        // A character is counted at its first byte; bytes that are no text stand in no plain scalar.
        let inner = |byte: &&u8| (0x80..0xc0).contains(*byte);
        let inner = if text.is_ascii() { 0 } else { text.iter().filter(inner).count() };
        let letters = text.len() - inner;
        self.column += isize::try_from(letters).unwrap_or(0);
    }

    fn letter(&mut self, letter: &Letter<'_>) {
        self.out.put(letter.0);
        self.column += 1;
    }

    /// A line end that belongs to a text.
    fn broken(&mut self, letter: &Letter<'_>) {
        self.out.put(letter.0);
        self.column = 0;
        self.indention = true;
    }

    fn line_end(&mut self) {
        self.out.put(b"\n");
        self.column = 0;
        self.indention = true;
    }
}

/// The bytes of one character.
struct Letter<'t>(&'t [u8]);

impl Letter<'_> {
    fn as_char(&self) -> char {
        std::str::from_utf8(self.0).ok().and_then(|text| text.chars().next()).unwrap_or('\u{fffd}')
    }
}

/// The characters of a text; of what is no UTF-8, each byte.
fn letters(text: &[u8]) -> impl Iterator<Item = Letter<'_>> {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let ends = valid
            .char_indices()
            .filter_map(move |(at, letter)| valid.as_bytes().get(at..at + letter.len_utf8()));
        ends.chain(chunk.invalid().chunks(1)).map(Letter)
    })
}
