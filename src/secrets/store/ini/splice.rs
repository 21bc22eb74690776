//! One value of an INI file changed, all else kept as it is written.

use std::ops::Range;

use super::write::{put_sections, put_value, quoted, section};
use super::{DEFAULT, METADATA, Reader};
use crate::secrets::flatten::flatten;
use crate::secrets::path::Step;
use crate::secrets::store::edits::Edits;
use crate::secrets::store::out::{replaced, written};
use crate::secrets::store::{Change, node_at};
use crate::secrets::tree::Node;
use crate::secrets::value::SecretBytes;

/// Where a section stands.
pub(super) struct Place {
    pub(super) name: String,
    /// From its comment on, up to the end of its header.
    pub(super) header: Range<usize>,
    pub(super) pairs: Vec<Pair>,
}

/// Where a key and its value stand.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) key: String,
    /// Its lines, with the comment above and the last line end.
    pub(super) lines: Range<usize>,
    /// Where the line of the key starts.
    pub(super) start: usize,
    /// Where the `=` or `:` stands.
    pub(super) sign: usize,
    /// The value with its quotes.
    pub(super) value: Range<usize>,
}

impl Place {
    /// Behind the header and all keys.
    fn end(&self) -> usize {
        self.pairs.last().map_or(self.header.end, |pair| pair.lines.end)
    }
}

/// The text with the change; nothing where it cannot be made by exchanging a part of the text.
pub(in crate::secrets::store) fn spliced(text: &str, change: &Change<'_>) -> Option<SecretBytes> {
    let (name, key) = match change.path {
        [Step::Key(name)] => (name, None),
        [Step::Key(name), Step::Key(key)] => (name, Some(key)),
        _ => return None,
    };
    let mut reader = Reader::new(text);
    reader.sections().ok()?;
    let places = reader.places;
    let find = |name: &str| places.iter().position(|place| place.name == name);
    let mut splice = Splice { text, edits: Edits::new(text.as_bytes()) };
    let metadata = places.get(find(METADATA)?)?;
    for (name, new) in [("mac", change.mac), ("lastmodified", change.lastmodified)] {
        let pair = metadata.pairs.iter().find(|pair| pair.key == name)?;
        splice.value(pair, new.as_bytes())?;
    }
    match (find(name), key, change.document) {
        (Some(at), Some(key), Some(document)) => {
            let Node::Leaf(leaf) = node_at(document, change.path)? else { return None };
            let place = places.get(at)?;
            match place.pairs.iter().find(|pair| pair.key == *key) {
                Some(pair) => splice.value(pair, leaf.flat().expose())?,
                None => splice.add(place, key, leaf.flat().expose())?,
            }
        }
        (Some(at), Some(key), None) => {
            let pair = places.get(at)?.pairs.iter().find(|pair| pair.key == *key)?;
            splice.edits.put(pair.lines.clone(), SecretBytes::new(Vec::new()));
        }
        (Some(at), None, None) if at > 0 => {
            let end = places.get(at + 1).map_or(text.len(), |next| next.header.start);
            splice.edits.put(places.get(at)?.header.start..end, SecretBytes::new(Vec::new()));
        }
        (None, _, Some(document)) => {
            let node = node_at(document, change.path.get(..1)?)?;
            let before = places.iter().rfind(|place| place.name != METADATA && place.end() > 0);
            splice.add_section(before.map_or(metadata.header.start, Place::end), name, node)?;
        }
        _ => return None,
    }
    splice.edits.applied()
}

