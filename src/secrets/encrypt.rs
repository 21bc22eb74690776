//! New sops files.

use jiff::Timestamp;

use super::crypt;
use super::document::{FILE_CAP, Opener, decrypt_with};
use super::error::SecretError;
use super::identity::{Ask, Environment, Plugins};
use super::layout::Layout;
use super::metadata::{Metadata, Wrap};
use super::recipient::{Recipient, wrap};
use super::rules::Rules;
use super::store::{self, File};
use super::token::DataKey;
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// For whom a new file is encrypted, and what in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Recipients as sops spells them. One group: each of them opens the file. Several: `threshold` groups do.
    pub groups: Vec<Vec<String>>,
    /// How many groups must answer; 0 for all of them.
    pub threshold: usize,
    /// Rules by the names that they have in `.sops.yaml`; at most one may be set.
    pub rules: Vec<(String, String)>,
    /// Leave clear values out of the MAC.
    pub mac_only_encrypted: bool,
    /// How the new file is indented.
    pub layout: Layout,
}

/// Encrypts a clear file of the form `from` into a sops file of the form `to`, dated `now`. Plugins that recipients need
/// run in that environment and ask there.
///
/// # Errors
/// What either form cannot hold, a file that is encrypted already, a policy that names nobody or two rules.
pub fn encrypt(
    bytes: &[u8],
    (from, to): (SecretFormat, SecretFormat),
    policy: &Policy,
    now: Timestamp,
    (environment, ask): (Environment, Ask),
) -> Result<SecretBytes, SecretError> {
    if bytes.len() > FILE_CAP {
        let length = bytes.len();
        return Err(SecretError::Syntax(format!(
            "has {length} bytes, more than {FILE_CAP} are not encrypted"
        )));
    }
    let mut file = plain(bytes, from, to)?;
    let key =
        DataKey::generate().map_err(|error| SecretError::Metadata(format!("no random bytes: {error}")))?;
    let plugins = Plugins { environment, ask };
    let parse = |group: &Vec<String>| group.iter().map(|text| Recipient::parse(text, &plugins)).collect();
    let groups = policy.groups.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut metadata = metadata(policy, from, wrap(&groups, policy.threshold, &key)?, now)?;
    metadata.mac = crypt::seal(&mut file.documents, &metadata, &key, to)?;
    file.metadata = Some(metadata.node());
    let written = store::write(to, &file, policy.layout.of(to)?)?;
    // A form may not be able to hold its keys or clear values; nobody shall find that out later.
    let key = SecretBytes::new(key.expose().to_vec());
    match decrypt_with(written.expose(), to, &Opener::DataKey(&key), false) {
        Ok(document) => keeps_keys(&file, &document.file).map(|()| written),
        Err(error) => Err(SecretError::Syntax(format!("cannot be written in this form: {error}"))),
    }
}

/// Fails where a key is not there when what was written is read again. No MAC covers the key of an empty value.
pub(super) fn keeps_keys(wanted: &File, found: &File) -> Result<(), SecretError> {
    let mut documents = wanted.documents.iter().zip(&found.documents);
    match documents.find_map(|(wanted, found)| lost(wanted, found)) {
        None => Ok(()),
        Some(key) => {
            let reason = "cannot be written in this form: read again it is another key, or none";
            Err(SecretError::Key { path: key.to_owned(), reason })
        }
    }
}

/// The first key that is not there again, in the same order. There may be others: INI always has its first section.
fn lost<'w>(wanted: &'w [Entry], found: &[Entry]) -> Option<&'w str> {
    let mut found = found.iter().filter_map(Entry::pair);
    wanted.iter().filter_map(Entry::pair).find_map(|(key, node)| {
        match found.find(|(there, _)| *there == key) {
            Some((_, there)) => lost_in(node, there),
            None => Some(key),
        }
    })
}

fn lost_in<'w>(wanted: &'w Node, found: &Node) -> Option<&'w str> {
    match (wanted, found) {
        (Node::Map(wanted), Node::Map(found)) => lost(wanted, found),
        (Node::List(wanted), Node::List(found)) => {
            let mut nodes = wanted.iter().filter_map(Item::node).zip(found.iter().filter_map(Item::node));
            nodes.find_map(|(wanted, found)| lost_in(wanted, found))
        }
        _ => None,
    }
}

/// A clear file of the form `from` that shall become one of the form `to`.
///
/// # Errors
/// What is not of that form, or has a key that metadata has.
pub(super) fn plain(bytes: &[u8], from: SecretFormat, to: SecretFormat) -> Result<File, SecretError> {
    let file = clear(bytes, from)?;
    if file.metadata.is_some() || file.documents.iter().flatten().any(|entry| reserved(entry, to)) {
        return Err(SecretError::Metadata(
            "it has a key that sops keeps for itself, so it is encrypted already (rename the key if it is not)".to_owned(),
        ));
    }
    Ok(file)
}

/// A clear file; a binary one becomes the text under a key.
fn clear(bytes: &[u8], format: SecretFormat) -> Result<File, SecretError> {
    if !matches!(format, SecretFormat::Binary) {
        return store::read(format, bytes);
    }
    let data = Entry::Pair("data".to_owned(), Node::text(bytes));
    Ok(File { documents: vec![vec![data]], metadata: None })
}

/// True for a key that metadata has in the form `to`.
fn reserved(entry: &Entry, to: SecretFormat) -> bool {
    let Some((key, _)) = entry.pair() else { return false };
    match to {
        SecretFormat::Dotenv => key.starts_with("sops_"),
        _ => key == "sops",
    }
}

fn metadata(
    policy: &Policy,
    from: SecretFormat,
    groups: Vec<Vec<Wrap>>,
    now: Timestamp,
) -> Result<Metadata, SecretError> {
    let binary = matches!(from, SecretFormat::Binary);
    let rule = |name: &str| policy.rules.iter().find(|(set, _)| set == name).map(|(_, text)| text.clone());
    let rules = if binary { Rules::All } else { Rules::read(rule).map_err(SecretError::Metadata)? };
    Ok(Metadata {
        threshold: if policy.threshold == 0 { groups.len() } else { policy.threshold },
        groups,
        mac: String::new(),
        lastmodified: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        mac_only_encrypted: policy.mac_only_encrypted && !binary,
        rules,
    })
}
