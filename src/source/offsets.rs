//! What the parser is given, and the way back from its positions to the bytes of the file.

use std::borrow::Cow;

use super::node::Span;

/// Byte offsets by character index; the parser counts characters.
pub(super) struct Offsets {
    /// None where every character is one byte.
    table: Option<Vec<usize>>,
    len: usize,
}

impl Offsets {
    /// The text as the parser can read it, and where its characters stand in `text`.
    ///
    /// JSON writes a character outside the basic plane as two escapes (`\ud83d\ude00`), which YAML does not
    /// know; they are given to the parser as YAML's one (`\U0001F600`).
    pub(super) fn of(text: &str) -> (Cow<'_, str>, Self) {
        let len = text.len();
        if text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']) && has_surrogate(text) {
            let (joined, table) = join_surrogates(text);
            return (joined.into(), Self { table: Some(table), len });
        }
        let table = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        (text.into(), Self { table, len })
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        match &self.table {
            None => index.min(self.len),
            Some(table) => table.get(index).copied().unwrap_or(self.len),
        }
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span { start: self.byte(start), end: self.byte(end) }
    }
}

fn has_surrogate(text: &str) -> bool {
    text.contains("\\ud") || text.contains("\\uD")
}

/// `text` with each pair of surrogate escapes as one escape, and the byte of `text` for each character of it.
fn join_surrogates(text: &str) -> (String, Vec<usize>) {
    let mut joined = String::with_capacity(text.len());
    let mut table = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        if let Some(character) = surrogate_pair(rest) {
            let escape = format!("\\U{:08X}", u32::from(character));
            table.extend(std::iter::repeat_n(at, escape.len()));
            joined.push_str(&escape);
            rest = rest.get(12..).unwrap_or_default();
            continue;
        }
        // A backslash takes its neighbour along, so that `\\ud83d` stays the text that it is.
        let taken = if first == '\\' { 2 } else { 1 };
        for (offset, character) in rest.char_indices().take(taken) {
            table.push(at + offset);
            joined.push(character);
        }
        rest = rest.char_indices().nth(taken).and_then(|(end, _)| rest.get(end..)).unwrap_or_default();
    }
    (joined, table)
}

/// The character that a text starting with `\uD83D\uDE00` means.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|character| u32::from(*character) > 0xFFFF)
}
