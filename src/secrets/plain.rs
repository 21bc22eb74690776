//! A decrypted tree, and how a whole one is written.

use super::scalar::{Leaf, yaml as resolve};
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;
use crate::source::Scalar;

/// Why there is nothing at a path.
pub(super) const ABSENT: &str = "is not in the file";

/// A decrypted tree. Has no `Debug`.
pub(super) enum Plain {
    /// Null.
    Null,
    /// A value as `sops decrypt` prints it.
    Value {
        /// Its bytes.
        bytes: SecretBytes,
        /// True for text, which may need quotes; false for numbers, booleans and times.
        text: bool,
        /// True when the MAC covers it.
        covered: bool,
    },
    /// A list.
    List(Vec<Plain>),
    /// A map in the order of the file.
    Map(Vec<(String, Plain)>),
}

impl Plain {
    /// A leaf; `covered` when it went into the MAC.
    pub(super) fn new(leaf: Leaf, format: SecretFormat, covered: bool) -> Self {
        // JSON has no times; the store writes them as text.
        let yaml = matches!(format, SecretFormat::Yaml);
        let text = matches!(leaf, Leaf::Text(_)) || (!yaml && matches!(leaf, Leaf::Time(_)));
        leaf.printed(format).map_or(Self::Null, |bytes| Self::Value { bytes, text, covered })
    }

    /// The value at keys and list positions joined by `/`, or why there is none. A key that itself holds `/` is found
    /// too.
    pub(super) fn at(&self, path: &str) -> Result<&Self, &'static str> {
        match self {
            Self::Map(entries) => {
                let child = |key: &str| entries.iter().find(|(name, _)| name == key).map(|(_, value)| value);
                let below = |(at, _)| Some(child(path.get(..at)?)?.at(path.get(at + 1..)?));
                match child(path) {
                    Some(found) => Ok(found),
                    None => path.match_indices('/').find_map(below).unwrap_or(Err(ABSENT)),
                }
            }
            Self::List(items) => {
                let (head, tail) =
                    path.split_once('/').map_or((path, None), |(head, tail)| (head, Some(tail)));
                let item = head.parse().ok().and_then(|at: usize| items.get(at)).ok_or(ABSENT)?;
                if items.iter().any(|item| matches!(item, Self::List(_)) || !item.is_covered()) {
                    return Err(
                        "stands in a list with empty or nested items, whose positions sops does not \
                                authenticate (give it a key of its own)",
                    );
                }
                tail.map_or(Ok(item), |tail| item.at(tail))
            }
            Self::Null | Self::Value { .. } => Err(ABSENT),
        }
    }

    /// The entries of a JSON document as the store writes them.
    pub(super) fn entries(&self) -> Vec<Entry> {
        match self {
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| Entry::Pair(key.clone(), value.node())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn node(&self) -> Node {
        match self {
            Self::Null => Node::Leaf(Leaf::Null),
            Self::Value { bytes, text: true, .. } => Node::text(bytes.expose()),
            Self::Value { bytes, .. } => {
                let word = std::str::from_utf8(bytes.expose()).unwrap_or_default();
                let clear = Scalar { text: word.to_owned(), plain: true, tag: None };
                Node::Leaf(Leaf::clear(&clear, SecretFormat::Json).unwrap_or(Leaf::Null))
            }
            Self::List(items) => Node::List(items.iter().map(|item| Item::Node(item.node())).collect()),
            Self::Map(_) => Node::Map(self.entries()),
        }
    }

    /// True when something in it is in the MAC, so that it cannot have been added unseen.
    fn is_covered(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Value { bytes, covered, .. } => *covered && !bytes.expose().is_empty(),
            Self::List(items) => items.iter().any(Self::is_covered),
            Self::Map(entries) => entries.iter().any(|(_, value)| value.is_covered()),
        }
    }
}

/// A growing text that is wiped when dropped: it is measured first, so that it never moves.
struct Out {
    bytes: Vec<u8>,
    measuring: bool,
    length: usize,
}

impl Out {
    fn put(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if !self.measuring {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn indent(&mut self, depth: usize, unit: &[u8]) {
        for _ in 0..depth {
            self.put(unit);
        }
    }
}

fn written(write: impl Fn(&mut Out)) -> SecretBytes {
    let mut measure = Out { bytes: Vec::new(), measuring: true, length: 0 };
    write(&mut measure);
    let mut out = Out { bytes: Vec::with_capacity(measure.length), measuring: false, length: 0 };
    write(&mut out);
    SecretBytes::new(out.bytes)
}

/// A JSON string with Go's escapes; bytes that are no UTF-8 become U+FFFD, as in Go.
fn json_text(out: &mut Out, bytes: &[u8]) {
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
        if !chunk.invalid().is_empty() {
            out.put(b"\\ufffd");
        }
    }
    out.put(b"\"");
}

/// YAML with the values of all documents; text is plain where that is safe and else a JSON string.
pub(super) fn yaml(documents: &[Plain]) -> SecretBytes {
    written(|out| {
        for (index, document) in documents.iter().enumerate() {
            if index > 0 {
                out.put(b"---\n");
            }
            match document {
                Plain::Map(entries) if !entries.is_empty() => yaml_map(out, entries, 0),
                other => yaml_inline(out, other, 0),
            }
        }
    })
}

fn yaml_map(out: &mut Out, entries: &[(String, Plain)], depth: usize) {
    for (key, value) in entries {
        out.indent(depth, b"    ");
        yaml_text(out, key.as_bytes());
        out.put(b":");
        yaml_child(out, value, depth + 1);
    }
}

fn yaml_child(out: &mut Out, node: &Plain, depth: usize) {
    match node {
        Plain::Map(entries) if !entries.is_empty() => {
            out.put(b"\n");
            yaml_map(out, entries, depth);
        }
        Plain::List(items) if !items.is_empty() => {
            out.put(b"\n");
            for item in items {
                out.indent(depth, b"    ");
                out.put(b"-");
                yaml_child(out, item, depth + 1);
            }
        }
        _ => {
            out.put(b" ");
            yaml_inline(out, node, depth);
        }
    }
}

fn yaml_inline(out: &mut Out, node: &Plain, _depth: usize) {
    match node {
        Plain::Null => out.put(b"null"),
        Plain::Value { bytes, text: true, .. } => yaml_text(out, bytes.expose()),
        Plain::Value { bytes, text: false, .. } => out.put(bytes.expose()),
        Plain::List(_) => out.put(b"[]"),
        Plain::Map(_) => out.put(b"{}"),
    }
    out.put(b"\n");
}

fn yaml_text(out: &mut Out, bytes: &[u8]) {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./+-".contains(byte);
    let starts_well = bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'/');
    // Old readers take these for booleans.
    let boolean =
        [&b"y"[..], b"n", b"yes", b"no", b"on", b"off"].iter().any(|word| bytes.eq_ignore_ascii_case(word));
    let is_text = std::str::from_utf8(bytes).is_ok_and(|word| matches!(resolve(word), Leaf::Text(_)));
    if starts_well && is_text && !boolean && bytes.iter().all(safe) {
        out.put(bytes);
    } else {
        json_text(out, bytes);
    }
}
