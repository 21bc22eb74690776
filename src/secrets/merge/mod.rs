//! Two versions of a sops file since a common one become one file, path by path.

mod tree;

use jiff::Timestamp;

use super::change::alike;
use super::clear::{Readers, readers_of};
use super::document::Opener;
use super::error::SecretError;
use super::identity::{Ask, Environment};
use super::metadata::Metadata;
use super::opened::{data_key, open, read};
use super::reseal::{Reseal, reseal};
use super::revise::revised;
use super::store::File;
use super::token::DataKey;
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// What became of two versions.
pub enum Merged {
    /// One file.
    File(SecretBytes),
    /// These places were changed on both sides, each in its own way.
    Conflicts {
        /// Them, each with what happened.
        places: Vec<String>,
        /// A whole file with everything else of both sides, and with ours in those places; none where that says nothing,
        /// because readers, rules or the number of documents are among them.
        rest: Option<SecretBytes>,
    },
}

/// A version that is open.
struct Side<'b> {
    bytes: &'b [u8],
    clear: File,
    metadata: Metadata,
    key: DataKey,
    readers: Readers,
}

/// Makes one file of `ours` and `theirs`, which come from `base` (empty where there was none). Every MAC is verified;
/// the file has one new MAC, and every value that did not change its token. Where both sides changed one value, ours stays
/// in its place.
///
/// # Errors
/// A version that does not open; the error says which.
pub fn merge(
    format: SecretFormat,
    (base, ours, theirs): (&[u8], &[u8], &[u8]),
    opener: &Opener<'_>,
    helpers: (Environment, Ask),
    now: Timestamp,
) -> Result<Merged, SecretError> {
    if base == theirs || ours == theirs {
        return Ok(Merged::File(SecretBytes::new(ours.to_vec())));
    }
    if base == ours {
        return Ok(Merged::File(SecretBytes::new(theirs.to_vec())));
    }
    let side = |bytes, name| Side::open(bytes, format, opener).map_err(|error| told(name, &error));
    let base = if base.trim_ascii().is_empty() { None } else { Some(side(base, "the common version")?) };
    let (ours, theirs) = (side(ours, "our version")?, side(theirs, "their version")?);
    let (mut places, mut values) = (Vec::new(), Vec::new());
    let readers = readers((base.as_ref(), &ours, &theirs), &mut places);
    rules(&ours, &theirs, &mut places);
    let documents = documents((base.as_ref(), &ours, &theirs), (&mut places, &mut values));
    if !places.is_empty() {
        places.append(&mut values);
        return Ok(Merged::Conflicts { places, rest: None });
    }
    let whole = |file| {
        if values.is_empty() {
            Merged::File(file)
        } else {
            Merged::Conflicts { places: values, rest: Some(file) }
        }
    };
    let (ground, anew) = ground((base.as_ref(), &ours, &theirs));
    let wanted = || {
        let copy = |document: &Vec<_>| document.iter().map(tree::entry).collect();
        Ok(File { documents: documents.iter().map(copy).collect(), metadata: None })
    };
    let revised = revised((ground.bytes, format), &ground.key, wanted, now)?;
    let bytes = revised.map_or_else(|| SecretBytes::new(ground.bytes.to_vec()), |edited| edited.bytes);
    if readers == ground.readers && !anew {
        return Ok(whole(bytes));
    }
    let anew = (anew || !ground.readers.only_grow_to(&readers)).then_some(now);
    let key = SecretBytes::new(ground.key.expose().to_vec());
    let order = Reseal { readers, anew, helpers };
    let resealed = reseal((bytes.expose(), format, format), &Opener::DataKey(&key), &order)?;
    Ok(whole(resealed.bytes))
}

impl<'b> Side<'b> {
    fn open(bytes: &'b [u8], format: SecretFormat, opener: &Opener<'_>) -> Result<Self, SecretError> {
        let (_, metadata) = read(bytes, format)?;
        let key = data_key(opener, &metadata)?;
        let (clear, metadata) = open(bytes, format, &key)?;
        Ok(Self { bytes, clear, metadata, key, readers: readers_of(bytes, format)? })
    }

