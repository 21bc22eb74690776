//! Single values by sops's paths: `["a"]["b"][0]`.

use super::document::Document;
use super::error::SecretError;
use super::store::{self, File, Indent};
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl Document {
    /// What `sops decrypt --extract PATH` prints: a text as it is, another scalar as the form writes it, a map as a
    /// whole file. Comments in lists are not counted.
    ///
    /// # Errors
    /// A path that is none, or that leads nowhere; what the form cannot hold.
    pub fn extract(mut self, path: &str, format: SecretFormat) -> Result<SecretBytes, SecretError> {
        let wrong = |reason| SecretError::Key { path: path.to_owned(), reason };
        let steps = steps(path).ok_or_else(|| wrong("is no path: write it as `[\"key\"][0]`"))?;
        let first = self.file.documents.first_mut().map(std::mem::take).unwrap_or_default();
        let found = steps.iter().try_fold(Node::Map(first), |node, step| child(node, step));
        match found.ok_or_else(|| wrong("is not in the file"))? {
            Node::Map(entries) => {
                let rest = self.file.documents.into_iter().skip(1);
                let documents = std::iter::once(entries).chain(rest).collect();
                store::write(format, &File { documents, metadata: None }, Indent::Default)
            }
            other => store::write_value(format, &other),
        }
    }
}

fn child(node: Node, step: &Step<'_>) -> Option<Node> {
    match (node, step) {
        (Node::Map(entries), Step::Key(key)) => entries.into_iter().find_map(|entry| match entry {
            Entry::Pair(name, node) if name == *key => Some(node),
            _ => None,
        }),
        (Node::List(items), Step::Index(index)) => {
            let mut nodes = items.into_iter().filter_map(|item| match item {
                Item::Node(node) => Some(node),
                Item::Comment(_) => None,
            });
            nodes.nth(*index)
        }
        _ => None,
    }
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        rest = rest.strip_prefix('[')?;
        if let Some(quote) = rest.chars().next().filter(|sign| matches!(sign, '"' | '\'')) {
            let (key, behind) = rest.get(1..)?.split_once(quote)?;
            steps.push(Step::Key(key));
            rest = behind.strip_prefix(']')?;
        } else {
            let (index, behind) = rest.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            rest = behind;
        }
    }
    if steps.is_empty() { None } else { Some(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_keys_in_quotes_and_positions() {
        let read = |path| steps(path).map(|steps| steps.len());
        assert_eq!(read(r#"["a"]['b c'][0]"#), Some(3));
        for bad in ["", "a", "[a]", r#"["a"#, r#"["a"]b"#, "[-1]", r#"["a"x]"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