/// The text with another `sops` section; nothing where it has none.
pub(in crate::secrets::store) fn resectioned(text: &str, section: &Node) -> Option<SecretBytes> {
    let mut reader = Reader::new(text);
    reader.sections().ok()?;
    let own = reader.places.iter().find(|place| place.name == METADATA)?;
    let old: Vec<_> =
        own.pairs.iter().map(|pair| (pair.key.as_str(), pair.lines.clone(), pair.value.clone())).collect();
    let new = flatten(section, "").into_iter();
    let new: Vec<_> = new
        .map(|(key, leaf)| {
            let value = replaced(leaf.flat().expose(), b"\n", b"\\n");
            let value = written(|out| {
                put_value(out, value.expose());
                Ok::<(), ()>(())
            });
            Some((key, value.ok()?))
        })
        .collect::<Option<_>>()?;
    let widest = own.pairs.iter().map(|pair| pair.sign - pair.start).max().unwrap_or(0);
    let mut edits = Edits::new(text.as_bytes());
    let end = edits.line_end(own.header.end);
    let line = |key: &str, value: &SecretBytes| {
        let start = format!("{key:0$}= ", widest.max(key.len() + 1));
        SecretBytes::new([start.as_bytes(), value.expose(), end].concat())
    };
    edits.put_flat(&old, &new, line)?;
    edits.applied()
}

struct Splice<'t> {
    text: &'t str,
    edits: Edits<'t>,
}

impl Splice<'_> {
    /// Another value, in the quotes of the old one where they fit.
    fn value(&mut self, pair: &Pair, new: &[u8]) -> Option<()> {
        let old = self.text.get(pair.value.clone())?;
        let plain = !new.iter().any(|byte| b"#;\n\r\"'`\\".contains(byte)) && new.trim_ascii() == new;
        let quote = ["\"\"\"", "`", "\"", "'"].into_iter().find(|quote| {
            old.len() >= 2 * quote.len() && old.starts_with(quote) && old.ends_with(quote) && plain
        });
        let text = written(|out| {
            if let Some(quote) = quote {
                for part in [quote.as_bytes(), new, quote.as_bytes()] {
                    out.put(part);
                }
            } else {
                put_value(out, new);
            }
            Ok::<(), ()>(())
        });
        self.edits.put(pair.value.clone(), text.ok()?);
        Some(())
    }

    /// A new key below the last one, its sign below the sign above where that is possible.
    fn add(&mut self, place: &Place, key: &str, new: &[u8]) -> Option<()> {
        let at = place.end();
        let key = quoted(key);
        let (mut before, mut sign) = (key.clone() + " ", "= ".to_owned());
        if let Some(above) = place.pairs.last() {
            let name = self.text.get(above.start..above.sign)?;
            let words = name.trim_start();
            let (indent, _) = name.split_at_checked(name.len() - words.len())?;
            let width = if words.trim_end() == words { 0 } else { (key.len() + 1).max(words.len()) };
            before = format!("{indent}{key:width$}");
            let behind = self.text.get(above.sign..above.value.start)?;
            behind.trim_end_matches(['\r', '\n']).clone_into(&mut sign);
        }
        let end = self.edits.line_end(at);
        let open = at > 0 && !self.text.get(..at)?.ends_with('\n');
        let line = written(|out| {
            out.put(if open { end } else { b"" });
            out.put(before.as_bytes());
            out.put(sign.as_bytes());
            put_value(out, new);
            out.put(end);
            Ok::<(), ()>(())
        });
        self.edits.put(at..at, line.ok()?);
        Some(())
    }

    /// A new section with an empty line around it.
    fn add_section(&mut self, at: usize, name: &str, node: &Node) -> Option<()> {
        let Node::Map(entries) = node else { return None };
        let new = section(name, entries).ok()?;
        if name.eq_ignore_ascii_case(DEFAULT) {
            return None;
        }
        let end = self.edits.line_end(at);
        let (before, behind) = self.text.split_at_checked(at)?;
        let open = at > 0 && !before.ends_with('\n');
        let closed = behind.trim_start_matches([' ', '\t', '\r']);
        let text = written(|out| {
            out.put(if open { b"\n" } else { b"" });
            out.put(if at > 0 { b"\n" } else { b"" });
            put_sections(out, std::slice::from_ref(&new), None);
            out.put(if closed.is_empty() || closed.starts_with('\n') { b"" } else { b"\n" });
            Ok::<(), ()>(())
        });
        self.edits.put(at..at, replaced(text.ok()?.expose(), b"\n", end));
        Some(())
    }
}
