//! Identities: what opens a data key.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use bech32::{Bech32, Hrp};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::error::SecretError;
use super::metadata::{Metadata, Wrap};
use super::shamir;
use super::token::DataKey;
use super::value::SecretBytes;
use crate::manifest;

/// Key files are small; more than this is no key file.
const KEY_FILE_CAP: u64 = 1 << 20;

/// What `SOPS_AGE_KEY` and `SOPS_AGE_KEY_FILE` hold; read by the command line.
#[derive(Default)]
pub struct IdentityEnv {
    /// Identities, separated by blanks or newlines.
    pub age_key: Option<SecretBytes>,
    /// A file of identities.
    pub age_key_file: Option<PathBuf>,
}

/// All identities that could be had, and what became of the sources that gave none.
#[derive(Default)]
pub struct Identities {
    known: Vec<Known>,
    failed: Vec<String>,
}

struct Known {
    /// The public key, as a recipient is spelled.
    public: String,
    /// Where the private one is from, for people.
    origin: String,
    identity: Box<dyn age::Identity + Send + Sync>,
}

impl Identities {
    /// Reads every source. A source that fails is remembered and said when a file does not open.
    #[must_use]
    pub fn load(cfg: &manifest::Identities, env: &IdentityEnv) -> Self {
        let mut all = Self::default();
        if let Some(text) = &env.age_key {
            all.age_text("SOPS_AGE_KEY", text.expose());
        }
        for path in env.age_key_file.iter().chain(&cfg.age_key_files) {
            all.file(path, Self::age_text);
        }
        for path in &cfg.ssh_key_files {
            all.file(path, Self::ssh_key);
        }
        all
    }

    /// Public names of all identities, then the sources that gave none, each with its reason.
    #[must_use]
    pub fn tried(&self) -> Vec<String> {
        self.known
            .iter()
            .map(|known| format!("{} ({})", known.public, known.origin))
            .chain(self.failed.iter().cloned())
            .collect()
    }

    fn file(&mut self, path: &Path, take: impl FnOnce(&mut Self, &str, &[u8])) {
        let name = path.display().to_string();
        match read_capped(path) {
            Ok(bytes) => take(self, &name, &bytes),
            Err(error) => self.failed.push(format!("{name} (not read: {error})")),
        }
    }

