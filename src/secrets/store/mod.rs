//! Stores: the forms of a sops file, each read into the same tree and written from it as sops 3.13.2 writes it.

mod dotenv;
mod edits;
mod ini;
mod json;
mod out;
mod yaml;

pub(super) use self::yaml::{Change, node_at};

use std::collections::HashMap;

use super::error::SecretError;
use super::scalar::Leaf;
use super::tree::{Entry, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// How the tokens of values start in a text.
const TOKEN: &[u8] = b"ENC[";

/// A file, clear or encrypted.
pub(super) struct File {
    /// Its documents without their `sops` section; only YAML may have several.
    pub(super) documents: Vec<Vec<Entry>>,
    /// The `sops` section of the first document, where there is one; flattened forms are unflattened.
    pub(super) metadata: Option<Node>,
}

/// How far a nested line is moved to the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indent {
    /// What sops does without a configuration: a tab in JSON, four blanks in YAML.
    Default,
    /// So many blanks; YAML takes two where they are less than two or more than nine.
    Blanks(u8),
}

impl Indent {
    /// How the first line of a file that is further to the right than its top is moved there.
    pub(super) fn of(format: SecretFormat, bytes: &[u8]) -> Self {
        let (comment, most) = match format {
            SecretFormat::Yaml => (b'#', 9),
            _ => (b'/', u8::MAX),
        };
        let mut lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let words = line.trim_ascii_start();
            let first = words.first().filter(|first| **first != comment && **first != b'-')?;
            let blanks = line.get(..line.len() - words.len())?;
            (*first != b'\r' && !blanks.is_empty()).then_some(blanks)
        });
        match lines.next() {
            Some(blanks) if blanks.iter().all(|byte| *byte == b' ') => {
                u8::try_from(blanks.len()).map_or(Self::Default, |count| Self::Blanks(count.min(most)))
            }
            _ => Self::Default,
        }
    }
}

/// Reads a file of `format`; a binary one is an encrypted one.
///
/// # Errors
/// What the form does not allow, with its line and never with a value: the same key twice, text behind the end.
pub(super) fn read(format: SecretFormat, bytes: &[u8]) -> Result<File, SecretError> {
    match format {
        SecretFormat::Yaml => yaml::read(bytes),
        SecretFormat::Json | SecretFormat::Binary => json::read(bytes),
        SecretFormat::Dotenv => dotenv::read(bytes),
        SecretFormat::Ini => ini::read(bytes),
    }
}

/// Writes a file of `format`, byte for byte as sops does. A file without metadata is a clear one.
///
/// # Errors
/// What the form cannot hold.
pub(super) fn write(format: SecretFormat, file: &File, indent: Indent) -> Result<SecretBytes, SecretError> {
    match format {
        SecretFormat::Yaml => yaml::write(file, indent),
        SecretFormat::Binary if file.metadata.is_none() => binary(file),
        SecretFormat::Json | SecretFormat::Binary => json::write(file, indent),
        SecretFormat::Dotenv => dotenv::write(file),
        SecretFormat::Ini => ini::write(file),
    }
}

/// Writes one value as `sops decrypt --extract` prints it; in YAML a list does not know of `indent` there.
///
/// # Errors
/// What the form has no text for.
pub(super) fn write_value(
    format: SecretFormat,
    node: &Node,
    indent: Indent,
) -> Result<SecretBytes, SecretError> {
    let no_text = |reason| Err(SecretError::Key { path: "--extract".to_owned(), reason });
    match (format, node) {
        (_, Node::Leaf(Leaf::Text(bytes))) => Ok(bytes.clone()),
        (SecretFormat::Json, _) | (SecretFormat::Ini, Node::Leaf(_)) => json::write_value(node, indent),
        (SecretFormat::Ini, _) => no_text("leads to a list, which an INI file cannot hold"),
        (SecretFormat::Yaml, Node::Leaf(leaf)) => {
            let word = leaf.printed(format).unwrap_or_else(|| SecretBytes::new(b"null".to_vec()));
            Ok(SecretBytes::new([word.expose(), b"\n"].concat()))
        }
        (SecretFormat::Yaml, _) => yaml::write_value(node),
        (SecretFormat::Dotenv, _) => no_text("leads to no text, and a dotenv file holds nothing else"),
        (SecretFormat::Binary, _) => no_text("leads to no text, and a binary file holds nothing else"),
    }
}

