//! The way over a document, and where on it one is.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256, Sha512};

use super::super::error::SecretError;
use super::super::iv::Ivs;
use super::super::metadata::Metadata;
use super::super::path::{Step, shown};
use super::super::rules::Active;
use super::super::token::DataKey;
use super::super::tree::{Entry, Item, Node};
use crate::manifest::SecretFormat;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Open,
    Seal,
}

pub(super) struct Walk<'d> {
    pub(super) metadata: &'d Metadata,
    pub(super) key: &'d DataKey,
    pub(super) format: SecretFormat,
    pub(super) direction: Direction,
    pub(super) hash: Sha512,
    /// The same with clear JSON integers as the floats that older writers made of them, and with encrypted comments
    /// in lists, which sops reads as values; from the first of those on.
    pub(super) other: Option<Sha512>,
    pub(super) steps: Vec<Step>,
    /// How many keys of the place the rule names.
    pub(super) named: usize,
    pub(super) active: Active,
    /// True where a key holds a colon: else no two places have the same keys joined by `:`.
    pub(super) colons: bool,
    /// What tokens were bound to so far (keys joined by `:`), and the keys themselves; where there are such keys.
    pub(super) bound: HashMap<String, Vec<String>>,
    pub(super) uncovered: HashSet<String>,
    pub(super) clear: HashSet<String>,
    pub(super) warnings: Vec<String>,
    pub(super) ivs: Ivs,
    /// True for tokens that will be made again.
    pub(super) remembers: bool,
}

impl<'d> Walk<'d> {
    pub(super) fn new(
        metadata: &'d Metadata,
        key: &'d DataKey,
        format: SecretFormat,
        direction: Direction,
    ) -> Self {
        let mut hash = Sha512::new();
        if metadata.mac_only_encrypted {
            // Keeps a MAC over encrypted values only from ever equalling one over everything.
            hash.update(Sha256::digest(b"sops"));
        }
        Self {
            metadata,
            key,
            format,
            direction,
            other: None,
            hash,
            steps: Vec::new(),
            named: 0,
            active: Vec::new(),
            colons: false,
            bound: HashMap::new(),
            uncovered: HashSet::new(),
            clear: HashSet::new(),
            warnings: Vec::new(),
            ivs: Ivs::default(),
            remembers: false,
        }
    }

    pub(super) fn map(&mut self, entries: &mut [Entry]) -> Result<(), SecretError> {
        self.active.push(Vec::new());
        for entry in entries {
            match entry {
                Entry::Comment(comment) => self.comment(comment)?,
                Entry::Pair(key, node) => {
                    let named = usize::from(self.metadata.rules.names(key));
                    self.steps.push(Step::Key(key.clone()));
                    self.check_key(key)?;
                    self.named += named;
                    self.node(node)?;
                    self.named -= named;
                    self.steps.pop();
                    self.forget_comments();
                }
            }
        }
        self.active.pop();
        Ok(())
    }

    fn list(&mut self, items: &mut [Item]) -> Result<(), SecretError> {
        self.active.push(Vec::new());
        let mut index = 0;
        for item in items {
            match item {
                Item::Comment(comment) => self.comment(comment)?,
                Item::Node(node) => {
                    self.steps.push(Step::Index(index));
                    let comment = self.item_comment(node);
                    if let Some(comment) = comment {
                        *item = Item::Comment(comment);
                    } else {
                        self.node(node)?;
                        index += 1;
                    }
                    self.steps.pop();
                    self.forget_comments();
                }
            }
        }
        self.active.pop();
        Ok(())
    }

    fn node(&mut self, node: &mut Node) -> Result<(), SecretError> {
        match node {
            Node::Map(entries) => self.map(entries),
            Node::List(items) => self.list(items),
            Node::Leaf(leaf) => match self.direction {
                Direction::Open => self.open(leaf),
                Direction::Seal => self.seal(leaf),
            },
        }
    }

    fn check_key(&mut self, key: &str) -> Result<(), SecretError> {
        match self.direction {
            Direction::Seal if key.contains(':') => {
                Err(self.wrong("has a key with a colon, so that it could be moved to another place unseen"))
            }
            Direction::Open if key.contains(':') => {
                let place = self.place();
                self.warnings.push(format!(
                    "the key `{place}` holds a colon, so its value could be moved to another place unseen"
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn encrypts(&self, is_comment: bool) -> bool {
        self.metadata.rules.encrypts(self.named > 0, &self.active, is_comment)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// What a token here is bound to: the keys above it, each with a colon; a lone colon where there are none.
    pub(super) fn aad(&self) -> String {
        let mut aad = String::new();
        for key in self.keys() {
            aad.push_str(key);
            aad.push(':');
        }
        if aad.is_empty() { ":".to_owned() } else { aad }
    }

    pub(super) fn place(&self) -> String {
        shown(&self.steps)
    }

    pub(super) fn wrong(&self, reason: &'static str) -> SecretError {
        SecretError::Value { path: self.place(), reason }
    }
}

/// True where a key in there holds a colon.
pub(super) fn holds_colon(entries: &[Entry]) -> bool {
    entries.iter().filter_map(Entry::pair).any(|(key, node)| key.contains(':') || node_holds_colon(node))
}

fn node_holds_colon(node: &Node) -> bool {
    match node {
        Node::Leaf(_) => false,
        Node::List(items) => items.iter().filter_map(Item::node).any(node_holds_colon),
        Node::Map(entries) => holds_colon(entries),
    }
}