    /// Age identities, one a line; `#` starts a comment.
    fn age_text(&mut self, name: &str, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.failed.push(format!("{name} (no text)"));
        };
        if text.starts_with("age-encryption") || text.starts_with("-----BEGIN AGE") {
            return self.failed.push(format!("{name} (protected by a passphrase, which is not supported)"));
        }
        let before = (self.known.len(), self.failed.len());
        for (index, line) in text.lines().enumerate() {
            for word in line.split_whitespace().take_while(|word| !word.starts_with('#')) {
                if let Err(why) = self.age_word(name, word) {
                    self.failed.push(format!("{name} line {} ({why})", index + 1));
                }
            }
        }
        if before == (self.known.len(), self.failed.len()) {
            self.failed.push(format!("{name} (holds no identity)"));
        }
    }

    fn age_word(&mut self, name: &str, word: &str) -> Result<(), &'static str> {
        if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err("a post-quantum identity, which is not supported");
        }
        if word.starts_with("AGE-PLUGIN-") {
            return Err("a plugin identity, which is not supported");
        }
        let identity: age::x25519::Identity = word.parse().map_err(|_| "no age identity")?;
        self.know(identity.to_public().to_string(), format!("from {name}"), Box::new(identity));
        Ok(())
    }

    /// An OpenSSH private key: as the SSH recipient that it is, and an ed25519 one also as the age identity that
    /// ssh-to-age makes of it.
    fn ssh_key(&mut self, name: &str, bytes: &[u8]) {
        let parsed = age::ssh::Identity::from_buffer(bytes, Some(name.to_owned()));
        let identity = match parsed {
            Ok(age::ssh::Identity::Encrypted(_)) => {
                return self
                    .failed
                    .push(format!("{name} (protected by a passphrase, which is not supported)"));
            }
            Ok(age::ssh::Identity::Unsupported(_)) | Err(_) => {
                return self.failed.push(format!("{name} (no SSH private key of a kind that age knows)"));
            }
            Ok(identity @ age::ssh::Identity::Unencrypted(_)) => identity,
        };
        let key = ssh_key::PrivateKey::from_openssh(bytes).ok();
        let public = key.as_ref().and_then(|key| key.public_key().to_openssh().ok());
        let public = public.map_or_else(
            || "an RSA key".to_owned(),
            |line| line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        );
        self.know(public, format!("from {name}"), Box::new(identity));
        if let Some(converted) = key.as_ref().and_then(converted) {
            let public = converted.to_public().to_string();
            self.know(public, format!("converted from {name}"), Box::new(converted));
        }
    }

    fn know(&mut self, public: String, origin: String, identity: Box<dyn age::Identity + Send + Sync>) {
        self.known.push(Known { public, origin, identity });
    }

    /// The data key of a file.
    pub(super) fn data_key(&self, metadata: &Metadata) -> Result<DataKey, SecretError> {
        let fail = || SecretError::NoIdentity { recipients: metadata.recipients(), tried: self.tried() };
        let bytes = match metadata.groups.as_slice() {
            [only] => self.group(only).ok_or_else(fail)?,
            groups => {
                let shares: Vec<_> = groups.iter().filter_map(|group| self.group(group)).collect();
                if shares.len() < metadata.threshold.max(2) {
                    return Err(fail());
                }
                shamir::combine(&shares)
                    .ok_or_else(|| SecretError::Metadata("its key shares do not fit together".to_owned()))?
            }
        };
        DataKey::new(&bytes).ok_or_else(|| SecretError::Metadata("its data key is not 32 bytes".to_owned()))
    }

    /// What the first wrap of a group that opens holds. Those that name one of our keys go first, because each try
    /// costs a key exchange per identity.
    fn group(&self, wraps: &[Wrap]) -> Option<Zeroizing<Vec<u8>>> {
        let ours = |wrap: &&Wrap| self.known.iter().any(|known| known.public == wrap.recipient);
        let (likely, rest): (Vec<_>, Vec<_>) = wraps.iter().partition(ours);
        likely.iter().chain(&rest).filter_map(|wrap| wrap.enc.as_deref()).find_map(|enc| self.open(enc))
    }

    fn open(&self, enc: &str) -> Option<Zeroizing<Vec<u8>>> {
        let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(enc.as_bytes())).ok()?;
        let identities = self.known.iter().map(|known| -> &dyn age::Identity { known.identity.as_ref() });
        let reader = decryptor.decrypt(identities).ok()?;
        // 33 bytes are a share; one more shows what is too long.
        let mut plain = Zeroizing::new(Vec::with_capacity(64));
        reader.take(34).read_to_end(&mut plain).ok()?;
        Some(plain)
    }
}

/// The age identity that ssh-to-age makes of an ed25519 key: the first half of SHA-512 over the seed.
fn converted(key: &ssh_key::PrivateKey) -> Option<age::x25519::Identity> {
    let pair = key.key_data().ed25519()?;
    let mut hash = Sha512::digest(pair.private.as_ref());
    let text = bech32::encode_upper::<Bech32>(Hrp::parse("age-secret-key-").ok()?, hash.get(..32)?);
    hash.as_mut_slice().zeroize();
    let text = Zeroizing::new(text.ok()?);
    text.parse().ok()
}

/// Reads a small file whole.
pub(super) fn read_capped(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if meta.len() > KEY_FILE_CAP {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    file.take(KEY_FILE_CAP).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_by_its_number_and_never_by_its_text() {
        let mut all = Identities::default();
        all.age_text("keys.txt", b"# comment\nCANARY-7f3a\n");
        assert_eq!(all.tried(), ["keys.txt line 2 (no age identity)"]);
    }

    #[test]
    fn an_empty_key_file_is_said() {
        let mut all = Identities::default();
        all.age_text("keys.txt", b"# only a comment\n");
        assert_eq!(all.tried(), ["keys.txt (holds no identity)"]);
    }
}
