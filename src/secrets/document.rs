//! A sops document: text and identities in, verified values out.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::clear::Stamp;
use super::crypt;
use super::error::SecretError;
use super::identity::Identities;
use super::layout::Layout;
use super::metadata::Metadata;
use super::scalar::Leaf;
use super::store::{self, File, Indent};
use super::token::DataKey;
use super::tree::{Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// Larger sops files are not read: every value ends in memory that is not swapped.
pub(super) const FILE_CAP: usize = 1 << 20;

/// Why there is nothing at a path.
const ABSENT: &str = "is not in the file";

/// What opens a document.
pub enum Opener<'k> {
    /// Whichever of these identities fits.
    Identities(&'k Identities),
    /// The data key itself, 32 bytes.
    DataKey(&'k SecretBytes),
}

/// A decrypted document whose MAC was verified. Has no `Debug`.
pub struct Document {
    format: SecretFormat,
    pub(super) file: File,
    /// Which version of the file this is.
    pub(super) stamp: Stamp,
    uncovered: HashSet<String>,
    clear: HashSet<String>,
    warnings: Vec<String>,
    pub(super) layout: Layout,
    /// Where each key of the top level stands; there once a value was asked for.
    places: OnceCell<HashMap<String, usize>>,
}

/// Decrypts the bytes of a sops file and verifies its MAC before anything is released.
///
/// # Errors
/// Every way in which the file, its keys or its MAC are not what they must be; none holds a value.
pub fn decrypt(bytes: &[u8], format: SecretFormat, identities: &Identities) -> Result<Document, SecretError> {
    decrypt_with(bytes, format, &Opener::Identities(identities), false)
}

/// Decrypts the bytes of a sops file with what there is. With `ignore_mac` nothing tells whether values were added,
/// removed or exchanged.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_with(
    bytes: &[u8],
    format: SecretFormat,
    key: &Opener<'_>,
    ignore_mac: bool,
) -> Result<Document, SecretError> {
    if bytes.len() > FILE_CAP {
        let length = bytes.len();
        return Err(SecretError::Syntax(format!("has {length} bytes, more than {FILE_CAP} are not read")));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(SecretError::Metadata("it is empty".to_owned()));
    }
    let mut file = store::read(format, bytes)?;
    let node = file.metadata.take();
    let node = node.ok_or_else(|| SecretError::Metadata("it has no `sops` section".to_owned()))?;
    let metadata = Metadata::read(&node, format)?;
    if metadata.mac.is_empty() && !ignore_mac {
        return Err(SecretError::NoMac);
    }
    let key = match key {
        Opener::Identities(identities) => identities.data_key(&metadata)?,
        Opener::DataKey(bytes) => DataKey::new(bytes.expose())
            .ok_or_else(|| SecretError::Metadata("a data key has 32 bytes".to_owned()))?,
    };
    let mut found = crypt::open(&mut file.documents, &metadata, &key, format)?;
    if !ignore_mac {
        crypt::verify(&found, &metadata, &key)?;
    }
    let warnings = std::mem::take(&mut found.warnings);
    Ok(Document {
        format,
        file,
        stamp: Stamp::of(&metadata),
        uncovered: found.uncovered,
        clear: found.clear,
        warnings,
        layout: Layout::default(),
        places: OnceCell::new(),
    })
}

impl Document {
    /// The value at `path` in the first document: keys and list positions joined by `/`; `data` in a binary file.
    ///
    /// # Errors
    /// Nothing there, or a map, a list, null, or what sops does not authenticate: an empty text, a clear value under
    /// `mac_only_encrypted`, a position in a list with empty or nested items.
    pub fn get(&self, path: &str) -> Result<SecretBytes, SecretError> {
        let missing = |reason| SecretError::Key { path: path.to_owned(), reason };
        let leaf = match self.at(path).map_err(missing)? {
            Node::Leaf(Leaf::Null) => return Err(missing("is null")),
            Node::List(_) | Node::Map(_) => return Err(missing("is a map or list, not a value")),
            Node::Leaf(leaf) => leaf,
        };
        if leaf.is_empty() {
            return Err(missing("is empty, which sops does not authenticate"));
        }
        if self.uncovered.contains(path) {
            return Err(missing(
                "is a clear value, which the MAC does not cover in a file with `mac_only_encrypted`",
            ));
        }
        leaf.printed(self.format).ok_or_else(|| missing("is null"))
    }

    /// The whole plaintext, byte for byte what `sops decrypt` prints.
    ///
    /// # Errors
    /// A binary file without data.
    pub fn whole(&self) -> Result<SecretBytes, SecretError> {
        self.written(self.format)
    }

    /// How clear text of a form is indented; that of a binary file is not.
    pub(super) fn indent(&self, format: SecretFormat) -> Result<Indent, SecretError> {
        if matches!(format, SecretFormat::Binary) { Ok(Indent::Default) } else { self.layout.of(format) }
    }

    /// The same, to be printed with other indentation.
    #[must_use]
    pub fn with_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The whole plaintext in another form.
    ///
    /// # Errors
    /// What that form cannot hold.
    pub fn written(&self, format: SecretFormat) -> Result<SecretBytes, SecretError> {
        store::write(format, &self.file, self.indent(format)?)
    }

    /// What is allowed and still worth saying, each with its place.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// True for a value that stands in the file in clear text: nothing binds it to its key.
    pub(super) fn is_clear(&self, path: &str) -> bool {
        self.clear.contains(path)
    }

    fn at(&self, path: &str) -> Result<&Node, &'static str> {
        let empty = &[][..];
        let root = self.file.documents.first().map_or(empty, Vec::as_slice);
        let places = self.places.get_or_init(|| {
            let keys = root.iter().enumerate().filter_map(|(at, entry)| Some((entry.pair()?.0, at)));
            // Of two sections with one name the first one counts.
            keys.rev().map(|(key, at)| (key.to_owned(), at)).collect()
        });
        if let Some((_, node)) = places.get(path).and_then(|at| root.get(*at)?.pair()) {
            return Ok(node);
        }
        self.at_entries(root, path, "")
    }

    /// The node below `entries`, which stand at `above`. A key that itself holds `/` is found too, and of two sections
    /// with one name the one that has the rest of the path.
    fn at_entries<'n>(
        &self,
        entries: &'n [super::tree::Entry],
        path: &str,
        above: &str,
    ) -> Result<&'n Node, &'static str> {
        let pairs = || entries.iter().filter_map(super::tree::Entry::pair);
        if let Some((_, found)) = pairs().find(|(key, _)| *key == path) {
            return Ok(found);
        }
        let mut last = Err(ABSENT);
        for (key, node) in pairs() {
            let Some(rest) = path.strip_prefix(key).and_then(|rest| rest.strip_prefix('/')) else { continue };
            last = self.below(node, rest, &format!("{above}{key}/"));
            if last.is_ok() {
                return last;
            }
        }
        last
    }

    fn below<'n>(&self, node: &'n Node, path: &str, above: &str) -> Result<&'n Node, &'static str> {
        let items = match node {
            Node::Map(entries) => return self.at_entries(entries, path, above),
            Node::Leaf(_) => return Err(ABSENT),
            Node::List(_) => node.items(),
        };
        let (head, tail) = path.split_once('/').map_or((path, None), |(head, tail)| (head, Some(tail)));
        let item = head.parse().ok().and_then(|at: usize| items.get(at).copied()).ok_or(ABSENT)?;
        let loose = |(at, item): (usize, &&Node)| {
            matches!(item, Node::List(_)) || !self.is_covered(item, &format!("{above}{at}"))
        };
        if items.iter().enumerate().any(loose) {
            return Err(
                "stands in a list with empty or nested items, whose positions sops does not authenticate \
                        (give it a key of its own)",
            );
        }
        tail.map_or(Ok(item), |tail| self.below(item, tail, &format!("{above}{head}/")))
    }

    /// True when something in it is in the MAC, so that it cannot have been added unseen.
    fn is_covered(&self, node: &Node, place: &str) -> bool {
        match node {
            Node::Leaf(Leaf::Null) => false,
            Node::Leaf(leaf) => !leaf.is_empty() && !self.uncovered.contains(place),
            Node::List(items) => {
                let mut nodes = items.iter().filter_map(Item::node).enumerate();
                nodes.any(|(at, node)| self.is_covered(node, &format!("{place}/{at}")))
            }
            Node::Map(entries) => {
                let mut pairs = entries.iter().filter_map(super::tree::Entry::pair);
                pairs.any(|(key, node)| self.is_covered(node, &format!("{place}/{key}")))
            }
        }
    }
}
