//! A sops file as lines to compare: each value under its path, as a keyed id unless values are asked for.

use std::collections::BTreeMap;

use super::clear::readers_of;
use super::digest::digest;
use super::document::Opener;
use super::error::SecretError;
use super::opened::{data_key, open, read};
use super::scalar::Leaf;
use super::store::{self, File};
use super::token::PREFIX;
use super::tree::{Comment, Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// How values are shown.
pub enum Shown<'k> {
    /// By an id under this key: equal values of one path have equal ids, and nobody without the key can try values.
    Ids(&'k SecretBytes),
    /// As they are.
    Values,
}

/// Lines `path = value` in the order of the file; then `sops/...` for readers and rules. Each ends with a line end.
///
/// # Errors
/// A file that does not open, where values are asked for. Ids are then those of tokens; a first line says so.
pub fn canonical(
    (bytes, format): (&[u8], SecretFormat),
    opener: &Opener<'_>,
    shown: &Shown<'_>,
) -> Result<SecretBytes, SecretError> {
    let Ok((sealed, metadata)) = read(bytes, format) else { return Ok(clear(bytes, format, shown)) };
    let found = data_key(opener, &metadata).and_then(|key| open(bytes, format, &key));
    let mut lines = Lines { shown, text: Vec::with_capacity(bytes.len()) };
    match (&found, shown) {
        (Ok((file, _)), _) => lines.file(file, Some(&sealed)),
        (Err(error), Shown::Values) => return Err(error.clone()),
        (Err(error), Shown::Ids(_)) => {
            let why = match error {
                SecretError::NoIdentity { .. } => "no key here opens it".to_owned(),
                other => other.to_string(),
            };
            lines.put(&format!("# {why}; ids are those of the encrypted texts"));
            lines.file(&sealed, Some(&sealed));
        }
    }
    let readers = readers_of(bytes, format)?;
    for (index, group) in readers.groups.iter().enumerate() {
        let mut group = group.clone();
        group.sort();
        for reader in group {
            let place = if readers.groups.len() > 1 {
                format!("sops/key_groups/{index}")
            } else {
                "sops/age".to_owned()
            };
            lines.put(&format!("{place} = {reader}"));
        }
    }
    if readers.groups.len() > 1 {
        lines.put(&format!("sops/shamir_threshold = {}", readers.threshold));
    }
    if let Some((name, text)) = metadata.rules.named() {
        lines.put(&format!("sops/{name} = {text}"));
    }
    if metadata.mac_only_encrypted {
        lines.put("sops/mac_only_encrypted = true");
    }
    Ok(SecretBytes::new(lines.text))
}

/// A file that is not encrypted: it may be one that was meant to be.
fn clear(bytes: &[u8], format: SecretFormat, shown: &Shown<'_>) -> SecretBytes {
    let mut lines = Lines { shown, text: Vec::with_capacity(bytes.len()) };
    if bytes.trim_ascii().is_empty() || matches!(shown, Shown::Values) {
        return SecretBytes::new(bytes.to_vec());
    }
    lines.put("# no sops file, or one that cannot be read: its values are in clear text");
    let read = if matches!(format, SecretFormat::Binary) { None } else { store::read(format, bytes).ok() };
    match read {
        Some(file) => lines.file(&file, None),
        None => lines.leaf("data", &Leaf::Text(SecretBytes::new(bytes.to_vec())), true),
    }
    SecretBytes::new(lines.text)
}

struct Lines<'s> {
    shown: &'s Shown<'s>,
    text: Vec<u8>,
}

