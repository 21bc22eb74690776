//! Logins of registries, from the secrets that hold their passwords.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use zeroize::Zeroizing;

use super::digest;
use super::value::{SecretBytes, Unlocked};
use crate::manifest::Manifest;

/// Who asks a registry, and with what.
#[derive(Clone)]
pub struct Login {
    /// The registry, `registry.example.org:5000`.
    pub registry: String,
    /// The user.
    pub username: String,
    /// The manifest secret that holds the password, for error texts.
    pub secret: String,
    password: SecretBytes,
}

/// What the engine wants to know.
#[derive(serde::Serialize)]
struct Auth<'l> {
    username: &'l str,
    password: &'l str,
    serveraddress: &'l str,
}

impl Login {
    /// The value of an `Authorization` header: `Basic ...`.
    #[must_use]
    pub fn basic(&self) -> SecretBytes {
        let pair = Zeroizing::new([self.username.as_bytes(), b":", self.password.expose()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*pair));
        SecretBytes::new([b"Basic ", encoded.as_bytes()].concat())
    }

    /// The value of the engine's `X-Registry-Auth` header: JSON in the URL-safe base64 alphabet, which is the one that
    /// the engine reads. `None` when the password is no UTF-8 text: JSON has no other.
    #[must_use]
    pub fn engine_header(&self) -> Option<SecretBytes> {
        let password = std::str::from_utf8(self.password.expose()).ok()?;
        let auth = Auth { username: &self.username, password, serveraddress: &self.registry };
        // Six bytes is the longest form of one, `\u0000`: the text never moves.
        let length = self.username.len() + password.len() + self.registry.len();
        let mut json = Zeroizing::new(Vec::with_capacity(length * 6 + 64));
        serde_json::to_writer(&mut *json, &auth).ok()?;
        Some(SecretBytes::new(URL_SAFE.encode(&*json).into_bytes()))
    }

    /// A keyed digest of all of it: tells that a login is another one, and nothing else.
    #[must_use]
    pub fn digest(&self, key: &SecretBytes, instance: &str) -> String {
        digest(key, instance, "registry", &format!("{}@{}", self.username, self.registry), &self.password)
    }
}

/// The logins of a manifest whose passwords were unlocked, by registry.
#[must_use]
pub fn logins(manifest: &Manifest, unlocked: &Unlocked) -> BTreeMap<String, Login> {
    let login = |(name, registry): (&String, &crate::manifest::Registry)| {
        let (username, password) = registry.username.clone().zip(registry.password.as_ref())?;
        let value = unlocked.values.get(&password.secret)?;
        let secret = password.secret.clone();
        Some((name.clone(), Login { registry: name.clone(), username, secret, password: trimmed(value) }))
    };
    manifest.registries.iter().filter_map(login).collect()
}

/// Editors end a file with a line break that no password has.
fn trimmed(value: &SecretBytes) -> SecretBytes {
    let bytes = value.expose();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    SecretBytes::new(bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(password: &[u8]) -> Login {
        Login {
            registry: "registry.example.org".to_owned(),
            username: "u".to_owned(),
            secret: "s".to_owned(),
            password: trimmed(&SecretBytes::new(password.to_vec())),
        }
    }

    #[test]
    fn the_engines_header_is_url_safe_base64_of_json() {
        // These bytes give `+` and `/` in the standard alphabet, which the engine does not understand.
        let header = login("~~~???>>>\u{ff}\n".as_bytes()).engine_header().unwrap();
        let text = std::str::from_utf8(header.expose()).unwrap();
        assert!(!text.contains(['+', '/']) && text.contains(['-', '_']), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&URL_SAFE.decode(text).unwrap()).unwrap();
        assert_eq!(json["password"], "~~~???>>>\u{ff}");
        assert_eq!(json["serveraddress"], "registry.example.org");
        assert!(login(&[0xff]).engine_header().is_none());
    }

    #[test]
    fn a_basic_header_is_user_and_password() {
        assert_eq!(login(b"p\r\n").basic().expose(), b"Basic dTpw");
    }

    #[test]
    fn a_digest_changes_with_every_part_of_a_login() {
        let key = SecretBytes::new(b"key".to_vec());
        let base = login(b"p");
        let digest = |login: &Login| login.digest(&key, "main");
        assert_eq!(digest(&base), digest(&login(b"p\n")));
        assert_ne!(digest(&base), digest(&login(b"q")));
        assert_ne!(digest(&base), digest(&Login { username: "v".to_owned(), ..base.clone() }));
        assert_ne!(
            digest(&base),
            digest(&Login { registry: "other.example.org".to_owned(), ..base.clone() })
        );
    }
}
