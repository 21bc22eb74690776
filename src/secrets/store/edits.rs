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

    /// Other pairs in the place of those of flat metadata: values are exchanged, lines that are no more are removed, and
    /// new ones, which `line` writes, follow those that they follow in `new`. `old` tells keys, lines and values.
    pub(super) fn put_flat(
        &mut self,
        old: &[(&str, Range<usize>, Range<usize>)],
        new: &[(String, SecretBytes)],
        line: impl Fn(&str, &SecretBytes) -> SecretBytes,
    ) -> Option<()> {
        let known = |name: &str| old.iter().find(|(key, ..)| *key == name);
        let mut at = old.first()?.1.start;
        for (name, value) in new {
            if let Some((_, lines, place)) = known(name) {
                self.put(place.clone(), value.clone());
                at = lines.end;
            } else {
                self.put(at..at, line(name, value));
            }
        }
        // Behind what is inserted where they start.
        for (_, lines, _) in old.iter().filter(|(key, ..)| !new.iter().any(|(name, _)| name == key)) {
            self.put(lines.clone(), SecretBytes::new(Vec::new()));
        }
        Some(())
    }

    /// The line end that the line before `at` has.
    pub(super) fn line_end(&self, at: usize) -> &'static [u8] {
        let before = self.text.get(..at).unwrap_or_default();
        if before.ends_with(b"\r\n") { b"\r\n" } else { b"\n" }
    }
}
