//! SSH keys as age keys, as ssh-to-age makes them: an ed25519 point as its Montgomery form, a seed as its hash.

use age::secrecy::ExposeSecret;
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::error::SecretError;
use super::identity::Ask;
use super::value::SecretBytes;

/// The age recipient of an SSH public key: `ssh-ed25519 AAAA...`, with or without a comment behind it.
///
/// # Errors
/// Another kind of key, or none.
pub fn recipient_of(ssh: &str) -> Result<String, SecretError> {
    let wrong =
        |reason: &str| SecretError::Recipient { recipient: ssh.trim().to_owned(), reason: reason.to_owned() };
    let key = ssh_key::PublicKey::from_openssh(ssh.trim()).map_err(|_| wrong("is no SSH public key"))?;
    let key = key.key_data().ed25519().ok_or_else(|| wrong("has no age form: only ed25519 keys have one"))?;
    let point = CompressedEdwardsY(key.0).decompress().filter(|point| !point.is_small_order());
    let point = point.ok_or_else(|| wrong("is no point of its curve"))?;
    let prefix = Hrp::parse("age").map_err(|_| wrong("has no age form"))?;
    bech32::encode::<Bech32>(prefix, &point.to_montgomery().0).map_err(|_| wrong("has no age form"))
}

/// The age identity of an OpenSSH private key, `AGE-SECRET-KEY-1...`: the first half of SHA-512 over its seed.
/// `None` for other kinds of keys, or without the passphrase that it wants.
pub(super) fn secret_of(openssh: &[u8], passphrase: Option<&str>) -> Option<SecretBytes> {
    let mut key = ssh_key::PrivateKey::from_openssh(openssh).ok()?;
    if key.is_encrypted() {
        key = key.decrypt(passphrase?).ok()?;
    }
    let pair = key.key_data().ed25519()?;
    let mut hash = Sha512::digest(pair.private.as_ref());
    // A secret key has 74 characters: the text never moves.
    let mut text = Zeroizing::new(String::with_capacity(80));
    let prefix = Hrp::parse("age-secret-key-").ok()?;
    let written = bech32::encode_upper_to_fmt::<Bech32, String>(&mut text, prefix, hash.get(..32)?);
    hash.as_mut_slice().zeroize();
    written.ok().map(|()| SecretBytes::new(text.as_bytes().to_vec()))
}

/// As [`secret_of`] with the recipient before it; a protected key is asked for. `name` names the key to people.
///
/// # Errors
/// Another kind of key, or no passphrase that opens it; reads behind the key's name.
pub fn secret_of_asking(name: &str, openssh: &[u8], ask: &Ask) -> Result<(String, SecretBytes), String> {
    let wrong = || "is no OpenSSH private key of the kind ed25519, and no other has an age form".to_owned();
    let key = ssh_key::PrivateKey::from_openssh(openssh).map_err(|_| wrong())?;
    let public = key.public_key().to_openssh().map_err(|_| wrong())?;
    let recipient = recipient_of(&public).map_err(|_| wrong())?;
    let passphrase =
        if key.is_encrypted() { Some(ask.passphrase(&format!("Passphrase of {name}"))?) } else { None };
    let secret = secret_of(openssh, passphrase.as_ref().map(ExposeSecret::expose_secret));
    Ok((recipient, secret.ok_or_else(|| "does not open by the passphrase given".to_owned())?))
}

/// A key in a file of SSH keys.
pub struct SshLine {
    /// The line, from 1.
    pub line: usize,
    /// Hosts of a `known_hosts` line, or the comment of another one.
    pub owner: String,
    /// The key, `ssh-ed25519 AAAA...`.
    pub key: String,
    /// Its age recipient, or why it has none.
    pub recipient: Result<String, String>,
}

/// The keys of a file: public ones, one a line (also with options or hosts before them), or one private key.
#[must_use]
pub fn ssh_lines(bytes: &[u8]) -> Vec<SshLine> {
    if let Ok(key) = ssh_key::PrivateKey::from_openssh(bytes) {
        let public = key.public_key().to_openssh().unwrap_or_default();
        return line(1, &public).into_iter().collect();
    }
    let text = String::from_utf8_lossy(bytes);
    text.lines().enumerate().filter_map(|(index, text)| line(index + 1, text)).collect()
}

