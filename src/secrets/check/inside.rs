//! The values and comments of an encrypted file, as far as they can be judged without its data key.

use crate::secrets::metadata::Metadata;
use crate::secrets::rules::Active;
use crate::secrets::scalar::Leaf;
use crate::secrets::token::{PREFIX, Token, Type};
use crate::secrets::tree::{Comment, Entry, Item, Node};

/// What is wrong at a place.
pub(super) struct Wrong {
    /// Keys and positions from the root, joined by `/`.
    pub(super) place: String,
    /// What it is; reads behind the place.
    pub(super) cause: &'static str,
    /// True for a clear comment: writing the file anew encrypts it.
    pub(super) comment: bool,
}

/// Looks at every value and comment.
pub(super) fn look(documents: &[Vec<Entry>], metadata: &Metadata) -> Vec<Wrong> {
    let mut walk = Walk { metadata, steps: Vec::new(), named: 0, active: Vec::new(), found: Vec::new() };
    for document in documents {
        walk.map(document);
    }
    walk.found
}

struct Walk<'d> {
    metadata: &'d Metadata,
    steps: Vec<String>,
    /// How many keys of the place the rule names.
    named: usize,
    active: Active,
    found: Vec<Wrong>,
}

impl Walk<'_> {
    fn map(&mut self, entries: &[Entry]) {
        self.active.push(Vec::new());
        for entry in entries {
            match entry {
                Entry::Comment(comment) => self.comment(comment),
                Entry::Pair(key, node) => {
                    let named = usize::from(self.metadata.rules.names(key));
                    self.steps.push(key.clone());
                    self.named += named;
                    self.node(node, false);
                    self.named -= named;
                    self.left();
                }
            }
        }
        self.active.pop();
    }

    fn list(&mut self, items: &[Item]) {
        self.active.push(Vec::new());
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Comment(comment) => self.comment(comment),
                Item::Node(node) => {
                    self.steps.push(index.to_string());
                    self.node(node, true);
                    self.left();
                }
            }
        }
        self.active.pop();
    }

    /// Behind a value: the comments above it were for it alone.
    fn left(&mut self) {
        self.steps.pop();
        if let Some(level) = self.active.last_mut() {
            level.clear();
        }
    }

    fn node(&mut self, node: &Node, in_list: bool) {
        match node {
            Node::Map(entries) => self.map(entries),
            Node::List(items) => self.list(items),
            Node::Leaf(leaf) => self.leaf(leaf, in_list),
        }
    }

    fn leaf(&mut self, leaf: &Leaf, in_list: bool) {
        const CLEAR: &str = "is clear, though the file's rule says that it is encrypted";
        let encrypted = self.metadata.rules.encrypts(self.named > 0, &self.active, false);
        let cause = match leaf {
            Leaf::Null => return,
            Leaf::Text(text) if text.expose().is_empty() => return,
            Leaf::Text(text) if !encrypted => {
                if !text.expose().starts_with(PREFIX.as_bytes()) {
                    return;
                }
                "is a token, though the file's rule says that it is clear"
            }
            _ if !encrypted => return,
            Leaf::Text(text) if text.expose().starts_with(PREFIX.as_bytes()) => match kind(text.expose()) {
                // sops writes comments of lists as values.
                Ok(Type::Comment) if !in_list => "is the token of a comment where a value must be",
                Ok(_) => return,
                Err(reason) => reason,
            },
            _ => CLEAR,
        };
        self.wrong(cause, false);
    }

    fn comment(&mut self, comment: &Comment) {
        if self.metadata.rules.reads_comments()
            && let Some(level) = self.active.last_mut()
        {
            level.push(Comment { text: comment.text.clone(), inline: comment.inline });
        }
        let text = comment.text.expose();
        let encrypted = self.metadata.rules.encrypts(self.named > 0, &self.active, true);
        if text.starts_with(PREFIX.as_bytes()) {
            match kind(text) {
                Ok(Type::Comment) if encrypted => {}
                Ok(Type::Comment) => {
                    self.wrong(
                        "has a comment that is encrypted, though the file's rule says that it is clear",
                        false,
                    );
                }
                _ => self.wrong("has a comment whose token is damaged", false),
            }
        } else if encrypted && !text.trim_ascii().is_empty() {
            self.wrong("has a clear comment where the file's rule encrypts comments", true);
        }
    }

    fn wrong(&mut self, cause: &'static str, comment: bool) {
        self.found.push(Wrong { place: self.steps.join("/"), cause, comment });
    }
}

fn kind(text: &[u8]) -> Result<Type, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "is a damaged token: it is no text")?;
    Token::parse(text).map(|token| token.kind)
}
