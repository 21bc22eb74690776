//! One walk over a document in its order, for both directions: which values and comments are encrypted, what each is
//! bound to, and the MAC over all of them.

mod remarks;
mod values;
mod walk;

use std::collections::HashSet;

use aes_gcm::aead::consts::U64;
use aes_gcm::aead::generic_array::GenericArray;
use sha2::Digest;
use zeroize::Zeroizing;

use self::walk::{Direction, Walk, holds_colon};
use super::error::SecretError;
use super::iv::Ivs;
use super::metadata::Metadata;
use super::token::{DataKey, Token, Type};
use super::tree::Entry;
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
    /// What makes the same tokens again of what does not change; of [`open_to_change`] alone.
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
    opened(Walk::new(metadata, key, format, Direction::Open), documents)
}

/// As [`open`], for a document that will be encrypted again: it remembers what each token was encrypted under.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_change(
    documents: &mut [Vec<Entry>],
    metadata: &Metadata,
    key: &DataKey,
    format: SecretFormat,
) -> Result<Opened, SecretError> {
    opened(Walk { remembers: true, ..Walk::new(metadata, key, format, Direction::Open) }, documents)
}

fn opened(mut walk: Walk<'_>, documents: &mut [Vec<Entry>]) -> Result<Opened, SecretError> {
    walk.colons = documents.iter().any(|entries| holds_colon(entries));
    for document in documents {
        walk.map(document)?;
    }
    let mac = hex(walk.hash.finalize());
    let other = walk.other.map_or_else(|| mac.clone(), |other| hex(other.finalize()));
    let Walk { uncovered, clear, warnings, ivs, .. } = walk;
    Ok(Opened { macs: [mac, other], uncovered, clear, warnings, ivs })
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

/// As [`seal`]; what stands in a file already keeps the token that it has there. `ivs` are those of [`open_to_change`].
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

fn no_random(reason: &'static str) -> SecretError {
    SecretError::Metadata(format!("cannot be encrypted: {reason}"))
}

fn hex(digest: GenericArray<u8, U64>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(format!("{digest:X}").into_bytes())
}