impl Lines<'_> {
    /// `sealed` tells which values are clear in the file; without it none may be shown.
    fn file(&mut self, file: &File, sealed: Option<&File>) {
        for (index, document) in file.documents.iter().enumerate() {
            let place = if index == 0 { String::new() } else { format!("document {}: ", index + 1) };
            let sealed = sealed.and_then(|file| file.documents.get(index)).map(Vec::as_slice);
            self.entries(document, sealed, &place);
        }
    }

    fn entries(&mut self, entries: &[Entry], sealed: Option<&[Entry]>, path: &str) {
        for (index, entry) in entries.iter().enumerate() {
            let sealed = sealed.and_then(|entries| entries.get(index));
            match entry {
                Entry::Comment(comment) => {
                    let is_clear = matches!(sealed, Some(Entry::Comment(sealed)) if !is_token(&sealed.text));
                    self.comment(path, comment, !is_clear);
                }
                Entry::Pair(key, node) => {
                    let sealed = sealed.and_then(Entry::pair).map(|(_, node)| node);
                    self.node(node, sealed, &format!("{path}{key}"));
                }
            }
        }
    }

    fn node(&mut self, node: &Node, sealed: Option<&Node>, path: &str) {
        match node {
            Node::Leaf(leaf) => {
                let is_clear = matches!(sealed, Some(Node::Leaf(leaf))
                    if !matches!(leaf, Leaf::Text(text) if is_token(text)));
                self.leaf(path, leaf, !is_clear);
            }
            Node::Map(entries) if entries.is_empty() => self.put(&format!("{path} = {{}}")),
            Node::List(items) if items.is_empty() => self.put(&format!("{path} = []")),
            Node::Map(entries) => {
                let sealed = match sealed {
                    Some(Node::Map(entries)) => Some(entries.as_slice()),
                    _ => None,
                };
                self.entries(entries, sealed, &format!("{path}/"));
            }
            Node::List(items) => {
                let mut count = 0;
                for (index, item) in items.iter().enumerate() {
                    let sealed = match sealed {
                        Some(Node::List(items)) => items.get(index),
                        _ => None,
                    };
                    match item {
                        Item::Comment(comment) => {
                            let is_clear =
                                matches!(sealed, Some(Item::Comment(sealed)) if !is_token(&sealed.text));
                            self.comment(&format!("{path}/"), comment, !is_clear);
                        }
                        Item::Node(node) => {
                            self.node(node, sealed.and_then(Item::node), &format!("{path}/{count}"));
                            count += 1;
                        }
                    }
                }
            }
        }
    }

    fn comment(&mut self, path: &str, comment: &Comment, secret: bool) {
        match self.shown {
            Shown::Ids(key) if secret => {
                let id = digest(key, "", "comment", path, &comment.text);
                self.put(&format!("{path}# = <{id}>"));
            }
            _ => {
                let text = String::from_utf8_lossy(comment.text.expose()).into_owned();
                self.put(&format!("{path}# ={text}"));
            }
        }
    }

    fn leaf(&mut self, path: &str, leaf: &Leaf, secret: bool) {
        match self.shown {
            Shown::Ids(key) if secret && leaf.kind().is_some() => {
                let id = digest(key, "", &format!("{:?}", leaf.kind()), path, &leaf.flat());
                self.put(&format!("{path} = <{id}>"));
            }
            _ => {
                self.text.extend_from_slice(path.as_bytes());
                self.text.extend_from_slice(b" = ");
                self.text.extend_from_slice(quoted(leaf).expose());
                self.text.push(b'\n');
            }
        }
    }

    fn put(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
    }
}

/// A value in one line, a text in quotes.
fn quoted(leaf: &Leaf) -> SecretBytes {
    if matches!(leaf, Leaf::Null) {
        return SecretBytes::new(b"null".to_vec());
    }
    // JSON has quotes for a text in a list.
    let list = Node::List(vec![Item::Node(Node::Leaf(leaf.clone()))]);
    let Ok(text) = store::write_value(SecretFormat::Json, &list, store::Indent::Default) else {
        return leaf.flat();
    };
    let inner = text.expose().trim_ascii();
    let inner = inner.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(inner);
    SecretBytes::new(inner.trim_ascii().to_vec())
}

fn is_token(text: &SecretBytes) -> bool {
    text.expose().starts_with(PREFIX.as_bytes())
}

/// The lines of two canonical texts that only one of both has: gone ones with `-`, new ones with `+`, in their order; a
/// path that both have is one line, `~ path <changed>`, unless `reveal`.
#[must_use]
pub fn compared(old: &SecretBytes, new: &SecretBytes, reveal: bool) -> SecretBytes {
    let (old, new) = (lines(old), lines(new));
    let mut out = Vec::new();
    let mut put = |sign: &[u8], line: &[u8]| {
        out.extend_from_slice(sign);
        out.extend_from_slice(line);
        out.push(b'\n');
    };
    let mut counted: BTreeMap<&[u8], i64> = BTreeMap::new();
    for line in &new {
        *counted.entry(line).or_default() += 1;
    }
    let mut gone = Vec::new();
    for line in old {
        match counted.get_mut(line) {
            Some(count @ 1..) => *count -= 1,
            _ => gone.push(line),
        }
    }
    let mut fresh: Vec<&[u8]> = Vec::new();
    for line in new.into_iter().rev() {
        if let Some(count @ 1..) = counted.get_mut(line) {
            *count -= 1;
            fresh.push(line);
        }
    }
    fresh.reverse();
    for line in gone {
        let other = fresh.iter().position(|new| path(new) == path(line) && !many(line));
        match other {
            Some(at) => {
                let new = fresh.remove(at);
                if reveal {
                    put(b"- ", line);
                    put(b"+ ", new);
                } else {
                    put(b"~ ", &[path(line), b" <changed>"].concat());
                }
            }
            None => put(b"- ", line),
        }
    }
    for line in fresh {
        put(b"+ ", line);
    }
    SecretBytes::new(out)
}

fn lines(text: &SecretBytes) -> Vec<&[u8]> {
    text.expose().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}

fn path(line: &[u8]) -> &[u8] {
    let at = line.windows(2).position(|two| two == b" =").unwrap_or(line.len());
    line.get(..at).unwrap_or(line)
}

/// Readers and comments, of which a path has several.
fn many(line: &[u8]) -> bool {
    line.starts_with(b"sops/age") || line.starts_with(b"sops/key_groups") || path(line).ends_with(b"#")
}
