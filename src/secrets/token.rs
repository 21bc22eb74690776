//! The value token, `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`.

use aes::Aes256;
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// How every token starts; text that starts so in a clear region is refused.
pub(super) const PREFIX: &str = "ENC[";

/// AES-256-GCM with an IV of 32 bytes.
type Cipher = AesGcm<Aes256, U32>;

/// The data key: 32 bytes, wiped when dropped, and so is what the cipher makes of them once for all tokens. That is boxed, so
/// that the key can be handed on without another copy of it.
pub(super) struct DataKey {
    bytes: Zeroizing<[u8; 32]>,
    cipher: Box<Cipher>,
}

impl DataKey {
    /// Takes exactly 32 bytes.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0_u8; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self::of(key))
    }

    /// A new one.
    pub(super) fn generate() -> std::io::Result<Self> {
        let mut key = Zeroizing::new([0_u8; 32]);
        super::random::fill(key.as_mut_slice())?;
        Ok(Self::of(key))
    }

    fn of(bytes: Zeroizing<[u8; 32]>) -> Self {
        let cipher = Box::new(Cipher::new(GenericArray::from_slice(bytes.as_slice())));
        Self { bytes, cipher }
    }

    /// The bytes, to be wrapped for recipients.
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// The declared type of a token's plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Text, or the bytes of a binary file.
    Str,
    /// Decimal integer.
    Int,
    /// Decimal number.
    Float,
    /// `True` or `False`.
    Bool,
    /// RFC 3339 with nanoseconds.
    Time,
    /// Bytes, as old writers declared them.
    Bytes,
    /// A comment.
    Comment,
}

const TYPES: [Type; 7] =
    [Type::Str, Type::Int, Type::Float, Type::Bool, Type::Time, Type::Bytes, Type::Comment];

impl Type {
    /// The name in a token.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Comment => "comment",
        }
    }
}

/// A token, taken apart.
pub(super) struct Token {
    data: Zeroizing<Vec<u8>>,
    iv: [u8; 32],
    tag: [u8; 16],
    /// The declared type.
    pub(super) kind: Type,
}

impl Token {
    /// Reads a whole token; stricter than sops: nothing may stand around it and every field has its one length.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let inner = text
            .strip_prefix("ENC[AES256_GCM,data:")
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or("is not encrypted, though the file's rules say that it must be")?;
        let mut fields = inner.split(',');
        let data = fields.next().unwrap_or_default();
        let mut named = |prefix: &str| fields.next().and_then(|field| field.strip_prefix(prefix));
        let (iv, tag, kind) = (named("iv:"), named("tag:"), named("type:"));
        let (Some(iv), Some(tag), Some(kind), None) = (iv, tag, kind, fields.next()) else {
            return Err("is a damaged token: a field is missing or one too many");
        };
        let kind = TYPES.into_iter().find(|known| known.name() == kind);
        let kind = kind.ok_or("is a token of an unknown type")?;
        let data = STANDARD.decode(data).map_err(|_| "is a damaged token: `data` is no base64")?;
        if data.is_empty() {
            return Err("is a damaged token: `data` is empty");
        }
        Ok(Self {
            data: Zeroizing::new(data),
            iv: exact(iv).ok_or("is a damaged token: `iv` is not 32 bytes of base64")?,
            tag: exact(tag).ok_or("is a damaged token: `tag` is not 16 bytes of base64")?,
            kind,
        })
    }

    /// What it was encrypted under.
    pub(super) fn iv(&self) -> [u8; 32] {
        self.iv
    }

    /// What it was encrypted to.
    #[cfg(test)]
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Encrypts under 32 fresh random bytes, and authenticates `aad` with it.
    pub(super) fn seal(plain: &[u8], kind: Type, key: &DataKey, aad: &str) -> Result<String, &'static str> {
        let mut iv = [0_u8; 32];
        super::random::fill(&mut iv).map_err(|_| "the system gives no random bytes")?;
        Self::seal_with(iv, plain, kind, key, aad)
    }

    /// Encrypts under `iv`, which must be fresh, or that of the same plaintext under the same key and `aad`.
    pub(super) fn seal_with(
        iv: [u8; 32],
        plain: &[u8],
        kind: Type,
        key: &DataKey,
        aad: &str,
    ) -> Result<String, &'static str> {
        let mut data = Zeroizing::new(plain.to_vec());
        let tag = key
            .cipher
            .encrypt_in_place_detached(GenericArray::from_slice(&iv), aad.as_bytes(), &mut data)
            .map_err(|_| "the value is too long")?;
        let (data, iv, tag) = (STANDARD.encode(&*data), STANDARD.encode(iv), STANDARD.encode(tag));
        Ok(format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{}]", kind.name()))
    }

    /// The token as it is written.
    #[cfg(any(test, fuzzing))]
    pub(super) fn text(&self) -> String {
        let [data, iv, tag] = [&self.data, &self.iv[..], &self.tag[..]].map(|part| STANDARD.encode(part));
        format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{}]", self.kind.name())
    }

    /// The plaintext, authenticated together with `aad`.
    pub(super) fn open(mut self, key: &DataKey, aad: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        key.cipher
            .decrypt_in_place_detached(
                GenericArray::from_slice(&self.iv),
                aad.as_bytes(),
                &mut self.data,
                GenericArray::from_slice(&self.tag),
            )
            .map_err(|_| "does not decrypt: it was changed, moved or belongs to another file")?;
        Ok(self.data)
    }
}

fn exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(iv: usize, tag: usize, tail: &str) -> String {
        let (iv, tag) = (STANDARD.encode(vec![1; iv]), STANDARD.encode(vec![2; tag]));
        format!("ENC[AES256_GCM,data:AAAA,iv:{iv},tag:{tag},type:str]{tail}")
    }

    #[test]
    fn only_whole_tokens_with_exact_lengths_are_read() {
        assert!(Token::parse(&token(32, 16, "")).is_ok());
        for bad in [token(12, 16, ""), token(32, 12, ""), token(32, 16, " "), token(32, 16, "]")] {
            assert!(Token::parse(&bad).is_err(), "{bad}");
        }
        let swapped = token(32, 16, "").replace("data:AAAA,", "").replace("type:", "data:AAAA,type:");
        assert!(Token::parse(&swapped).is_err());
        assert!(Token::parse(&token(32, 16, "").replace(":str", ":text")).is_err());
        assert!(Token::parse(&token(32, 16, "").replace("AAAA", "")).is_err());
    }
}
