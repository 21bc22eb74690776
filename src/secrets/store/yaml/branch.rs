//! Values with their comments → the tree as sops 3.13.2 builds it: one list of values and comments per map or list.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::parts::{Document, Id, Part, Shape};
use super::tokens::Words;
use crate::secrets::error::SecretError;
use crate::secrets::scalar::{Leaf, yaml};
use crate::secrets::tree::{Comment, Entry, Item, Node};
use crate::secrets::value::SecretBytes;

/// Bytes of comments and text that a document may hold once aliases are expanded.
const MOST_TEXT: usize = 16 << 20;
/// All values of a text.
pub(super) struct Branches<'p> {
    all: &'p [Part],
    /// Keys of the path that an error shows.
    path: Vec<&'p str>,
    text: usize,
}

impl<'p> Branches<'p> {
    pub(super) const fn new(all: &'p [Part]) -> Self {
        Self { all, path: Vec::new(), text: 0 }
    }

    /// A document's entries; none for one that is empty.
    pub(super) fn document(&mut self, document: &Document) -> Result<Vec<Entry>, SecretError> {
        let mut entries = Vec::new();
        self.remark(&document.head, false, &mut entries)?;
        let Some(root) = self.all.get(document.root) else { return Ok(entries) };
        self.remark(&root.head, false, &mut entries)?;
        self.remark(&root.line, false, &mut entries)?;
        match &root.shape {
            Shape::Map(pairs) => {
                self.pairs(pairs, &mut entries)?;
                self.remark(&root.foot, false, &mut entries)?;
            }
            Shape::Scalar { text, plain }
                if matches!(leaf(text, *plain, root.tag.as_deref()), Ok(Leaf::Null)) => {}
            _ => {
                return Err(SecretError::Metadata(
                    "the top level of one of its documents is no map".to_owned(),
                ));
            }
        }
        self.remark(&document.foot, false, &mut entries)?;
        Ok(entries)
    }

    fn pairs(&mut self, pairs: &[(Id, Id)], entries: &mut Vec<Entry>) -> Result<(), SecretError> {
        let all = self.all;
        let mut seen = HashSet::new();
        for (key, value) in pairs {
            let (Some(key), Some(value)) = (all.get(*key), all.get(*value)) else { continue };
            self.remark(&key.head, false, entries)?;
            self.remark(&key.line, false, entries)?;
            let single = matches!(value.shape, Shape::Scalar { .. } | Shape::Alias(_));
            if single {
                self.remark(&value.head, false, entries)?;
                self.remark(&value.line, true, entries)?;
            }
            let name = self.key(key)?;
            if !seen.insert(name) {
                return Err(self.wrong("stands twice"));
            }
            let node = self.node(value, single)?;
            self.path.pop();
            entries.push(Entry::Pair(name.to_owned(), node));
            if single {
                self.remark(&value.foot, false, entries)?;
            }
            self.remark(&key.foot, false, entries)?;
        }
        Ok(())
    }

