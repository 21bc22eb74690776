//! One line of a dotenv file changed, all others kept as they are written.

use std::ops::Range;

use super::PREFIX;
use crate::secrets::flatten::flatten;
use crate::secrets::path::Step;
use crate::secrets::scalar::Leaf;
use crate::secrets::store::edits::Edits;
use crate::secrets::store::out::{replaced, written};
use crate::secrets::store::{Change, node_at};
use crate::secrets::tree::Node;
use crate::secrets::value::SecretBytes;

/// A line that is no blank one.
struct Line<'t> {
    /// With its line end.
    whole: Range<usize>,
    /// Nothing for a comment.
    pair: Option<(&'t [u8], Range<usize>)>,
}

/// The text with the change; nothing where it cannot be made in a line.
pub(in crate::secrets::store) fn spliced(bytes: &[u8], change: &Change<'_>) -> Option<SecretBytes> {
    let [Step::Key(key)] = change.path else { return None };
    let lines = lines(bytes)?;
    let find = |name: &str| {
        let mut pairs = lines.iter().filter_map(|line| Some((line, line.pair.as_ref()?)));
        pairs.find(|(_, (key, _))| *key == name.as_bytes()).map(|(line, (_, value))| (line, value.clone()))
    };
    let mut edits = Edits::new(bytes);
    for (name, text) in [("mac", change.mac), ("lastmodified", change.lastmodified)] {
        let (_, value) = find(&format!("{PREFIX}{name}"))?;
        edits.put(value, SecretBytes::new(text.as_bytes().to_vec()));
    }
    let value = match change.document {
        None => None,
        Some(document) => match node_at(document, change.path)? {
            Node::Leaf(leaf) => Some(leaf),
            _ => return None,
        },
    };
    match (value, find(key)) {
        (None, None) => return None,
        (None, Some((line, _))) => edits.put(line.whole.clone(), SecretBytes::new(Vec::new())),
        (Some(leaf), Some((_, place))) => edits.put(place, replaced(leaf.flat().expose(), b"\n", b"\\n")),
        (Some(leaf), None) => add(&mut edits, bytes, &lines, key, leaf)?,
    }
    edits.applied()
}

/// The text with another `sops` section; nothing where a line of it is not one.
pub(in crate::secrets::store) fn resectioned(bytes: &[u8], section: &Node) -> Option<SecretBytes> {
    let lines = lines(bytes)?;
    let old = lines.iter().filter_map(|line| {
        let (key, value) = line.pair.as_ref()?;
        let key = std::str::from_utf8(key).ok().filter(|key| key.starts_with(PREFIX))?;
        Some((key, line.whole.clone(), value.clone()))
    });
    let new = flatten(section, PREFIX).into_iter();
    let new: Vec<_> = new.map(|(key, leaf)| (key, replaced(leaf.flat().expose(), b"\n", b"\\n"))).collect();
    let mut edits = Edits::new(bytes);
    let line = |key: &str, value: &SecretBytes| {
        SecretBytes::new([key.as_bytes(), b"=", value.expose(), b"\n"].concat())
    };
    edits.put_flat(&old.collect::<Vec<_>>(), &new, line)?;
    edits.applied()
}

/// A new line below the last one that is not metadata.
fn add(edits: &mut Edits<'_>, bytes: &[u8], lines: &[Line<'_>], key: &str, leaf: &Leaf) -> Option<()> {
    let is_metadata =
        |line: &&Line<'_>| line.pair.as_ref().is_some_and(|(key, _)| key.starts_with(PREFIX.as_bytes()));
    let last = lines.iter().rfind(|line| !is_metadata(line));
    let at = last.map_or_else(|| lines.first().map_or(0, |line| line.whole.start), |line| line.whole.end);
    // The last line of a file may have no end.
    let open = at > 0 && !bytes.get(..at)?.ends_with(b"\n");
    let line = written(|out| {
        out.put(if open { b"\n" } else { b"" });
        super::pair(out, key, leaf)?;
        out.put(b"\n");
        Ok::<(), crate::secrets::error::SecretError>(())
    });
    edits.put(at..at, line.ok()?);
    Some(())
}

fn lines(bytes: &[u8]) -> Option<Vec<Line<'_>>> {
    let (mut lines, mut at) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let pair = match text.first() {
            None => continue,
            Some(b'#') => None,
            Some(_) => {
                let sign = text.iter().position(|byte| *byte == b'=')?;
                Some((text.get(..sign)?, start + sign + 1..start + text.len()))
            }
        };
        lines.push(Line { whole: start..at, pair });
    }
    Some(lines)
}
