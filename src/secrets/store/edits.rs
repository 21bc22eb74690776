//! Parts of a text exchanged, all others kept byte for byte.

use std::ops::Range;

use super::out::written;
use crate::secrets::value::SecretBytes;

/// Changes in a text, by its bytes. They must not overlap.
pub(super) struct Edits<'t> {
    text: &'t [u8],
    edits: Vec<(Range<usize>, SecretBytes)>,
}

impl<'t> Edits<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, edits: Vec::new() }
    }

    /// Puts `new` in the place of a range; an empty range is a place to insert at.
    pub(super) fn put(&mut self, range: Range<usize>, new: SecretBytes) {
        self.edits.push((range, new));
    }

    /// The text with the changes; nothing where one of them is not in the text.
    pub(super) fn applied(mut self) -> Option<SecretBytes> {
        self.edits.sort_by_key(|(range, _)| range.start);
        let text = written(|out| {
            let mut at = 0;
            for (range, new) in &self.edits {
                out.put(self.text.get(at..range.start).ok_or(())?);
                out.put(new.expose());
                at = range.end;
            }
            out.put(self.text.get(at..).ok_or(())?);
            Ok::<(), ()>(())
        });
        text.ok()
    }

    /// The line end that the line before `at` has.
    pub(super) fn line_end(&self, at: usize) -> &'static [u8] {
        let before = self.text.get(..at).unwrap_or_default();
        if before.ends_with(b"\r\n") { b"\r\n" } else { b"\n" }
    }
}
