//! Single values by sops's paths: `["a"]["b"][0]`.

use super::document::Document;
use super::error::SecretError;
use super::path::{Step, parse_path};
use super::store::{self, File, Indent};
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

impl Document {
    /// What `sops decrypt --extract PATH` prints: a text as it is, another scalar as the form writes it, a map as a
    /// whole file, in YAML with the other documents behind it. Comments in lists are counted.
    ///
    /// # Errors
    /// A path that is none, or that leads nowhere; what the form cannot hold.
    pub fn extract(mut self, path: &str, format: SecretFormat) -> Result<SecretBytes, SecretError> {
        let wrong = |reason| SecretError::Key { path: path.to_owned(), reason };
        let indent = self.indent(format);
        let first = self.file.documents.first_mut().map(std::mem::take).unwrap_or_default();
        let found = parse_path(path)?.iter().try_fold(Node::Map(first), child);
        match found.map_err(wrong)? {
            Node::Map(entries) => {
                // Only YAML can hold them, and they were not asked for.
                let most = if matches!(format, SecretFormat::Yaml) { usize::MAX } else { 0 };
                let rest = self.file.documents.into_iter().skip(1).take(most);
                let documents = std::iter::once(entries).chain(rest).collect();
                store::write(format, &File { documents, metadata: None }, indent?)
            }
            other => {
                let nests = matches!(other, Node::List(_)) && matches!(format, SecretFormat::Json);
                let indent = if nests { indent? } else { Indent::Default };
                store::write_value(format, &other, indent)
            }
        }
    }
}

fn child(node: Node, step: &Step) -> Result<Node, &'static str> {
    const ABSENT: &str = "is not in the file";
    match (node, step) {
        (Node::Map(entries), Step::Key(key)) => {
            let value = |entry| match entry {
                Entry::Pair(name, node) if name == *key => Some(node),
                _ => None,
            };
            entries.into_iter().find_map(value).ok_or(ABSENT)
        }
        (Node::List(items), Step::Index(index)) => match items.into_iter().nth(*index) {
            Some(Item::Node(node)) => Ok(node),
            Some(Item::Comment(_)) => Err("is a comment (positions in a list count comments)"),
            None => Err(ABSENT),
        },
        _ => Err(ABSENT),
    }
}
