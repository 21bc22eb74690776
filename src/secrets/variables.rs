//! The values of a document as variables of an environment, as `sops exec-env` makes them.

use super::document::Document;
use super::error::SecretError;
use super::tree::{Entry, Node};
use super::value::SecretBytes;

impl Document {
    /// Keys and values of the first document, which must all be scalars; another one than a text is what sops prints for it.
    ///
    /// # Errors
    /// A map or list, a key with `=` or without a letter, a value with a zero byte: no environment holds those.
    pub fn variables(&self) -> Result<Vec<(String, SecretBytes)>, SecretError> {
        let entries = self.file.documents.first().map_or(&[][..], Vec::as_slice);
        let one = |(key, node): (&str, &Node)| {
            let wrong = |reason| SecretError::Key { path: key.to_owned(), reason };
            let Node::Leaf(leaf) = node else {
                return Err(wrong("is a map or list, which no variable holds"));
            };
            if key.is_empty() || key.contains(['=', '\0']) {
                return Err(wrong("is no name that a variable may have"));
            }
            let value = leaf.flat();
            if value.expose().contains(&0) {
                return Err(wrong("holds a zero byte, which no variable may hold"));
            }
            Ok((key.to_owned(), value))
        };
        entries.iter().filter_map(Entry::pair).map(one).collect()
    }
}
