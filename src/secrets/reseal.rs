//! Other readers for a file, and a new data key where one is due.

use jiff::Timestamp;

use super::change::{alike, exchanged};
use super::clear::Readers;
use super::crypt;
use super::document::Opener;
use super::edit::Edited;
use super::error::SecretError;
use super::identity::{Ask, Environment, Plugins, spelled};
use super::metadata::{Metadata, Wrap};
use super::opened::{data_key, open, read, section};
use super::recipient::{Recipient, wrap};
use super::store::{self, File, Indent};
use super::token::DataKey;
use crate::manifest::SecretFormat;

/// What shall become of the readers and of the data key of a file.
pub struct Reseal {
    /// Who shall open it.
    pub readers: Readers,
    /// Make a new data key, dated so; without it the old one stays, and with it every token, the MAC and the time.
    pub anew: Option<Timestamp>,
    /// What plugins of recipients see, and whom they ask.
    pub helpers: (Environment, Ask),
}

impl Readers {
    /// True where `other` keeps everybody in the groups of this and adds some: nobody loses anything, so that the
    /// data key may stay.
    #[must_use]
    pub fn only_grow_to(&self, other: &Self) -> bool {
        let has = |new: &[String], one: &str| new.iter().any(|other| spelled(other) == spelled(one));
        let kept = |(old, new): (&Vec<String>, &Vec<String>)| old.iter().all(|one| has(new, one));
        self.groups.len() == other.groups.len()
            && (self.groups.len() == 1 || self.threshold == other.threshold)
            && self.groups.iter().zip(&other.groups).all(kept)
    }

    /// Everybody who is in no group of `other`, each once.
    #[must_use]
    pub fn missing_in(&self, other: &Self) -> Vec<String> {
        let mut missing: Vec<String> = Vec::new();
        for reader in self.groups.iter().flatten() {
            if !other.has(reader) && !missing.contains(reader) {
                missing.push(reader.clone());
            }
        }
        missing
    }

    /// Adds a reader to the first group, unless it is in one already.
    pub fn add(&mut self, reader: &str) {
        if !self.has(reader)
            && let Some(group) = self.groups.first_mut()
        {
            group.push(reader.to_owned());
        }
    }

    /// Removes a reader from every group; false where it is in none.
    pub fn remove(&mut self, reader: &str) -> bool {
        let there = self.has(reader);
        for group in &mut self.groups {
            group.retain(|one| spelled(one) != spelled(reader));
        }
        there
    }

    fn has(&self, reader: &str) -> bool {
        self.groups.iter().flatten().any(|one| spelled(one) == spelled(reader))
    }
}

/// Wraps the data key, or a new one, for other readers. The file's MAC is verified first, and the result is opened
/// before it is given out. The text keeps its layout where it can.
///
/// # Errors
/// A file that does not open, a reader of a kind that cannot be encrypted for, groups that could never answer.
pub fn reseal(
    (bytes, from, to): (&[u8], SecretFormat, SecretFormat),
    opener: &Opener<'_>,
    order: &Reseal,
) -> Result<Edited, SecretError> {
    let (mut sealed, mut metadata) = read(bytes, from)?;
    let key = data_key(opener, &metadata)?;
    let (expected, _) = open(bytes, from, &key)?;
    let (mut fresh, _) = open(bytes, from, &key)?;
    let written = section(&mut sealed)?;
    let new = match order.anew {
        Some(_) => Some(
            DataKey::generate()
                .map_err(|error| SecretError::Metadata(format!("no random bytes: {error}")))?,
        ),
        None => None,
    };
    metadata.groups = wraps(order, &metadata, new.as_ref().unwrap_or(&key))?;
    metadata.threshold = order.readers.threshold;
    let mut tokens = Vec::new();
    if let (Some(now), Some(new)) = (order.anew, &new) {
        metadata.lastmodified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        metadata.mac = crypt::seal(&mut fresh.documents, &metadata, new, to)?;
        for (old, new) in sealed.documents.iter().zip(&fresh.documents) {
            exchanged(old, new, &mut tokens);
        }
    } else {
        fresh = sealed;
    }
    let key = new.unwrap_or(key);
    let section = metadata.renewed(written);
    if let Some(bytes) = (from == to).then(|| store::refitted(from, bytes, &tokens, &section)).flatten()
        && holds(bytes.expose(), to, &key, (&expected, &metadata))
    {
        return Ok(Edited { bytes, laid_out_anew: false });
    }
    fresh.metadata = Some(section);
    let indent = if from == to { Indent::of(to, bytes) } else { Indent::Default };
    let bytes = store::write(to, &fresh, indent)?;
    if holds(bytes.expose(), to, &key, (&expected, &metadata)) {
        Ok(Edited { bytes, laid_out_anew: true })
    } else {
        Err(SecretError::Syntax("cannot be written in this form".to_owned()))
    }
}

