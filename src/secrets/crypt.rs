//! One walk over a document in its order, for both directions: which values and comments are encrypted, what each is
//! bound to, and the MAC over all of them.

use std::collections::{HashMap, HashSet};

use aes_gcm::aead::consts::U64;
use aes_gcm::aead::generic_array::GenericArray;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::error::SecretError;
use super::iv::Ivs;
use super::metadata::Metadata;
use super::rules::Active;
use super::scalar::Leaf;
use super::token::{DataKey, PREFIX, Token, Type};
use super::tree::{Comment, Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// What a walk over encrypted documents found.
pub(super) struct Opened {
    /// The MACs that the values may have, as uppercase hex: sops did not always read the same text as the same value.
    pub(super) macs: [Zeroizing<Vec<u8>>; 2],
    /// Places of values that are not in the MAC.
    pub(super) uncovered: HashSet<String>,
    /// Places of values that stand there in clear text.
    pub(super) clear: HashSet<String>,
    /// What is allowed and still worth saying, each with its place.
    pub(super) warnings: Vec<String>,
    /// What makes the same tokens again of what does not change.
    pub(super) ivs: Ivs,
}

/// Decrypts in place.
///
/// # Errors
/// A value that does not decrypt, a token where none may be, a clear value where a token must be; each with its place.
pub(super) fn open(
    documents: &mut [Vec<Entry>],
    metadata: &Metadata,
    key: &DataKey,
    format: SecretFormat,
) -> Result<Opened, SecretError> {
    let mut walk = Walk::new(metadata, key, format, Direction::Open);
    for document in documents {
        walk.map(document)?;
    }
    let macs = [hex(walk.hash.finalize()), hex(walk.other.finalize())];
    let Walk { uncovered, clear, warnings, ivs, .. } = walk;
    Ok(Opened { macs, uncovered, clear, warnings, ivs })
}

/// Encrypts in place and gives the token of the MAC.
///
/// # Errors
/// A key that holds a colon, a clear text that looks like a token, no random bytes.
pub(super) fn seal(
    documents: &mut [Vec<Entry>],
    metadata: &Metadata,
    key: &DataKey,
    format: SecretFormat,
) -> Result<String, SecretError> {
    seal_again(documents, metadata, key, format, Ivs::default())
}

/// As [`seal`]; what stands in a file already keeps the token that it has there. `ivs` are those of [`open`].
///
/// # Errors
/// As [`seal`].
pub(super) fn seal_again(
    documents: &mut [Vec<Entry>],
    metadata: &Metadata,
    key: &DataKey,
    format: SecretFormat,
    ivs: Ivs,
) -> Result<String, SecretError> {
    let mut walk = Walk { ivs, ..Walk::new(metadata, key, format, Direction::Seal) };
    for document in documents {
        walk.map(document)?;
    }
    let mac = hex(walk.hash.finalize());
    Token::seal(&mac, Type::Str, key, &metadata.lastmodified).map_err(no_random)
}

/// Compares the MAC.
///
/// # Errors
/// None there, one that does not open, another one.
pub(super) fn verify(opened: &Opened, metadata: &Metadata, key: &DataKey) -> Result<(), SecretError> {
    if metadata.mac.is_empty() {
        return Err(SecretError::NoMac);
    }
    let token = Token::parse(&metadata.mac).map_err(|_| SecretError::BadMac)?;
    if token.kind != Type::Str {
        return Err(SecretError::BadMac);
    }
    let expected = token.open(key, &metadata.lastmodified).map_err(|_| SecretError::BadMac)?;
    if opened.macs.iter().any(|mac| mac.as_slice() == expected.as_slice()) {
        Ok(())
    } else {
        Err(SecretError::MacMismatch)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Open,
    Seal,
}

/// One step of a place.
#[derive(Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

struct Walk<'d> {
    metadata: &'d Metadata,
    key: &'d DataKey,
    format: SecretFormat,
    direction: Direction,
    hash: Sha512,
    /// The same with clear JSON integers as the floats that older writers made of them, and with encrypted comments
    /// in lists, which sops reads as values.
    other: Sha512,
    steps: Vec<Step>,
    /// How many keys of the place the rule names.
    named: usize,
    active: Active,
    /// What tokens were bound to so far (keys joined by `:`), and the keys themselves.
    bound: HashMap<String, Vec<String>>,
    uncovered: HashSet<String>,
    clear: HashSet<String>,
    warnings: Vec<String>,
    ivs: Ivs,
}

impl<'d> Walk<'d> {
    fn new(metadata: &'d Metadata, key: &'d DataKey, format: SecretFormat, direction: Direction) -> Self {
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
            other: hash.clone(),
            hash,
            steps: Vec::new(),
            named: 0,
            active: Vec::new(),
            bound: HashMap::new(),
            uncovered: HashSet::new(),
            clear: HashSet::new(),
            warnings: Vec::new(),
            ivs: Ivs::default(),
        }
    }

    fn map(&mut self, entries: &mut [Entry]) -> Result<(), SecretError> {
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

    fn encrypts(&self, is_comment: bool) -> bool {
        self.metadata.rules.encrypts(self.named > 0, &self.active, is_comment)
    }

    fn open(&mut self, leaf: &mut Leaf) -> Result<(), SecretError> {
        let text = match &*leaf {
            Leaf::Text(text) => Some(text.expose()),
            _ => None,
        };
        let encrypted = self.encrypts(false);
        let bare = matches!(&*leaf, Leaf::Null) || text.is_some_and(<[u8]>::is_empty);
        if !encrypted {
            if text.is_some_and(|text| text.starts_with(PREFIX.as_bytes())) {
                return Err(self.wrong("is a token where the file's rules say that it is clear"));
            }
        } else if !bare {
            let Some(text) = text else {
                return Err(self.wrong("is not encrypted, though the file's rules say that it must be"));
            };
            let (kind, plain) = self.open_token(text)?;
            *leaf = Leaf::decoded(kind, plain).map_err(|reason| self.wrong(reason))?;
        }
        self.count(leaf, encrypted);
        Ok(())
    }

    fn open_token(&mut self, text: &[u8]) -> Result<(Type, Zeroizing<Vec<u8>>), SecretError> {
        let aad = self.aad();
        self.bind(&aad)?;
        let text = std::str::from_utf8(text).map_err(|_| self.wrong("is no token"))?;
        let token = Token::parse(text).map_err(|reason| self.wrong(reason))?;
        let kind = token.kind;
        let plain = self.opened(token, &aad).map_err(|reason| self.wrong(reason))?;
        Ok((kind, plain))
    }

    /// The plaintext of a token; its IV is remembered.
    fn opened(&mut self, token: Token, aad: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let (kind, iv) = (token.kind, token.iv());
        let plain = token.open(self.key, aad)?;
        self.ivs.keep(self.key, (kind, aad), &plain, iv);
        Ok(plain)
    }

    /// A token, the same as before where nothing changed.
    fn sealed(&self, plain: &[u8], kind: Type) -> Result<String, SecretError> {
        let aad = self.aad();
        let token = match self.ivs.of(self.key, kind, &aad, plain) {
            Some(iv) => Token::seal_with(iv, plain, kind, self.key, &aad),
            None => Token::seal(plain, kind, self.key, &aad),
        };
        token.map_err(no_random)
    }

    /// Two places with one AAD could be exchanged unseen.
    fn bind(&mut self, aad: &str) -> Result<(), SecretError> {
        match self.bound.get(aad) {
            None => {
                let keys = self.keys().map(str::to_owned).collect();
                self.bound.insert(aad.to_owned(), keys);
            }
            Some(keys) if self.keys().eq(keys.iter().map(String::as_str)) => {}
            Some(_) => {
                return Err(
                    self.wrong("can be exchanged unseen with another one, because a key holds a colon")
                );
            }
        }
        Ok(())
    }

    fn seal(&mut self, leaf: &mut Leaf) -> Result<(), SecretError> {
        let encrypted = self.encrypts(false);
        self.count(leaf, encrypted);
        if !encrypted {
            let token = matches!(leaf, Leaf::Text(text) if text.expose().starts_with(PREFIX.as_bytes()));
            return if token { Err(self.wrong("starts like a token and would stay clear")) } else { Ok(()) };
        }
        let Some(kind) = leaf.kind() else { return Ok(()) };
        let plain = leaf.hashed(false);
        let token = self.sealed(&plain, kind)?;
        *leaf = Leaf::Text(SecretBytes::new(token.into_bytes()));
        Ok(())
    }

    /// Takes a value into the MAC.
    fn count(&mut self, leaf: &Leaf, encrypted: bool) {
        if !encrypted {
            self.clear.insert(self.place());
        }
        if self.metadata.mac_only_encrypted && !encrypted {
            self.uncovered.insert(self.place());
            return;
        }
        self.hash.update(leaf.hashed(false));
        // Only a clear integer of a JSON file is ambiguous: a token says its type.
        let old_json = !encrypted && matches!(self.format, SecretFormat::Json);
        self.other.update(leaf.hashed(old_json));
    }

    fn comment(&mut self, comment: &mut Comment) -> Result<(), SecretError> {
        if self.metadata.rules.reads_comments()
            && let Some(level) = self.active.last_mut()
        {
            level.push(Comment { text: comment.text.clone(), inline: comment.inline });
        }
        if !self.encrypts(true) || comment.text.expose().is_empty() {
            return Ok(());
        }
        if self.direction == Direction::Open {
            self.open_comment(comment);
            return Ok(());
        }
        let token = self.sealed(comment.text.expose(), Type::Comment)?;
        if self.metadata.rules.clears_token(token.as_bytes()) {
            let why = "`unencrypted_comment_regex` also finds encrypted comments, so that the file could not be read";
            return Err(SecretError::Metadata(why.to_owned()));
        }
        comment.text = SecretBytes::new(token.into_bytes());
        Ok(())
    }

    /// A comment that does not decrypt stays as it is, as in sops: no comment is in the MAC.
    fn open_comment(&mut self, comment: &mut Comment) {
        if !comment.text.expose().starts_with(PREFIX.as_bytes()) {
            return;
        }
        let text = std::str::from_utf8(comment.text.expose()).unwrap_or_default();
        let aad = self.aad();
        match Token::parse(text).and_then(|token| self.opened(token, &aad)) {
            // sops forgets here where it stood, and writes it above its value.
            Ok(plain) => *comment = Comment { text: plain.into(), inline: false },
            Err(_) => self.warnings.push(format!("a comment in `{}` does not decrypt", self.place())),
        }
    }

    /// The comment that an item of a list is: sops writes an encrypted one as if it were a value.
    fn item_comment(&mut self, node: &Node) -> Option<Comment> {
        let Node::Leaf(Leaf::Text(text)) = node else { return None };
        if self.direction == Direction::Seal || !self.encrypts(false) {
            return None;
        }
        let token = Token::parse(std::str::from_utf8(text.expose()).ok()?).ok()?;
        if token.kind != Type::Comment {
            return None;
        }
        let aad = self.aad();
        let text: SecretBytes = self.opened(token, &aad).ok()?.into();
        self.other.update(text.expose());
        Some(Comment { text, inline: false })
    }

    fn forget_comments(&mut self) {
        if let Some(level) = self.active.last_mut() {
            level.clear();
        }
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// What a token here is bound to: the keys above it, each with a colon; a lone colon where there are none.
    fn aad(&self) -> String {
        let mut aad = String::new();
        for key in self.keys() {
            aad.push_str(key);
            aad.push(':');
        }
        if aad.is_empty() { ":".to_owned() } else { aad }
    }

    fn place(&self) -> String {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.clone(),
                Step::Index(index) => index.to_string(),
            })
            .collect();
        steps.join("/")
    }

    fn wrong(&self, reason: &'static str) -> SecretError {
        SecretError::Value { path: self.place(), reason }
    }
}

fn no_random(reason: &'static str) -> SecretError {
    SecretError::Metadata(format!("cannot be encrypted: {reason}"))
}

fn hex(digest: GenericArray<u8, U64>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{digest:X}").into_bytes())
}
