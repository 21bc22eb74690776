//! OpenSSH private keys: each as the SSH recipient that it is, an ed25519 one also as an age identity.

use std::sync::OnceLock;

use age::secrecy::ExposeSecret;
use age::ssh;
use zeroize::Zeroizing;

use super::super::convert;
use super::ask::Ask;

/// Identities of one key, with their public names.
pub(super) type Pair = Vec<(String, Box<dyn age::Identity + Send + Sync>)>;

/// What a file of an SSH key holds.
pub(super) enum Found {
    /// A key that can be used.
    Open(Pair),
    /// A key that wants a passphrase.
    Locked(Locked),
}

/// A key that wants a passphrase, asked for when a file names it.
pub(super) struct Locked {
    origin: String,
    /// Its recipients: the SSH one, and the age one of an ed25519 key.
    pub(super) publics: Vec<String>,
    bytes: Zeroizing<Vec<u8>>,
    opened: OnceLock<Result<Pair, String>>,
}

/// Reads a key; `origin` names it to people.
pub(super) fn read(origin: &str, bytes: &[u8]) -> Result<Found, &'static str> {
    let identity = parse(bytes)?;
    let publics = publics(&identity)?;
    match identity {
        ssh::Identity::Unencrypted(_) => Ok(Found::Open(pair(publics, identity, bytes, None))),
        _ => Ok(Found::Locked(Locked {
            origin: origin.to_owned(),
            publics,
            bytes: Zeroizing::new(bytes.to_vec()),
            opened: OnceLock::new(),
        })),
    }
}

fn parse(bytes: &[u8]) -> Result<ssh::Identity, &'static str> {
    match ssh::Identity::from_buffer(bytes, None) {
        Ok(ssh::Identity::Unsupported(ssh::UnsupportedKey::EncryptedPem)) => {
            Err("protected in the old PEM form; `ssh-keygen -p -f FILE` writes it anew")
        }
        Ok(ssh::Identity::Unsupported(_)) | Err(_) => Err("no SSH private key of a kind that age knows"),
        Ok(identity) => Ok(identity),
    }
}

/// The SSH recipient, then the converted one; known without a passphrase.
fn publics(identity: &ssh::Identity) -> Result<Vec<String>, &'static str> {
    let recipient = ssh::Recipient::try_from(identity.clone())
        .map_err(|_| "no SSH private key of a kind that age knows")?;
    let public = recipient.to_string();
    let converted = convert::recipient_of(&public).ok();
    Ok([public].into_iter().chain(converted).collect())
}

fn pair(publics: Vec<String>, identity: ssh::Identity, bytes: &[u8], passphrase: Option<&str>) -> Pair {
    let mut publics = publics.into_iter();
    let mut found: Pair = Vec::with_capacity(2);
    if let Some(public) = publics.next() {
        found.push((public, Box::new(identity)));
    }
    let converted = publics.next().zip(convert::identity_of(bytes, passphrase));
    if let Some((public, converted)) = converted {
        found.push((public, Box::new(converted)));
    }
    found
}

impl Locked {
    /// The identities; asks for the passphrase at most once.
    pub(super) fn open(&self, ask: &Ask) -> &[(String, Box<dyn age::Identity + Send + Sync>)] {
        let opened = self.opened.get_or_init(|| self.ask(ask));
        opened.as_deref().unwrap_or_default()
    }

    fn ask(&self, ask: &Ask) -> Result<Pair, String> {
        let passphrase = ask.passphrase(&format!("Passphrase of {}", self.origin))?;
        let Ok(ssh::Identity::Encrypted(key)) = parse(&self.bytes) else {
            return Err("cannot be read".to_owned());
        };
        let open = key
            .decrypt(passphrase.clone())
            .map_err(|_| "does not open by the passphrase given".to_owned())?;
        Ok(pair(self.publics.clone(), open.into(), &self.bytes, Some(passphrase.expose_secret())))
    }

    /// What became of it, for people.
    pub(super) fn told(&self) -> String {
        let public = self.publics.first().map_or("", String::as_str);
        match self.opened.get() {
            Some(Ok(_)) => format!("{public} (from {})", self.origin),
            Some(Err(why)) => format!("{public} ({} {why})", self.origin),
            None => format!(
                "{public} ({} is protected by a passphrase, and no recipient in the file is its own)",
                self.origin
            ),
        }
    }
}