/// The threshold that a file states; 0 where it states none, or has one group of readers.
///
/// # Errors
/// No sops file.
pub fn written_threshold(bytes: &[u8], format: SecretFormat) -> Result<usize, SecretError> {
    let (file, metadata) = read(bytes, format)?;
    let stated = file.metadata.is_some_and(|section| section.get("shamir_threshold").is_some());
    Ok(if stated && metadata.groups.len() > 1 { metadata.threshold } else { 0 })
}

/// True where the bytes open to what is expected, for the readers that are.
fn holds(
    bytes: &[u8],
    format: SecretFormat,
    key: &DataKey,
    (expected, metadata): (&File, &Metadata),
) -> bool {
    open(bytes, format, key).is_ok_and(|(found, read)| {
        read.wraps_as(metadata)
            && found.documents.len() == expected.documents.len()
            && found.documents.iter().zip(&expected.documents).all(|(found, wanted)| alike(found, wanted))
    })
}

/// The data key for all readers. Who has the same key already, whole, keeps his wrap.
fn wraps(order: &Reseal, old: &Metadata, key: &DataKey) -> Result<Vec<Vec<Wrap>>, SecretError> {
    let plugins = Plugins { environment: order.helpers.0.clone(), ask: order.helpers.1.clone() };
    let parse = |text: &String| match text.split_once(' ') {
        Some((kind, _)) if !kind.starts_with("ssh-") => Err(SecretError::Recipient {
            recipient: text.clone(),
            reason: "is of a kind that cannot be encrypted for here (use sops, or remove it)".to_owned(),
        }),
        _ => Recipient::parse(text, &plugins),
    };
    let (Some(group), Some(wrapped), None) = (order.readers.groups.first(), old.groups.first(), order.anew)
    else {
        return wrap(&all(&order.readers, parse)?, order.readers.threshold, key);
    };
    if order.readers.groups.len() > 1 || old.groups.len() > 1 {
        return wrap(&all(&order.readers, parse)?, order.readers.threshold, key);
    }
    let mut wraps = Vec::with_capacity(group.len());
    for reader in group {
        let kept =
            wrapped.iter().find(|wrap| spelled(&wrap.recipient) == spelled(reader) && wrap.enc.is_some());
        match kept {
            Some(kept) => wraps.push(Wrap { recipient: kept.recipient.clone(), enc: kept.enc.clone() }),
            None => wraps.extend(wrap(&[vec![parse(reader)?]], 0, key)?.into_iter().flatten()),
        }
    }
    Ok(vec![wraps])
}

fn all(
    readers: &Readers,
    parse: impl Fn(&String) -> Result<Recipient, SecretError>,
) -> Result<Vec<Vec<Recipient>>, SecretError> {
    readers.groups.iter().map(|group| group.iter().map(&parse).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(groups: &[&[&str]], threshold: usize) -> Readers {
        let groups = groups.iter().map(|group| group.iter().map(|&one| one.to_owned()).collect()).collect();
        Readers { groups, threshold }
    }

    #[test]
    fn whoever_loses_something_asks_for_a_new_data_key() {
        let one = readers(&[&["a", "b"]], 1);
        assert!(one.only_grow_to(&readers(&[&["b", "c", "a"]], 0)));
        for other in [readers(&[&["a"]], 1), readers(&[&["a"], &["b"]], 2), readers(&[&["a", "c"]], 1)] {
            assert!(!one.only_grow_to(&other), "{other:?}");
        }
        let two = readers(&[&["a"], &["b"]], 2);
        assert!(two.only_grow_to(&readers(&[&["a", "c"], &["b"]], 2)));
        for other in [readers(&[&["b"], &["a"]], 2), readers(&[&["a"], &["b"]], 1)] {
            assert!(!two.only_grow_to(&other), "{other:?}");
        }
        assert_eq!(one.missing_in(&readers(&[&["c"], &["b"]], 2)), ["a"]);
    }
}
