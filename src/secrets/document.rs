//! A sops document: text and identities in, verified values out.

use std::collections::HashMap;

use aes_gcm::aead::generic_array::GenericArray;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use super::error::SecretError;
use super::identity::Identities;
use super::metadata::Metadata;
use super::plain::{self, Plain};
use super::rules::Region;
use super::scalar::{Leaf, yaml};
use super::store;
use super::token::{DataKey, PREFIX, Token, Type};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;
use crate::source::{Limits, Node, Scalar, Source, Value, parse};

/// Larger sops files are not read: every value ends in memory that is not swapped.
pub(super) const FILE_CAP: usize = 1 << 20;

/// A decrypted document whose MAC was verified. Has no `Debug`.
pub struct Document {
    format: SecretFormat,
    documents: Vec<Plain>,
    warnings: Vec<String>,
}

/// Decrypts the bytes of a sops file and verifies its MAC before anything is released.
///
/// # Errors
/// Every way in which the file, its keys or its MAC are not what they must be; none holds a value.
pub fn decrypt(bytes: &[u8], format: SecretFormat, identities: &Identities) -> Result<Document, SecretError> {
    let syntax = |message: String| SecretError::Syntax(message);
    if bytes.len() > FILE_CAP {
        return Err(syntax(format!("has {} bytes, more than {FILE_CAP} are not read", bytes.len())));
    }
    if !matches!(format, SecretFormat::Yaml) {
        store::read(format, bytes)?;
    }
    let text = std::str::from_utf8(bytes).map_err(|_| syntax("is not UTF-8 text".to_owned()))?;
    let source = Source::new("line", text);
    let nodes = parse(&source, Limits { bytes: FILE_CAP, ..Limits::default() }).map_err(|problem| {
        let (line, column) = source.line_column(problem.span.start);
        syntax(format!("line {line} column {column}: {}", problem.message))
    })?;
    let root = nodes.first().ok_or_else(|| SecretError::Metadata("it is empty".to_owned()))?;
    if root.as_map().is_none() {
        return Err(SecretError::Metadata("its top level is no map".to_owned()));
    }
    let metadata = Metadata::read(root, format)?;
    let key = identities.data_key(&metadata)?;
    let mut walk = Walk::new(&metadata, &key, format);
    let mut documents = Vec::new();
    for node in &nodes {
        documents.push(walk.document(node)?);
    }
    walk.verify()?;
    let warnings = std::mem::take(&mut walk.warnings);
    Ok(Document { format, documents, warnings })
}

impl Document {
    /// The value at `path` in the first document: keys and list positions joined by `/`; `data` in a binary file.
    ///
    /// # Errors
    /// Nothing there, or a map, a list, null, or what sops does not authenticate: an empty text, a clear value under
    /// `mac_only_encrypted`, a position in a list with empty or nested items.
    pub fn get(&self, path: &str) -> Result<&SecretBytes, SecretError> {
        let missing = |reason| SecretError::Key { path: path.to_owned(), reason };
        let root = self.documents.first().unwrap_or(&Plain::Null);
        match root.at(path).map_err(missing)? {
            Plain::Null => Err(missing("is null")),
            Plain::List(_) | Plain::Map(_) => Err(missing("is a map or list, not a value")),
            Plain::Value { bytes, .. } if bytes.expose().is_empty() => {
                Err(missing("is empty, which sops does not authenticate"))
            }
            Plain::Value { covered: false, .. } => Err(missing(
                "is a clear value, which the MAC does not cover in a file with `mac_only_encrypted`",
            )),
            Plain::Value { bytes, .. } => Ok(bytes),
        }
    }

    /// The whole plaintext. Binary: the bytes. JSON: what `sops decrypt` prints. YAML: the same values; comments
    /// and the choice of quotes are not kept.
    ///
    /// # Errors
    /// A binary file without data.
    pub fn whole(&self) -> Result<SecretBytes, SecretError> {
        match self.format {
            SecretFormat::Binary => self.get("data").cloned(),
            SecretFormat::Json => {
                let documents = self.documents.iter().map(Plain::entries).collect();
                store::write(self.format, &store::File { documents, metadata: None }, store::Indent::Default)
            }
            SecretFormat::Yaml => Ok(plain::yaml(&self.documents)),
        }
    }

    /// What is allowed and still worth saying, each with its place.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// One way over all values in document order, as the MAC wants it.
struct Walk<'d> {
    metadata: &'d Metadata,
    key: &'d DataKey,
    format: SecretFormat,
    hash: Sha512,
    /// The same with clear JSON integers as the floats that older writers made of them.
    old_hash: Sha512,
    path: Vec<String>,
    /// What tokens were bound to so far (keys joined by `:`), and the keys themselves.
    bound: HashMap<String, Vec<String>>,
    warnings: Vec<String>,
}

