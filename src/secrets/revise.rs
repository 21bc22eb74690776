//! A file whose clear text became another one: what did not change keeps its token, and its place in the text.

use jiff::Timestamp;

use super::change::{alike, alike_node};
use super::crypt;
use super::document::Opener;
use super::edit::Edited;
use super::error::SecretError;
use super::metadata::Metadata;
use super::opened::{data_key, open, open_to_change, read, section};
use super::path::Step;
use super::store::{self, Change, File, Indent};
use super::token::DataKey;
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// Gives a file another clear text, which has the same form. The MAC is verified first. Nothing where the text says the
/// same as before.
///
/// # Errors
/// A file that does not open; a text that is not of the form, or holds what cannot be encrypted.
pub fn revise(
    (bytes, format): (&[u8], SecretFormat),
    opener: &Opener<'_>,
    clear: &SecretBytes,
    now: Timestamp,
) -> Result<Option<Edited>, SecretError> {
    let (_, metadata) = read(bytes, format)?;
    let key = data_key(opener, &metadata)?;
    revised((bytes, format), &key, || super::encrypt::plain(clear.expose(), format, format), now)
}

/// As [`revise`]; `wanted` gives the clear document, each time the same.
pub(super) fn revised(
    (bytes, format): (&[u8], SecretFormat),
    key: &DataKey,
    wanted: impl Fn() -> Result<File, SecretError>,
    now: Timestamp,
) -> Result<Option<Edited>, SecretError> {
    let (mut sealed, mut metadata) = read(bytes, format)?;
    let written = section(&mut sealed)?;
    let (before, ivs) = open_to_change(bytes, format, key)?;
    let (after, mut fresh) = (wanted()?, wanted()?);
    if same(&before, &after) {
        return Ok(None);
    }
    metadata.lastmodified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    metadata.mac = crypt::seal_again(&mut fresh.documents, &metadata, key, format, ivs)?;
    let opens =
        |bytes: &SecretBytes| open(bytes.expose(), format, key).is_ok_and(|(found, _)| same(&found, &after));
    if let Some(bytes) = spliced((bytes, format), (&before, &after), &fresh, &metadata)
        && opens(&bytes)
    {
        return Ok(Some(Edited { bytes, laid_out_anew: false }));
    }
    fresh.metadata = Some(metadata.dated(written));
    let bytes = store::write(format, &fresh, Indent::of(format, bytes))?;
    if opens(&bytes) {
        Ok(Some(Edited { bytes, laid_out_anew: true }))
    } else {
        Err(SecretError::Syntax("cannot be written in this form".to_owned()))
    }
}

fn same(left: &File, right: &File) -> bool {
    left.documents.len() == right.documents.len()
        && left.documents.iter().zip(&right.documents).all(|(left, right)| alike(left, right))
}

/// The text with one change after the other, where each can be made in it.
fn spliced(
    (bytes, format): (&[u8], SecretFormat),
    (before, after): (&File, &File),
    fresh: &File,
    metadata: &Metadata,
) -> Option<SecretBytes> {
    let (old, new) = (before.documents.first()?, after.documents.first()?);
    let document = fresh.documents.first()?;
    let mut changes = Vec::new();
    differing(old, new, &mut Vec::new(), &mut changes);
    let mut text = SecretBytes::new(bytes.to_vec());
    for (path, is_there) in &changes {
        let change = Change {
            path,
            document: is_there.then_some(document),
            mac: &metadata.mac,
            lastmodified: &metadata.lastmodified,
        };
        text = store::spliced(format, text.expose(), &change)?;
    }
    (!changes.is_empty()).then_some(text)
}

/// Where the documents differ, and whether something is there in the new one.
fn differing(old: &[Entry], new: &[Entry], above: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, bool)>) {
    let value = |entries: &'_ [Entry], key: &str| {
        entries.iter().any(|entry| entry.pair().is_some_and(|(name, _)| name == key))
    };
    let path = |above: &[Step], key: &str| {
        let mut path = above.to_vec();
        path.push(Step::Key(key.to_owned()));
        path
    };
    for (key, _) in old.iter().filter_map(Entry::pair).filter(|(key, _)| !value(new, key)) {
        found.push((path(above, key), false));
    }
    for (key, node) in new.iter().filter_map(Entry::pair) {
        let before = old.iter().filter_map(Entry::pair).find(|(name, _)| *name == key).map(|(_, node)| node);
        above.push(Step::Key(key.to_owned()));
        match before {
            Some(before) => differing_in(before, node, above, found),
            None => found.push((above.clone(), true)),
        }
        above.pop();
    }
}

fn differing_in(old: &Node, new: &Node, above: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, bool)>) {
    match (old, new) {
        (Node::Map(old), Node::Map(new)) => differing(old, new, above, found),
        (Node::List(old), Node::List(new)) if old.len() == new.len() => {
            let values = |items: &'_ [Item]| items.iter().filter_map(Item::node).count();
            if values(old) != values(new) {
                return found.push((above.clone(), true));
            }
            let pairs = old.iter().filter_map(Item::node).zip(new.iter().filter_map(Item::node));
            for (index, (old, new)) in pairs.enumerate() {
                above.push(Step::Index(index));
                differing_in(old, new, above, found);
                above.pop();
            }
        }
        _ if alike_node(old, new) => {}
        _ => found.push((above.clone(), true)),
    }
}
