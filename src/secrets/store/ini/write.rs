//! Writing INI: keys aligned, an empty line between sections.

use super::{DEFAULT, METADATA};
use crate::secrets::error::SecretError;
use crate::secrets::flatten::flatten;
use crate::secrets::scalar::Leaf;
use crate::secrets::store::out::{Out, replaced, written};
use crate::secrets::store::{self, File};
use crate::secrets::tree::{Entry, Node};
use crate::secrets::value::SecretBytes;

/// A key, its value and the comment above it.
type Line<'n> = (&'n str, SecretBytes, Option<&'n SecretBytes>);

/// A section as it is written.
pub(super) struct Section<'n> {
    name: &'n str,
    comment: Option<&'n SecretBytes>,
    lines: Vec<Line<'n>>,
}

/// Writes the file: keys aligned, an empty line between sections.
pub(in crate::secrets::store) fn write(file: &File) -> Result<SecretBytes, SecretError> {
    let document = store::only(file, "INI")?;
    let mut sections = Vec::new();
    for entry in document {
        // Comments between sections have no place; reading never makes any.
        let Entry::Pair(name, node) = entry else { continue };
        let Node::Map(entries) = node else {
            let reason = "is no map, which a section of an INI file must be";
            return Err(SecretError::Key { path: name.clone(), reason });
        };
        sections.push(section(name, entries)?);
    }
    let metadata = file.metadata.as_ref().map(|metadata| flatten(metadata, ""));
    if let Some(flat) = &metadata {
        let line = |(key, leaf): &'_ (String, &Leaf)| {
            let value = replaced(leaf.flat().expose(), b"\n", b"\\n");
            (key.clone(), value)
        };
        let lines: Vec<_> = flat.iter().map(line).collect();
        let lines_of = |out: &mut Out| {
            let lines = lines.iter().map(|(key, value)| (key.as_str(), value.clone(), None)).collect();
            let own = Section { name: METADATA, comment: None, lines };
            put_sections(out, &sections, Some(&own));
            Ok(())
        };
        return written(lines_of);
    }
    written(|out| {
        put_sections(out, &sections, None);
        Ok(())
    })
}

/// What is written of a section.
///
/// # Errors
/// A map or list in it.
pub(super) fn section<'n>(name: &'n str, entries: &'n [Entry]) -> Result<Section<'n>, SecretError> {
    let mut found = Section { name, comment: None, lines: Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        match (entry, found.lines.last_mut()) {
            (Entry::Comment(comment), None) if index == 0 => found.comment = Some(&comment.text),
            (Entry::Comment(_), None) => {}
            (Entry::Comment(comment), Some((_, _, above))) => *above = Some(&comment.text),
            (Entry::Pair(key, Node::Leaf(leaf)), _) => found.lines.push((key, leaf.flat(), None)),
            (Entry::Pair(key, _), _) => {
                let reason = "is a map or list, which a section of an INI file cannot hold";
                return Err(SecretError::Key { path: format!("{name}/{key}"), reason });
            }
        }
    }
    Ok(found)
}

/// Sections, one after the other.
pub(super) fn put_sections(out: &mut Out, sections: &[Section<'_>], last: Option<&Section<'_>>) {
    let count = sections.len() + usize::from(last.is_some());
    for (index, section) in sections.iter().chain(last).enumerate() {
        if let Some(comment) = section.comment {
            put_comment(out, comment, false);
        }
        if index > 0 || !section.name.eq_ignore_ascii_case(DEFAULT) {
            out.put(b"[");
            out.put(section.name.as_bytes());
            out.put(b"]\n");
        } else if section.lines.is_empty() {
            continue;
        }
        let widest = section.lines.iter().map(|(key, ..)| quoted(key).len()).max().unwrap_or(0);
        for (key, value, comment) in &section.lines {
            if let Some(comment) = comment {
                put_comment(out, comment, true);
            }
            let key = quoted(key);
            out.put(key.as_bytes());
            out.repeat(widest.saturating_sub(key.len()), b" ");
            out.put(b" = ");
            put_value(out, value.expose());
            out.put(b"\n");
        }
        if index + 1 < count {
            out.put(b"\n");
        }
    }
}

/// A key in the quotes that it needs.
pub(super) fn quoted(key: &str) -> String {
    if key.contains(['"', '=', ':']) {
        format!("`{key}`")
    } else if key.contains('`') {
        format!("\"\"\"{key}\"\"\"")
    } else {
        key.to_owned()
    }
}

/// A value in the quotes that it needs.
pub(super) fn put_value(out: &mut Out, value: &[u8]) {
    let has = |signs: &[u8]| value.iter().any(|byte| signs.contains(byte));
    let trimmed = std::str::from_utf8(value).map_or(value.trim_ascii().len(), |text| text.trim().len());
    let quote: &[u8] = match value {
        _ if has(b"\n`") => b"\"\"\"",
        _ if has(b"#;") => b"`",
        _ if trimmed != value.len() => b"\"",
        _ => b"",
    };
    for part in [quote, value, quote] {
        out.put(part);
    }
}

/// A comment, a sign before each line; `trim` as above a key.
fn put_comment(out: &mut Out, comment: &SecretBytes, trim: bool) {
    if comment.expose().is_empty() {
        return;
    }
    for line in comment.expose().split(|byte| *byte == b'\n') {
        let text = if let [b'#' | b';', text @ ..] = line {
            out.put(line.get(..1).unwrap_or_default());
            text.trim_ascii()
        } else {
            out.put(b";");
            if trim { line.trim_ascii() } else { line }
        };
        out.put(b" ");
        out.put(text);
        out.put(b"\n");
    }
}