impl<'d> Walk<'d> {
    fn new(metadata: &'d Metadata, key: &'d DataKey, format: SecretFormat) -> Self {
        let mut hash = Sha512::new();
        if metadata.mac_only_encrypted {
            // Keeps a MAC over encrypted values only from ever equalling one over everything.
            hash.update(Sha256::digest(b"sops"));
        }
        let (path, bound, warnings) = (Vec::new(), HashMap::new(), Vec::new());
        Self { metadata, key, format, old_hash: hash.clone(), hash, path, bound, warnings }
    }

    /// A whole document without its `sops` section.
    fn document(&mut self, node: &Node) -> Result<Plain, SecretError> {
        match &node.value {
            Value::Map(_) => self.node(node),
            Value::Scalar(scalar) if scalar.is_null() => Ok(Plain::Null),
            _ => Err(SecretError::Metadata("the top level of one of its documents is no map".to_owned())),
        }
    }

    fn node(&mut self, node: &Node) -> Result<Plain, SecretError> {
        match &node.value {
            Value::Scalar(scalar) => self.scalar(scalar),
            Value::List(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.node(item)).collect();
                Ok(Plain::List(items?))
            }
            Value::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for entry in entries {
                    if self.path.is_empty() && entry.key == "sops" {
                        continue;
                    }
                    self.path.push(entry.key.clone());
                    self.check_key(&entry.key, entry.key_plain)?;
                    map.push((entry.key.clone(), self.node(&entry.value)?));
                    self.path.pop();
                }
                Ok(Plain::Map(map))
            }
        }
    }

    fn check_key(&mut self, key: &str, plain: bool) -> Result<(), SecretError> {
        let json = !matches!(self.format, SecretFormat::Yaml);
        if plain && (json || key == "<<" || !matches!(yaml(key), Leaf::Text(_))) {
            return Err(self.wrong("has a key that is no text (put it in quotes)"));
        }
        if key.contains(':') {
            let place = self.path.join("/");
            self.warnings.push(format!(
                "the key `{place}` holds a colon, so its value could be moved to another place unseen"
            ));
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: &Scalar) -> Result<Plain, SecretError> {
        let clear = Leaf::clear(scalar, self.format).map_err(|reason| self.wrong(reason))?;
        let is_text = matches!(clear, Leaf::Text(_));
        let is_token = is_text && scalar.text.starts_with(PREFIX);
        let encrypted = match self.metadata.rules.region(&self.path) {
            Region::Encrypted => true,
            Region::Clear if is_token => {
                return Err(self.wrong("is a token where the file's rules say that it is clear"));
            }
            Region::Clear => false,
            Region::ByComment => is_token,
        };
        let bare = matches!(clear, Leaf::Null) || (is_text && scalar.text.is_empty());
        let leaf = if !encrypted || bare {
            clear
        } else if is_text {
            self.open(&scalar.text)?
        } else {
            return Err(self.wrong("is not encrypted, though the file's rules say that it must be"));
        };
        let covered = encrypted || !self.metadata.mac_only_encrypted;
        if covered {
            self.hash.update(leaf.hashed(false));
            // Only a clear integer of a JSON file is ambiguous: a token says its type.
            let old_json = !encrypted && matches!(self.format, SecretFormat::Json);
            self.old_hash.update(leaf.hashed(old_json));
        }
        Ok(Plain::new(leaf, self.format, covered))
    }

    fn open(&mut self, text: &str) -> Result<Leaf, SecretError> {
        let aad = format!("{}:", self.path.join(":"));
        if !self.bound.contains_key(&aad) {
            self.bound.insert(aad.clone(), self.path.clone());
        } else if self.bound.get(&aad) != Some(&self.path) {
            return Err(self.wrong("can be exchanged unseen with another one, because a key holds a colon"));
        }
        let token = Token::parse(text).map_err(|reason| self.wrong(reason))?;
        let kind = token.kind;
        let plain = token.open(self.key, &aad).map_err(|reason| self.wrong(reason))?;
        Leaf::decoded(kind, plain).map_err(|reason| self.wrong(reason))
    }

    fn wrong(&self, reason: &'static str) -> SecretError {
        SecretError::Value { path: self.path.join("/"), reason }
    }

    /// Compares the MAC, which is uppercase hex.
    fn verify(&mut self) -> Result<(), SecretError> {
        let token = Token::parse(&self.metadata.mac).map_err(|_| SecretError::BadMac)?;
        if token.kind != Type::Str {
            return Err(SecretError::BadMac);
        }
        let expected = token.open(self.key, &self.metadata.lastmodified).map_err(|_| SecretError::BadMac)?;
        let found = [hex(self.hash.clone().finalize()), hex(self.old_hash.clone().finalize())];
        if found.iter().any(|mac| mac.as_slice() == expected.as_slice()) {
            Ok(())
        } else {
            Err(SecretError::MacMismatch)
        }
    }
}

fn hex(digest: GenericArray<u8, aes_gcm::aead::consts::U64>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{digest:X}").into_bytes())
}