/// The bytes of a binary file: the text under its only key.
fn binary(file: &File) -> Result<SecretBytes, SecretError> {
    let data = only(file, "a binary file")?.iter().filter_map(Entry::pair).find(|(key, _)| *key == "data");
    match data {
        Some((_, Node::Leaf(Leaf::Text(bytes)))) => Ok(bytes.clone()),
        _ => {
            Err(SecretError::Key { path: "data".to_owned(), reason: "holds no text, as a binary file must" })
        }
    }
}

/// The text of a file with a change, where it can be made by exchanging parts of the text.
pub(super) fn spliced(format: SecretFormat, bytes: &[u8], change: &Change<'_>) -> Option<SecretBytes> {
    let text = std::str::from_utf8(bytes);
    match format {
        SecretFormat::Dotenv => dotenv::spliced(bytes, change),
        SecretFormat::Ini => ini::spliced(text.ok()?, change),
        SecretFormat::Yaml | SecretFormat::Json => {
            let words = yaml::spliced(text.ok()?, matches!(format, SecretFormat::Json), change)?;
            Some(SecretBytes::new(words.as_bytes().to_vec()))
        }
        SecretFormat::Binary => None,
    }
}

/// The text with other tokens in the place of its own and another `sops` section, where that can be exchanged in it.
pub(super) fn refitted(
    format: SecretFormat,
    bytes: &[u8],
    tokens: &[(SecretBytes, SecretBytes)],
    section: &Node,
) -> Option<SecretBytes> {
    let text = std::str::from_utf8(bytes);
    let resectioned = match format {
        SecretFormat::Dotenv => dotenv::resectioned(bytes, section)?,
        SecretFormat::Ini => ini::resectioned(text.ok()?, section)?,
        SecretFormat::Yaml | SecretFormat::Json | SecretFormat::Binary => {
            let is_json = !matches!(format, SecretFormat::Yaml);
            SecretBytes::new(yaml::resectioned(text.ok()?, is_json, section)?.as_bytes().to_vec())
        }
    };
    let known: HashMap<&[u8], &[u8]> = tokens.iter().map(|(old, new)| (old.expose(), new.expose())).collect();
    let mut out = Vec::with_capacity(resectioned.expose().len());
    let mut rest = resectioned.expose();
    while let Some(at) = rest.windows(TOKEN.len()).position(|window| window == TOKEN) {
        let (before, token) = rest.split_at(at);
        let end = token.iter().position(|byte| *byte == b']')? + 1;
        let (token, behind) = token.split_at(end);
        out.extend_from_slice(before);
        out.extend_from_slice(known.get(token).copied().unwrap_or(token));
        rest = behind;
    }
    out.extend_from_slice(rest);
    Some(SecretBytes::new(out))
}

/// An error at a byte of a file.
fn wrong(bytes: &[u8], at: usize, what: &str) -> SecretError {
    let before = bytes.get(..at.min(bytes.len())).unwrap_or(bytes);
    let lines = before.split(|byte| *byte == b'\n');
    let column = lines.clone().next_back().map_or(0, <[u8]>::len) + 1;
    let line = lines.count();
    SecretError::Syntax(format!("line {line} column {column}: {what}"))
}

/// Takes the value of a key out of a map.
fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Node> {
    let at = entries.iter().position(|entry| matches!(entry, Entry::Pair(name, _) if name == key))?;
    match entries.remove(at) {
        Entry::Pair(_, node) => Some(node),
        Entry::Comment(_) => None,
    }
}

/// The entries of a file of a form that has no more than one document.
fn only<'f>(file: &'f File, form: &str) -> Result<&'f [Entry], SecretError> {
    match file.documents.as_slice() {
        [] => Ok(&[]),
        [only] => Ok(only),
        _ => Err(SecretError::Syntax(format!("has several documents, which {form} cannot hold"))),
    }
}
