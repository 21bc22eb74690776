//! A document as sops holds it between reading and writing: values in order, comments among them.

use std::borrow::Cow;

use super::scalar::Leaf;
use super::value::SecretBytes;

/// A value. Has no `Debug`.
pub(super) enum Node {
    /// A scalar. In an encrypted document its token, as text.
    Leaf(Leaf),
    /// A list.
    List(Vec<Item>),
    /// A map in the order of the file.
    Map(Vec<Entry>),
}

/// What stands in a list.
pub(super) enum Item {
    /// A comment. sops writes an encrypted one as an item of text, a token of type `comment`; so it is a
    /// [`Item::Node`] until it is decrypted.
    Comment(Comment),
    /// A value.
    Node(Node),
}

/// What stands in a map.
pub(super) enum Entry {
    /// A comment.
    Comment(Comment),
    /// A key and its value.
    Pair(String, Node),
}

/// One line of comment.
pub(super) struct Comment {
    /// What stands behind the `#`, with its blanks, or its token.
    pub(super) text: SecretBytes,
    /// True for one that stands in the line of the value that follows it here (`key: value # comment`). Encryption
    /// keeps this; decryption forgets it, and then the comment is written above the value.
    pub(super) inline: bool,
}

impl Item {
    /// The value, where it is one.
    pub(super) fn node(&self) -> Option<&Node> {
        if let Self::Node(node) = self { Some(node) } else { None }
    }
}

impl Entry {
    /// The key and its value, where it is no comment.
    pub(super) fn pair(&self) -> Option<(&str, &Node)> {
        if let Self::Pair(key, node) = self { Some((key, node)) } else { None }
    }
}

impl Node {
    /// The value under `key`, where this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().filter_map(Entry::pair).find(|(name, _)| *name == key).map(|(_, node)| node)
    }

    /// The values of a list; none of anything else.
    pub(super) fn items(&self) -> Vec<&Self> {
        let Self::List(items) = self else { return Vec::new() };
        items.iter().filter_map(Item::node).collect()
    }

    /// Text.
    pub(super) fn text(bytes: &[u8]) -> Self {
        Self::Leaf(Leaf::Text(SecretBytes::new(bytes.to_vec())))
    }

    /// A scalar of metadata or of a configuration as text, of whatever type it was written.
    pub(super) fn word(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Leaf(Leaf::Text(bytes)) => std::str::from_utf8(bytes.expose()).ok().map(Cow::Borrowed),
            Self::Leaf(Leaf::Int(value)) => Some(Cow::Owned(value.to_string())),
            Self::Leaf(Leaf::Float(value)) => Some(Cow::Owned(value.to_string())),
            Self::Leaf(Leaf::Bool(value)) => Some(Cow::Owned(value.to_string())),
            Self::Leaf(Leaf::Time(value)) => Some(Cow::Owned(value.nanoseconds())),
            Self::Leaf(Leaf::Null) | Self::List(_) | Self::Map(_) => None,
        }
    }
}
