//! A sops file that is open to be written again: its sealed text as a tree, its metadata, its data key.

use super::crypt;
use super::document::{FILE_CAP, Opener};
use super::error::SecretError;
use super::iv::Ivs;
use super::metadata::Metadata;
use super::store::{self, File};
use super::token::DataKey;
use super::tree::Node;
use crate::manifest::SecretFormat;

/// Reads a file, still sealed, with its metadata.
///
/// # Errors
/// Too large, not of its form, without a `sops` section that can be read.
pub(super) fn read(bytes: &[u8], format: SecretFormat) -> Result<(File, Metadata), SecretError> {
    if bytes.len() > FILE_CAP {
        let length = bytes.len();
        return Err(SecretError::Syntax(format!("has {length} bytes, more than {FILE_CAP} are not read")));
    }
    let file = store::read(format, bytes)?;
    let none = || SecretError::Metadata("it has no `sops` section".to_owned());
    let metadata = Metadata::read(file.metadata.as_ref().ok_or_else(none)?, format)?;
    Ok((file, metadata))
}

/// The data key of a file with this metadata.
///
/// # Errors
/// Nothing that was given opens it.
pub(super) fn data_key(opener: &Opener<'_>, metadata: &Metadata) -> Result<DataKey, SecretError> {
    match opener {
        Opener::Identities(identities) => identities.data_key(metadata),
        Opener::DataKey(bytes) => DataKey::new(bytes.expose())
            .ok_or_else(|| SecretError::Metadata("a data key has 32 bytes".to_owned())),
    }
}

/// Reads a file and decrypts it; the MAC is verified. The metadata section is that of the text.
///
/// # Errors
/// As [`read`], and what does not decrypt or was changed.
pub(super) fn open(
    bytes: &[u8],
    format: SecretFormat,
    key: &DataKey,
) -> Result<(File, Metadata), SecretError> {
    let (mut file, metadata) = read(bytes, format)?;
    let opened = crypt::open(&mut file.documents, &metadata, key, format)?;
    crypt::verify(&opened, &metadata, key)?;
    Ok((file, metadata))
}

/// As [`open`], with what makes the same tokens again.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_change(
    bytes: &[u8],
    format: SecretFormat,
    key: &DataKey,
) -> Result<(File, Ivs), SecretError> {
    let (mut file, metadata) = read(bytes, format)?;
    let opened = crypt::open_to_change(&mut file.documents, &metadata, key, format)?;
    crypt::verify(&opened, &metadata, key)?;
    Ok((file, opened.ivs))
}

/// The section of a file that was read.
///
/// # Errors
/// None there.
pub(super) fn section(file: &mut File) -> Result<Node, SecretError> {
    file.metadata.take().ok_or_else(|| SecretError::Metadata("it has no `sops` section".to_owned()))
}
