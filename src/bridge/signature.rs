//! Whether a body is signed by the forge: HMAC-SHA-256 over the raw bytes, compared in constant time.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::manifest::ForgeKind;
use crate::secrets::SecretBytes;

type HmacSha256 = Hmac<Sha256>;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;
/// Secrets at once: the new and the old one.
const MOST_KEYS: usize = 2;

/// The secrets that deliveries may be signed with.
#[derive(Clone)]
pub struct Keys(Vec<SecretBytes>);

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// No secret, or more than two.
    #[error("one hook secret is needed, or two while it is being changed, not {0}")]
    Count(usize),
    /// The forge signs with an empty secret without a word, and so could anybody.
    #[error("hook secret {0} is empty")]
    Empty(usize),
}

impl Keys {
    /// Takes one secret, or the new and the old one.
    ///
    /// # Errors
    /// When there is none, more than two, or an empty one.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self, KeysError> {
        if secrets.is_empty() || secrets.len() > MOST_KEYS {
            return Err(KeysError::Count(secrets.len()));
        }
        match secrets.iter().position(|secret| secret.expose().trim_ascii().is_empty()) {
            Some(index) => Err(KeysError::Empty(index + 1)),
            None => Ok(Self(secrets.to_vec())),
        }
    }

    /// Judges the values of the signature header, see [`header`], against the raw body.
    ///
    /// # Errors
    /// When the header is missing, there twice, malformed, or not made with one of the keys.
    pub fn check<'h>(
        &self,
        kind: ForgeKind,
        mut values: impl Iterator<Item = &'h [u8]>,
        body: &[u8],
    ) -> Result<(), Unsigned> {
        let value = values.next().filter(|value| !value.is_empty()).ok_or(Unsigned::Missing)?;
        if values.next().is_some() {
            return Err(Unsigned::Twice);
        }
        let hex = match kind {
            ForgeKind::Gitea | ForgeKind::Forgejo => value,
            ForgeKind::Github => value.strip_prefix(b"sha256=").ok_or(Unsigned::Malformed)?,
        };
        let claimed = digest(hex).ok_or(Unsigned::Malformed)?;
        // Each key is tried whatever the others said: how long it takes tells nothing.
        let signed = self.0.iter().fold(false, |signed, key| {
            let Ok(mut mac) = HmacSha256::new_from_slice(key.expose()) else { return signed };
            mac.update(body);
            mac.verify_slice(&claimed).is_ok() | signed
        });
        if signed { Ok(()) } else { Err(Unsigned::Wrong) }
    }
}

/// The header that carries the signature. Others (`X-Hub-Signature` with its SHA-1 among them) are never looked at.
#[must_use]
pub const fn header(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::Gitea => "x-gitea-signature",
        ForgeKind::Forgejo => "x-forgejo-signature",
        ForgeKind::Github => "x-hub-signature-256",
    }
}

/// Why a body is not taken as the forge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// No header, or an empty one: what a forge sends for a hook without a secret.
    #[error("no signature")]
    Missing,
    /// Two headers: whoever looks at the other one judges something else.
    #[error("two signatures")]
    Twice,
    /// Not 64 lowercase hex digits, or a prefix where none belongs.
    #[error("a malformed signature")]
    Malformed,
    /// Made with another secret or over another body.
    #[error("a wrong signature")]
    Wrong,
    /// Signed, but not now.
    #[error("a signature of another time")]
    Old,
}

/// 64 lowercase hex digits → bytes.
fn digest(hex: &[u8]) -> Option<[u8; DIGEST]> {
    if hex.len() != 2 * DIGEST {
        return None;
    }
    let mut bytes = [0; DIGEST];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