    fn has_key_of(&self, other: &Self) -> bool {
        self.key.expose() == other.key.expose()
    }
}

/// Says which version an error is about.
fn told(name: &str, error: &SecretError) -> SecretError {
    match error {
        SecretError::NoIdentity { .. } => error.clone(),
        other => SecretError::Syntax(format!("{name}: {other}")),
    }
}

/// The version whose data key goes on, and whether even that must be a new one. A side that has another key than before
/// took the old one from somebody.
fn ground<'s, 'b>(
    (base, ours, theirs): (Option<&Side<'_>>, &'s Side<'b>, &'s Side<'b>),
) -> (&'s Side<'b>, bool) {
    if ours.has_key_of(theirs) {
        return (ours, false);
    }
    match base {
        Some(base) if ours.has_key_of(base) => (theirs, false),
        Some(base) if theirs.has_key_of(base) => (ours, false),
        _ => (ours, true),
    }
}

/// Who shall read the file: whoever a side added, without whom a side removed.
fn readers(
    (base, ours, theirs): (Option<&Side<'_>>, &Side<'_>, &Side<'_>),
    conflicts: &mut Vec<String>,
) -> Readers {
    let (mine, other) = (&ours.readers, &theirs.readers);
    let before = base.map(|base| &base.readers);
    if mine == other || before == Some(other) {
        return mine.clone();
    }
    if before == Some(mine) {
        return other.clone();
    }
    if mine.groups.len() > 1 || other.groups.len() > 1 || before.is_some_and(|before| before.groups.len() > 1)
    {
        conflicts.push("sops/key_groups: changed on both sides".to_owned());
        return mine.clone();
    }
    let mut readers = mine.clone();
    match before {
        Some(before) => {
            for gone in before.missing_in(other) {
                readers.remove(&gone);
            }
            for new in other.missing_in(before) {
                readers.add(&new);
            }
        }
        None => other.groups.iter().flatten().for_each(|new| readers.add(new)),
    }
    if readers.groups.iter().any(Vec::is_empty) {
        conflicts.push("sops/age: nobody is left who could read it".to_owned());
    }
    readers
}

fn rules(ours: &Side<'_>, theirs: &Side<'_>, conflicts: &mut Vec<String>) {
    let (mine, other) = (&ours.metadata, &theirs.metadata);
    if mine.rules.named() != other.rules.named() || mine.mac_only_encrypted != other.mac_only_encrypted {
        conflicts.push("sops: the rule of what is encrypted differs between both sides".to_owned());
    }
}

fn documents(
    (base, ours, theirs): (Option<&Side<'_>>, &Side<'_>, &Side<'_>),
    (places, values): (&mut Vec<String>, &mut Vec<String>),
) -> Vec<Vec<super::tree::Entry>> {
    let none = Vec::new();
    let before = base.map_or(&none, |base| &base.clear.documents);
    let (mine, other) = (&ours.clear.documents, &theirs.clear.documents);
    if mine.len() != other.len() {
        let same = |side: &Vec<Vec<_>>| {
            side.len() == before.len() && side.iter().zip(before).all(|(left, right)| alike(left, right))
        };
        let copy = |side: &Vec<Vec<_>>| {
            side.iter().map(|document| document.iter().map(tree::entry).collect()).collect()
        };
        if same(other) || same(mine) {
            return copy(if same(other) { mine } else { other });
        }
        places.push("the number of documents: changed on both sides".to_owned());
        return Vec::new();
    }
    let merged = mine.iter().zip(other).enumerate().map(|(index, (mine, other))| {
        let place = if index == 0 { String::new() } else { format!("document {}: ", index + 1) };
        let before = before.get(index).map_or(&[][..], Vec::as_slice);
        tree::entries(before, (mine, other), &place, values)
    });
    merged.collect()
}
