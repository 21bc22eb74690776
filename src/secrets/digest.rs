//! Keyed digests: they name versions of a value without being an oracle for it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::value::SecretBytes;

/// The first 12 hex digits of HMAC-SHA-256 over instance, kind, name and value. Every field goes in with its
/// length before it, so that no two different sets of fields are the same message.
#[must_use]
pub fn digest(key: &SecretBytes, instance: &str, kind: &str, name: &str, value: &SecretBytes) -> String {
    // HMAC takes a key of any length; the type says otherwise.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { return String::new() };
    mac.update(b"holdfast digest 1");
    for field in [instance.as_bytes(), kind.as_bytes(), name.as_bytes(), value.expose()] {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    let mut text = format!("{:x}", mac.finalize().into_bytes());
    text.truncate(12);
    text
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
