//! Stores: the forms of a sops file, each read into the same tree and written from it as sops 3.13.2 writes it.

mod json;
mod out;
mod yaml;

use super::error::SecretError;
use super::tree::{Entry, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

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
}

/// Reads a file of `format`.
///
/// # Errors
/// What the form does not allow, with its line and never with a value: the same key twice, text behind the end.
pub(super) fn read(format: SecretFormat, bytes: &[u8]) -> Result<File, SecretError> {
    match format {
        SecretFormat::Json | SecretFormat::Binary => json::read(bytes),
        SecretFormat::Yaml => yaml::read(bytes),
    }
}

/// Writes a file of `format`, byte for byte as sops does. A file without metadata is a clear one.
///
/// # Errors
/// What the form cannot hold.
pub(super) fn write(format: SecretFormat, file: &File, indent: Indent) -> Result<SecretBytes, SecretError> {
    match format {
        SecretFormat::Json | SecretFormat::Binary => json::write(file, indent),
        SecretFormat::Yaml => yaml::write(file, indent),
    }
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
