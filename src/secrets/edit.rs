//! One value of a file set or removed: the file keeps every character that has nothing to do with it.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::change::{apply, by_values, copy, same};
use super::crypt;
use super::document::{FILE_CAP, Opener};
use super::error::SecretError;
use super::iv::Ivs;
use super::metadata::Metadata;
use super::opened::{data_key, read, section};
use super::path::{Step, shown};
use super::store::{self, Change, File, Indent, node_at};
use super::token::DataKey;
use super::tree::{Entry, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// A file with a change.
pub struct Edited {
    /// The whole file.
    pub bytes: SecretBytes,
    /// True where the change could not be made in the text as it is written, so that it was laid out anew, as sops does.
    pub laid_out_anew: bool,
}

/// Sets the value at `path` to `value`, which is JSON; what is missing on the way is made, and a position behind the end
/// of a list adds an item. The file's MAC is verified first; the data key and all other values stay as they are.
///
/// # Errors
/// A file that does not open, a value that is no JSON, a path that leads nowhere, what the form cannot hold.
pub fn set(
    (bytes, format): (&[u8], SecretFormat),
    key: &Opener<'_>,
    path: &[Step],
    value: &SecretBytes,
    now: Timestamp,
) -> Result<Edited, SecretError> {
    edited((bytes, format), key, path, Some(value), now)
}

/// Removes the value at `path`, with its key.
///
/// # Errors
/// As [`set`], and a path to nothing.
pub fn unset(
    (bytes, format): (&[u8], SecretFormat),
    key: &Opener<'_>,
    path: &[Step],
    now: Timestamp,
) -> Result<Edited, SecretError> {
    edited((bytes, format), key, path, None, now)
}

fn edited(
    (bytes, format): (&[u8], SecretFormat),
    key: &Opener<'_>,
    path: &[Step],
    value: Option<&SecretBytes>,
    now: Timestamp,
) -> Result<Edited, SecretError> {
    if matches!(format, SecretFormat::Binary) {
        let why = "it is a binary file, which is one value (encrypt the new one instead)";
        return Err(SecretError::Metadata(why.to_owned()));
    }
    if bytes.len() > FILE_CAP {
        return Err(SecretError::Syntax(format!(
            "has {} bytes, more than {FILE_CAP} are not read",
            bytes.len()
        )));
    }
    let (mut data, mut steps) = (None, Vec::new());
    let mut changed = || -> Result<(Expected, Metadata, Ivs), SecretError> {
        let (mut file, metadata) = read(bytes, format)?;
        let key = match &mut data {
            Some(key) => key,
            none => none.insert(data_key(key, &metadata)?),
        };
        let opened = crypt::open_to_change(&mut file.documents, &metadata, key, format)?;
        crypt::verify(&opened, &metadata, key)?;
        let document = file.documents.first().map_or(&[][..], Vec::as_slice);
        let counted =
            by_values(document, path).map_err(|reason| SecretError::Key { path: shown(path), reason })?;
        apply(&mut file, &counted, value.map(json).transpose()?)?;
        steps = counted;
        Ok((Expected { file, warnings: opened.warnings.len() }, metadata, opened.ivs))
    };
    let (expected, ..) = changed()?;
    let (Expected { file: mut sealed, .. }, mut metadata, ivs) = changed()?;
    let key = data.ok_or(SecretError::NoMac)?;
    metadata.lastmodified = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    metadata.mac = crypt::seal_again(&mut sealed.documents, &metadata, &key, format, ivs)?;
    let document = sealed.documents.first().map_or(&[][..], Vec::as_slice);
    let change = Change {
        path: &steps,
        document: value.is_some().then_some(document),
        mac: &metadata.mac,
        lastmodified: &metadata.lastmodified,
    };
    if let Some(bytes) = store::spliced(format, bytes, &change)
        && holds(&bytes, format, &key, &expected).is_ok()
    {
        return Ok(Edited { bytes, laid_out_anew: false });
    }
    let written = anew((bytes, format), (&change, &metadata), sealed.documents.first())?;
    holds(&written, format, &key, &expected)?;
    Ok(Edited { bytes: written, laid_out_anew: true })
}

/// What the changed file must open to.
struct Expected {
    file: File,
    /// No more than these: a comment that belongs to another value now would not decrypt.
    warnings: usize,
}

/// The value that a JSON text is.
fn json(text: &SecretBytes) -> Result<Node, SecretError> {
    let mut object = Zeroizing::new(Vec::with_capacity(text.expose().len() + 8));
    object.extend_from_slice(b"{\"v\":");
    object.extend_from_slice(text.expose());
    object.push(b'}');
    let wrong = || SecretError::Syntax("the new value is no JSON (text stands in double quotes)".to_owned());
    let mut file = store::read(SecretFormat::Json, &object).map_err(|_| wrong())?;
    let mut entries = file.documents.pop().unwrap_or_default();
    match (entries.pop(), entries.is_empty()) {
        (Some(Entry::Pair(_, node)), true) => Ok(node),
        _ => Err(wrong()),
    }
}

/// The file laid out anew, with the tokens that it has for everything that did not change.
fn anew(
    (bytes, format): (&[u8], SecretFormat),
    (change, metadata): (&Change<'_>, &Metadata),
    sealed: Option<&Vec<Entry>>,
) -> Result<SecretBytes, SecretError> {
    let mut file = store::read(format, bytes)?;
    let value = match (change.document, sealed) {
        (Some(_), Some(sealed)) => Some(copy(set_node(sealed, change.path)?)),
        _ => None,
    };
    apply(&mut file, change.path, value)?;
    file.metadata = Some(metadata.dated(section(&mut file)?));
    store::write(format, &file, Indent::of(format, bytes))
}

/// What was set; behind the end of a list it is the last item.
fn set_node<'n>(sealed: &'n [Entry], path: &[Step]) -> Result<&'n Node, SecretError> {
    let clamp = |(at, step): (usize, &Step)| match step {
        Step::Index(index) => {
            let list = path.get(..at).and_then(|above| node_at(sealed, above));
            let most = list.map_or(0, |list| list.items().len().saturating_sub(1));
            Step::Index((*index).min(most))
        }
        Step::Key(key) => Step::Key(key.clone()),
    };
    let path: Vec<Step> = path.iter().enumerate().map(clamp).collect();
    node_at(sealed, &path)
        .ok_or_else(|| SecretError::Key { path: shown(&path), reason: "is not in the file" })
}

/// Fails where the bytes do not open to what is expected.
fn holds(
    bytes: &SecretBytes,
    format: SecretFormat,
    key: &DataKey,
    expected: &Expected,
) -> Result<(), SecretError> {
    let (mut file, metadata) = read(bytes.expose(), format)?;
    let opened = crypt::open(&mut file.documents, &metadata, key, format)?;
    crypt::verify(&opened, &metadata, key)?;
    let wanted = &expected.file.documents;
    let mut documents = file.documents.iter().zip(wanted);
    if file.documents.len() == wanted.len()
        && opened.warnings.len() <= expected.warnings
        && documents.all(|(found, wanted)| same(found, wanted))
    {
        Ok(())
    } else {
        Err(SecretError::Syntax("the change cannot be written in this form".to_owned()))
    }
}