    /// A key's text, which is put on the path.
    fn key(&mut self, key: &'p Part) -> Result<&'p str, SecretError> {
        let meant = match key.shape {
            Shape::Alias(id) => self.all.get(id).unwrap_or(key),
            _ => key,
        };
        let Shape::Scalar { text, plain } = &meant.shape else {
            return Err(self.wrong("holds a key that is a map or list"));
        };
        self.path.push(text.as_str());
        let merges = *plain && text.as_str() == "<<";
        match leaf(text, *plain, meant.tag.as_deref()) {
            _ if merges => Ok(text.as_str()),
            Ok(Leaf::Text(_)) => Ok(text.as_str()),
            _ => Err(self.wrong("has a key that is no text (put it in quotes)")),
        }
    }

    /// A value; `told` when its own comments are taken care of.
    fn node(&mut self, part: &Part, told: bool) -> Result<Node, SecretError> {
        match &part.shape {
            Shape::Scalar { text, plain } => {
                self.grow(text.len())?;
                leaf(text, *plain, part.tag.as_deref()).map(Node::Leaf).map_err(|why| self.wrong(why))
            }
            Shape::Alias(id) => {
                let all = self.all;
                all.get(*id).map_or(Ok(Node::Leaf(Leaf::Null)), |meant| self.node(meant, false))
            }
            Shape::Map(pairs) => {
                let mut entries = Vec::new();
                if !told {
                    self.remark(&part.head, false, &mut entries)?;
                    self.remark(&part.line, false, &mut entries)?;
                }
                self.pairs(pairs, &mut entries)?;
                if !told {
                    self.remark(&part.foot, false, &mut entries)?;
                }
                Ok(Node::Map(entries))
            }
            Shape::List(ids) => self.list(part, ids, told),
        }
    }

    fn list(&mut self, part: &Part, ids: &[Id], told: bool) -> Result<Node, SecretError> {
        let mut items = Vec::new();
        if !told {
            self.remark(&part.head, false, &mut items)?;
            self.remark(&part.line, false, &mut items)?;
        }
        let all = self.all;
        for item in ids.iter().filter_map(|id| all.get(*id)) {
            self.remark(&item.head, false, &mut items)?;
            self.remark(&item.line, true, &mut items)?;
            let node = self.node(item, true)?;
            items.push(Item::Node(node));
            self.remark(&item.foot, false, &mut items)?;
        }
        if !told {
            self.remark(&part.foot, false, &mut items)?;
        }
        Ok(Node::List(items))
    }

    /// Adds each line of a comment.
    fn remark<T: From<Comment>>(
        &mut self,
        text: &Words,
        inline: bool,
        to: &mut Vec<T>,
    ) -> Result<(), SecretError> {
        if text.is_empty() {
            return Ok(());
        }
        self.grow(text.len())?;
        for line in text.split('\n').filter_map(|line| line.strip_prefix('#')) {
            to.push(T::from(Comment { text: SecretBytes::new(line.as_bytes().to_vec()), inline }));
        }
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), SecretError> {
        self.text = self.text.saturating_add(bytes);
        if self.text > MOST_TEXT {
            let message = format!("holds more than {MOST_TEXT} bytes of text once aliases are expanded");
            return Err(SecretError::Syntax(message));
        }
        Ok(())
    }

    fn wrong(&self, reason: &'static str) -> SecretError {
        SecretError::Value { path: self.path.join("/"), reason }
    }
}

impl From<Comment> for Entry {
    fn from(comment: Comment) -> Self {
        Self::Comment(comment)
    }
}

impl From<Comment> for Item {
    fn from(comment: Comment) -> Self {
        Self::Comment(comment)
    }
}

/// A scalar with the type that go-yaml gives it.
fn leaf(text: &str, plain: bool, tag: Option<&str>) -> Result<Leaf, &'static str> {
    const OTHER: &str = "has a YAML tag that does not fit it";
    let typed = |text: &str| match yaml(text) {
        Leaf::Float(_) if exceeds(text) => Err("is a whole number of 2^63 or more, which sops does not hold"),
        leaf => Ok(leaf),
    };
    let words = || Leaf::Text(SecretBytes::new(text.as_bytes().to_vec()));
    let Some(tag) = tag.filter(|tag| *tag != "!") else {
        return if plain { typed(text) } else { Ok(words()) };
    };
    match (tag.strip_prefix("tag:yaml.org,2002:"), typed(text)?) {
        (Some("str" | "merge"), _) => Ok(words()),
        (Some("binary"), _) => {
            let letters = text.bytes().filter(|letter| !letter.is_ascii_whitespace());
            let letters: Zeroizing<Vec<u8>> = Zeroizing::new(letters.collect());
            STANDARD.decode(&letters).map(|bytes| Leaf::Text(SecretBytes::new(bytes))).map_err(|_| OTHER)
        }
        (Some("int"), leaf @ Leaf::Int(_))
        | (Some("float"), leaf @ Leaf::Float(_))
        | (Some("bool"), leaf @ Leaf::Bool(_))
        | (Some("null"), leaf @ Leaf::Null)
        | (Some("timestamp"), leaf @ Leaf::Time(_)) => Ok(leaf),
        #[expect(clippy::cast_precision_loss, reason = "the reader of sops loses it too")]
        (Some("float"), Leaf::Int(value)) => Ok(Leaf::Float(value as f64)),
        (Some(_), _) => Err(OTHER),
        (None, _) => Err("has a YAML tag, which sops does not keep"),
    }
}

/// True for a whole number that only an unsigned one holds.
fn exceeds(text: &str) -> bool {
    let digits = Zeroizing::new(text.strip_prefix('+').unwrap_or(text).replace('_', "").to_ascii_lowercase());
    let based = [("0x", 16), ("0b", 2), ("0o", 8), ("", 10)];
    let found = based.iter().find_map(|(mark, radix)| Some((digits.strip_prefix(mark)?, *radix)));
    found.is_some_and(|(digits, radix)| u64::from_str_radix(digits, radix).is_ok())
}
