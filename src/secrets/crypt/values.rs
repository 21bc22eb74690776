//! Values: opened or sealed, bound to their places, and counted in the MAC.

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::super::error::SecretError;
use super::super::scalar::Leaf;
use super::super::token::{PREFIX, Token, Type};
use super::super::value::SecretBytes;
use super::no_random;
use super::walk::Walk;
use crate::manifest::SecretFormat;

impl Walk<'_> {
    pub(super) fn open(&mut self, leaf: &mut Leaf) -> Result<(), SecretError> {
        let text = match &*leaf {
            Leaf::Text(text) => Some(text.expose()),
            _ => None,
        };
        let encrypted = self.encrypts(false);
        let bare = matches!(&*leaf, Leaf::Null) || text.is_some_and(<[u8]>::is_empty);
        if !encrypted {
            if text.is_some_and(|text| text.starts_with(PREFIX.as_bytes())) {
                return Err(self.wrong("is a token where the file's rules say that it is clear"));
            }
        } else if !bare {
            let Some(text) = text else {
                return Err(self.wrong("is not encrypted, though the file's rules say that it must be"));
            };
            let (kind, plain) = self.open_token(text)?;
            *leaf = Leaf::decoded(kind, plain).map_err(|reason| self.wrong(reason))?;
        }
        self.count(leaf, encrypted);
        Ok(())
    }

    fn open_token(&mut self, text: &[u8]) -> Result<(Type, Zeroizing<Vec<u8>>), SecretError> {
        let aad = self.aad();
        self.bind(&aad)?;
        let text = std::str::from_utf8(text).map_err(|_| self.wrong("is no token"))?;
        let token = Token::parse(text).map_err(|reason| self.wrong(reason))?;
        let kind = token.kind;
        let plain = self.opened(token, &aad).map_err(|reason| self.wrong(reason))?;
        Ok((kind, plain))
    }

    /// The plaintext of a token; its IV is remembered where it is of use.
    pub(super) fn opened(&mut self, token: Token, aad: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let (kind, iv) = (token.kind, token.iv());
        let plain = token.open(self.key, aad)?;
        if self.remembers {
            self.ivs.keep(self.key, (kind, aad), &plain, iv);
        }
        Ok(plain)
    }

    /// A token, the same as before where nothing changed.
    pub(super) fn sealed(&self, plain: &[u8], kind: Type) -> Result<String, SecretError> {
        let aad = self.aad();
        let token = match self.ivs.of(self.key, kind, &aad, plain) {
            Some(iv) => Token::seal_with(iv, plain, kind, self.key, &aad),
            None => Token::seal(plain, kind, self.key, &aad),
        };
        token.map_err(no_random)
    }

    /// Two places with one AAD could be exchanged unseen.
    fn bind(&mut self, aad: &str) -> Result<(), SecretError> {
        if !self.colons {
            return Ok(());
        }
        match self.bound.get(aad) {
            None => {
                let keys = self.keys().map(str::to_owned).collect();
                self.bound.insert(aad.to_owned(), keys);
            }
            Some(keys) if self.keys().eq(keys.iter().map(String::as_str)) => {}
            Some(_) => {
                return Err(
                    self.wrong("can be exchanged unseen with another one, because a key holds a colon")
                );
            }
        }
        Ok(())
    }

    pub(super) fn seal(&mut self, leaf: &mut Leaf) -> Result<(), SecretError> {
        let encrypted = self.encrypts(false);
        self.count(leaf, encrypted);
        if !encrypted {
            let token = matches!(leaf, Leaf::Text(text) if text.expose().starts_with(PREFIX.as_bytes()));
            return if token { Err(self.wrong("starts like a token and would stay clear")) } else { Ok(()) };
        }
        let Some(kind) = leaf.kind() else { return Ok(()) };
        let plain = leaf.hashed(false);
        let token = self.sealed(&plain, kind)?;
        *leaf = Leaf::Text(SecretBytes::new(token.into_bytes()));
        Ok(())
    }

    /// Takes a value into the MAC.
    fn count(&mut self, leaf: &Leaf, encrypted: bool) {
        if !encrypted {
            self.clear.insert(self.place());
        }
        if self.metadata.mac_only_encrypted && !encrypted {
            self.uncovered.insert(self.place());
            return;
        }
        let made;
        let text = match leaf {
            Leaf::Text(text) => text.expose(),
            other => {
                made = other.hashed(false);
                made.as_slice()
            }
        };
        // Only a clear integer of a JSON file is ambiguous: a token says its type.
        let ambiguous = !encrypted && matches!((self.format, leaf), (SecretFormat::Json, Leaf::Int(_)));
        if ambiguous {
            self.other().update(leaf.hashed(true));
        } else if let Some(other) = &mut self.other {
            other.update(text);
        }
        self.hash.update(text);
    }

    /// The other reading, which is the same up to here.
    pub(super) fn other(&mut self) -> &mut Sha512 {
        self.other.get_or_insert_with(|| self.hash.clone())
    }
}
