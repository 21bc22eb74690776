//! Keyed digests: they name versions of a value without being an oracle for it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::value::SecretBytes;

/// Digests of one instance under one key, which is taken in once however many there are.
pub struct Ids(Option<Hmac<Sha256>>);

impl Ids {
    /// Takes the key in.
    #[must_use]
    pub fn new(key: &SecretBytes, instance: &str) -> Self {
        // HMAC takes a key of any length; the type says otherwise.
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok();
        if let Some(mac) = &mut mac {
            mac.update(b"holdfast digest 1");
            add(mac, instance.as_bytes());
        }
        Self(mac)
    }

    /// The first 12 hex digits of HMAC-SHA-256 over instance, kind, name and value. Every field goes in with its
    /// length before it, so that no two different sets of fields are the same message.
    #[must_use]
    pub fn of(&self, kind: &str, name: &str, value: &SecretBytes) -> String {
        let Some(mut mac) = self.0.clone() else { return String::new() };
        for field in [kind.as_bytes(), name.as_bytes(), value.expose()] {
            add(&mut mac, field);
        }
        let mut text = format!("{:x}", mac.finalize().into_bytes());
        text.truncate(12);
        text
    }
}

fn add(mac: &mut Hmac<Sha256>, field: &[u8]) {
    mac.update(&(field.len() as u64).to_be_bytes());
    mac.update(field);
}

/// One digest as [`Ids::of`] makes it.
#[must_use]
pub fn digest(key: &SecretBytes, instance: &str, kind: &str, name: &str, value: &SecretBytes) -> String {
    Ids::new(key, instance).of(kind, name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    #[test]
    fn every_field_counts_and_none_runs_into_the_next() {
        let key = secret("key");
        let base = digest(&key, "main", "secret", "ab", &secret("c"));
        assert_eq!(base.len(), 12);
        assert_eq!(base, digest(&key, "main", "secret", "ab", &secret("c")));
        for other in [
            digest(&secret("kez"), "main", "secret", "ab", &secret("c")),
            digest(&key, "main2", "secret", "ab", &secret("c")),
            digest(&key, "main", "config", "ab", &secret("c")),
            digest(&key, "main", "secret", "a", &secret("bc")),
            digest(&key, "main", "secret", "abc", &secret("")),
        ] {
            assert_ne!(base, other);
        }
    }
}