fn line(line: usize, text: &str) -> Option<SshLine> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.first().is_none_or(|first| first.starts_with('#')) {
        return None;
    }
    let kinds = ["ssh-", "ecdsa-", "sk-"];
    let at = words.windows(2).position(|pair| match pair {
        [kind, data] => kinds.iter().any(|known| kind.starts_with(known)) && data.starts_with("AAAA"),
        _ => false,
    });
    let Some((before, key)) = at.and_then(|at| words.split_at_checked(at)) else {
        let recipient = Err("holds no SSH public key".to_owned());
        return Some(SshLine { line, owner: String::new(), key: String::new(), recipient });
    };
    let (key, comment) = key.split_at_checked(2)?;
    let key = key.join(" ");
    let recipient = match before.first() {
        Some(&"@revoked") => Err("is revoked".to_owned()),
        Some(&"@cert-authority") => Err("is the key of an authority, which no host decrypts with".to_owned()),
        _ => recipient_of(&key).map_err(|error| error.to_string()),
    };
    let owner = if before.is_empty() { comment } else { before };
    Some(SshLine { line, owner: owner.join(" "), key, recipient })
}

/// As [`secret_of`], ready to be used.
pub(super) fn identity_of(openssh: &[u8], passphrase: Option<&str>) -> Option<age::x25519::Identity> {
    let text = secret_of(openssh, passphrase)?;
    std::str::from_utf8(text.expose()).ok()?.parse().ok()
}

/// A new age identity: its recipient, and its `AGE-SECRET-KEY-1...`.
#[must_use]
pub fn new_identity() -> (String, SecretBytes) {
    let identity = age::x25519::Identity::generate();
    let text = Zeroizing::new(identity.to_string().expose_secret().as_bytes().to_vec());
    (identity.to_public().to_string(), SecretBytes::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test key of RFC 8032, section 7.1, as OpenSSH spells it.
    const PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea test 1";

    #[test]
    fn a_public_key_becomes_a_recipient_that_age_reads() {
        let recipient = recipient_of(PUBLIC).unwrap();
        assert!(recipient.parse::<age::x25519::Recipient>().is_ok(), "{recipient}");
        assert_eq!(recipient_of(&PUBLIC.replace(" test 1", "\n")).unwrap(), recipient);
    }

    #[test]
    fn every_line_of_public_keys_is_read() {
        let key = PUBLIC.trim_end_matches(" test 1");
        let recipient = recipient_of(PUBLIC).unwrap();
        for (text, owner) in [
            (PUBLIC.to_owned(), "test 1"),
            (key.to_owned(), ""),
            (format!("host.example.org,192.0.2.1 {key}"), "host.example.org,192.0.2.1"),
            (format!("|1|aGFzaA==|aGFzaA== {key}"), "|1|aGFzaA==|aGFzaA=="),
            (format!("command=\"ssh-x y\",no-pty {key} me"), "command=\"ssh-x y\",no-pty"),
        ] {
            let found = ssh_lines(format!("# a comment\n\n{text}\r\n").as_bytes());
            let [SshLine { line: 3, owner: of, key: its, recipient: Ok(its_recipient) }] = found.as_slice()
            else {
                panic!("{text}")
            };
            assert_eq!((of.as_str(), its.as_str(), its_recipient), (owner, key, &recipient), "{text}");
        }
        for (text, says) in [
            (format!("@revoked * {key}"), "revoked"),
            (format!("@cert-authority * {key}"), "authority"),
            ("host ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==".to_owned(), "SSH"),
            ("something else".to_owned(), "no SSH public key"),
        ] {
            let found = ssh_lines(text.as_bytes());
            assert!(found[0].recipient.as_ref().unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn other_keys_have_no_age_form() {
        for text in ["", "ssh-ed25519 AAAA", "age1xxx", "ecdsa-sha2-nistp256 AAAA"] {
            assert!(recipient_of(text).is_err(), "{text}");
        }
    }
}
