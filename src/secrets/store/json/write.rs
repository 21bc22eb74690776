//! Writing JSON: Go's escapes, tabs or blanks.

use zeroize::Zeroizing;

use crate::secrets::error::SecretError;
use crate::secrets::number::json_float;
use crate::secrets::scalar::Leaf;
use crate::secrets::store::out::{Out, written};
use crate::secrets::store::{File, Indent, only};
use crate::secrets::tree::{Entry, Item, Node};
use crate::secrets::value::SecretBytes;

/// Writes the file, a newline at the end.
pub(in crate::secrets::store) fn write(file: &File, indent: Indent) -> Result<SecretBytes, SecretError> {
    let document = only(file, "JSON")?;
    written(|out| {
        let pairs =
            document.iter().filter_map(Entry::pair).chain(file.metadata.iter().map(|node| ("sops", node)));
        map(out, pairs, 0, indent)?;
        out.put(b"\n");
        Ok(())
    })
}

/// Writes a value without a line break at its end.
pub(in crate::secrets::store) fn write_value(
    node: &Node,
    indent: Indent,
) -> Result<SecretBytes, SecretError> {
    written(|out| json(out, node, 0, indent))
}

fn json(out: &mut Out, node: &Node, depth: usize, indent: Indent) -> Result<(), SecretError> {
    match node {
        Node::Map(entries) => return map(out, entries.iter().filter_map(Entry::pair), depth, indent),
        Node::List(items) => return list(out, items, depth, indent),
        Node::Leaf(Leaf::Null) => out.put(b"null"),
        Node::Leaf(Leaf::Text(bytes)) => string(out, bytes.expose()),
        Node::Leaf(Leaf::Time(time)) => string(out, time.nanoseconds().as_bytes()),
        Node::Leaf(Leaf::Bool(value)) => out.put(if *value { b"true" } else { b"false" }),
        Node::Leaf(Leaf::Int(value)) => out.put(Zeroizing::new(value.to_string()).as_bytes()),
        Node::Leaf(Leaf::Float(value)) if value.is_finite() => {
            out.put(Zeroizing::new(json_float(*value)).as_bytes());
        }
        Node::Leaf(Leaf::Float(_)) => {
            return Err(SecretError::Syntax("JSON has no number for infinity and NaN".to_owned()));
        }
    }
    Ok(())
}

fn map<'n>(
    out: &mut Out,
    pairs: impl Iterator<Item = (&'n str, &'n Node)>,
    depth: usize,
    indent: Indent,
) -> Result<(), SecretError> {
    out.put(b"{");
    let mut empty = true;
    for (key, node) in pairs {
        line(out, &mut empty, depth + 1, indent);
        string(out, key.as_bytes());
        out.put(b": ");
        json(out, node, depth + 1, indent)?;
    }
    close(out, b"}", empty, depth, indent);
    Ok(())
}

fn list(out: &mut Out, items: &[Item], depth: usize, indent: Indent) -> Result<(), SecretError> {
    out.put(b"[");
    let mut empty = true;
    for item in items {
        let Item::Node(node) = item else { continue };
        line(out, &mut empty, depth + 1, indent);
        json(out, node, depth + 1, indent)?;
    }
    close(out, b"]", empty, depth, indent);
    Ok(())
}

fn line(out: &mut Out, empty: &mut bool, depth: usize, indent: Indent) {
    out.put(if *empty { b"\n" } else { b",\n" });
    *empty = false;
    step(out, depth, indent);
}

fn close(out: &mut Out, sign: &[u8], empty: bool, depth: usize, indent: Indent) {
    if !empty {
        out.put(b"\n");
        step(out, depth, indent);
    }
    out.put(sign);
}

fn step(out: &mut Out, depth: usize, indent: Indent) {
    match indent {
        Indent::Default => out.repeat(depth, b"\t"),
        Indent::Blanks(count) => out.repeat(depth * usize::from(count), b" "),
    }
}

/// A JSON string with Go's escapes; bytes that are no UTF-8 become U+FFFD, as in Go.
fn string(out: &mut Out, bytes: &[u8]) {
    out.put(b"\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => out.put(b"\\\""),
                '\\' => out.put(b"\\\\"),
                '\n' => out.put(b"\\n"),
                '\r' => out.put(b"\\r"),
                '\t' => out.put(b"\\t"),
                '\u{8}' => out.put(b"\\b"),
                '\u{c}' => out.put(b"\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                    out.put(format!("\\u{:04x}", u32::from(letter)).as_bytes());
                }
                _ => out.put(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for _ in chunk.invalid() {
            out.put(b"\\ufffd");
        }
    }
    out.put(b"\"");
}
