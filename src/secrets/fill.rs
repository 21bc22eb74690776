//! Values that are put into sops files by their places in a manifest: `a/b`.

use std::path::Path;

use jiff::Timestamp;

use super::config::Config;
use super::document::Opener;
use super::edit::set;
use super::encrypt::{Policy, encrypt};
use super::error::SecretError;
use super::identity::{Ask, Environment};
use super::metadata::Metadata;
use super::path::Step;
use super::scalar::Leaf;
use super::store::{self, File, Indent};
use super::token::PREFIX;
use super::tree::{Entry, Node};
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// The name of the file of creation rules.
const CONFIG: &str = ".sops.yaml";

/// What the creation rule of the nearest `.sops.yaml`, from the file's own folder upward, says about it.
///
/// # Errors
/// None there, one that is not understood, no rule that matches, a rule that names nobody.
pub fn policy_for(file: &Path) -> Result<Policy, SecretError> {
    let mut folders = file.ancestors().skip(1);
    let folder = folders.find(|folder| folder.join(CONFIG).is_file());
    let folder = folder.ok_or_else(|| {
        SecretError::Config(format!("no `{CONFIG}` in its folder or above it says who reads it"))
    })?;
    let path = folder.join(CONFIG);
    let wrong = |why: String| SecretError::Config(format!("`{}`: {why}", path.display()));
    let bytes =
        super::identity::read_capped(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let config = Config::read(&bytes).map_err(|error| wrong(error.to_string()))?;
    let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
    let rule = config.rule(&name).map_err(|error| wrong(error.to_string()))?;
    let rule = rule.ok_or_else(|| wrong(format!("none of its creation rules matches `{name}`")))?;
    let policy = rule.policy().map_err(|error| wrong(error.to_string()))?;
    if policy.groups.iter().all(Vec::is_empty) {
        return Err(wrong(format!("the creation rule for `{name}` names nobody")));
    }
    Ok(policy.clone())
}

/// The steps to a value.
fn steps(place: &str) -> Vec<Step> {
    place.split('/').map(|key| Step::Key(key.to_owned())).collect()
}

/// Whether an encrypted file has something at `place`: neither null nor empty. No key is needed. A binary file is one
/// value.
///
/// # Errors
/// A file that cannot be read, or is no sops file.
pub fn has_value(bytes: &[u8], format: SecretFormat, place: &str) -> Result<bool, SecretError> {
    let file = store::read(format, bytes)?;
    if file.metadata.is_none() {
        return Err(SecretError::Metadata("it has no `sops` section".to_owned()));
    }
    Ok(matches!(format, SecretFormat::Binary) || at(&file, place).is_some_and(|leaf| !leaf.is_empty()))
}

/// When an encrypted file was last written, RFC 3339. Nothing of that is proven by itself.
///
/// # Errors
/// As [`has_value`].
pub fn last_written(bytes: &[u8], format: SecretFormat) -> Result<String, SecretError> {
    let absent = || SecretError::Metadata("it has no `sops` section".to_owned());
    let section = store::read(format, bytes)?.metadata.ok_or_else(absent)?;
    Ok(Metadata::read(&section, format)?.lastmodified)
}

/// The scalar at a place of the first document.
fn at<'f>(file: &'f File, place: &str) -> Option<&'f Leaf> {
    let mut keys = place.split('/');
    let first = keys.next()?;
    let mut pairs = file.documents.first()?.iter().filter_map(Entry::pair);
    let node = pairs.find(|(key, _)| *key == first).map(|(_, node)| node)?;
    match keys.try_fold(node, Node::get)? {
        Node::Leaf(Leaf::Null) | Node::List(_) | Node::Map(_) => None,
        Node::Leaf(leaf) => Some(leaf),
    }
}

/// A sops file with these values in it, each under its place: as `before` is, where there is one, else a new one.
///
/// # Errors
/// A file that does not open, a place that cannot be, what the form cannot hold, a rule that would leave a value clear.
pub fn filled(
    before: Option<(&[u8], &Opener<'_>)>,
    (format, policy): (SecretFormat, &Policy),
    values: &[(&str, &SecretBytes)],
    now: Timestamp,
    plugins: (Environment, Ask),
) -> Result<SecretBytes, SecretError> {
    let binary = matches!(format, SecretFormat::Binary);
    let made = match before {
        Some((bytes, opener)) if !binary => {
            let mut changed = SecretBytes::new(bytes.to_vec());
            for (place, value) in values {
                let edited = set((changed.expose(), format), opener, &steps(place), &json(value)?, now)?;
                changed = edited.bytes;
            }
            changed
        }
        _ => {
            let clear = clear(format, values)?;
            encrypt(clear.expose(), (format, format), policy, now, plugins)?
        }
    };
    let read = store::read(format, made.expose())?;
    for (place, _) in values.iter().filter(|_| !binary) {
        let sealed = match at(&read, place) {
            Some(Leaf::Text(text)) => text.expose().starts_with(PREFIX.as_bytes()),
            _ => false,
        };
        if !sealed {
            let why = format!("its rule leaves `{place}` clear (name the key so that the rule encrypts it)");
            return Err(SecretError::Config(why));
        }
    }
    Ok(made)
}

/// The clear text of a new file.
fn clear(format: SecretFormat, values: &[(&str, &SecretBytes)]) -> Result<SecretBytes, SecretError> {
    if let (SecretFormat::Binary, [(_, value)]) = (format, values) {
        return Ok((*value).clone());
    }
    let mut entries = Vec::new();
    for (place, value) in values {
        let wrong = |reason| SecretError::Key { path: (*place).to_owned(), reason };
        super::change::set_in(&mut entries, &steps(place), Node::text(value.expose())).map_err(wrong)?;
    }
    store::write(format, &File { documents: vec![entries], metadata: None }, Indent::Default)
}

/// A value as JSON text.
fn json(value: &SecretBytes) -> Result<SecretBytes, SecretError> {
    let wrong = || SecretError::Syntax("the new value is no text".to_owned());
    let text = std::str::from_utf8(value.expose()).map_err(|_| wrong())?;
    // Room for the worst case, so that no piece of it is left behind.
    let mut json = Vec::with_capacity(text.len() * 6 + 2);
    serde_json::to_writer(&mut json, text).map_err(|_| wrong())?;
    Ok(SecretBytes::new(json))
}
