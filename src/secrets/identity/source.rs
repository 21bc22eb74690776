//! Texts that hold identities: lines of age keys, files under a passphrase, SSH keys.

use std::io::Read;
use std::sync::OnceLock;

use age::armor::ArmoredReader;
use zeroize::Zeroizing;

use super::ask::Ask;
use super::{Identities, KEY_FILE_CAP, plugin, ssh};

/// The name of the command that prints age identities.
pub(super) const AGE_COMMAND: &str = "SOPS_AGE_KEY_CMD";
/// The name of the command that prints an SSH key.
pub(super) const SSH_COMMAND: &str = "SOPS_AGE_SSH_PRIVATE_KEY_CMD";
/// 2^20 rounds of scrypt take 1 GiB: a file that asks for more is not opened.
const MOST_WORK: u8 = 20;

impl Identities {
    /// Age identities, one a line; `#` starts a comment. An SSH key in their place is taken for what it is.
    pub(super) fn age_text(&mut self, name: &str, bytes: &[u8]) {
        if bytes.starts_with(b"age-encryption") || bytes.starts_with(b"-----BEGIN AGE") {
            return self.protected.push(Protected::new(name, bytes));
        }
        if bytes.starts_with(b"-----BEGIN ") {
            return self.ssh_key(name, bytes);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.failed.push(format!("{name} (no text)"));
        };
        let before = (self.known.len() + self.plugins.len(), self.failed.len());
        for (index, line) in text.lines().enumerate() {
            for word in line.split_whitespace().take_while(|word| !word.starts_with('#')) {
                if let Err(why) = self.age_word(name, word) {
                    self.failed.push(format!("{name} line {} ({why})", index + 1));
                }
            }
        }
        if before == (self.known.len() + self.plugins.len(), self.failed.len()) {
            self.failed.push(format!("{name} (holds no identity)"));
        }
    }

    fn age_word(&mut self, name: &str, word: &str) -> Result<(), &'static str> {
        if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err("a post-quantum identity, which is not supported");
        }
        if word.starts_with("AGE-PLUGIN-") {
            let found = plugin::Identity::parse(word, &self.helpers).ok_or("a damaged plugin identity")?;
            self.plugins.push((found, format!("from {name}")));
            return Ok(());
        }
        let identity: age::x25519::Identity = word.parse().map_err(|_| "no age identity")?;
        self.know(identity.to_public().to_string(), format!("from {name}"), Box::new(identity));
        Ok(())
    }

    /// An OpenSSH private key.
    pub(super) fn ssh_key(&mut self, name: &str, bytes: &[u8]) {
        match ssh::read(name, bytes) {
            Err(why) => self.failed.push(format!("{name} ({why})")),
            Ok(ssh::Found::Locked(locked)) => self.locked.push(locked),
            Ok(ssh::Found::Open(pair)) => {
                for (origin, (public, identity)) in ["from", "converted from"].into_iter().zip(pair) {
                    self.know(public, format!("{origin} {name}"), identity);
                }
            }
        }
    }
}

/// A file of identities under a passphrase, asked for when nothing else opens a file.
pub(super) struct Protected {
    origin: String,
    bytes: Zeroizing<Vec<u8>>,
    opened: OnceLock<Result<Box<Identities>, String>>,
}

impl Protected {
    fn new(origin: &str, bytes: &[u8]) -> Self {
        Self { origin: origin.to_owned(), bytes: Zeroizing::new(bytes.to_vec()), opened: OnceLock::new() }
    }

    /// Its identities; asks for the passphrase at most once.
    pub(super) fn open(&self, helpers: &plugin::Plugins) -> Option<&Identities> {
        let opened = self.opened.get_or_init(|| {
            let text = self.text(&helpers.ask)?;
            let mut all = Identities { helpers: helpers.clone(), ..Identities::default() };
            all.age_text(&self.origin, &text);
            // One passphrase is enough: a file in a file is not asked for another.
            all.protected.clear();
            Ok(Box::new(all))
        });
        opened.as_deref().ok()
    }

    fn text(&self, ask: &Ask) -> Result<Zeroizing<Vec<u8>>, String> {
        let wrong = |_| "is no age file that can be read".to_owned();
        let decryptor =
            age::Decryptor::new_buffered(ArmoredReader::new(self.bytes.as_slice())).map_err(wrong)?;
        if !decryptor.is_scrypt() {
            return Err("is encrypted for a key and not by a passphrase".to_owned());
        }
        let passphrase = ask.passphrase(&format!("Passphrase of {}", self.origin))?;
        let mut identity = age::scrypt::Identity::new(passphrase);
        identity.set_max_work_factor(MOST_WORK);
        let reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity));
        let reader = reader.map_err(|error| match error {
            age::DecryptError::ExcessiveWork { required, .. } => {
                format!("asks for 2^{required} rounds of work, more than 2^{MOST_WORK} are not done")
            }
            _ => "does not open by the passphrase given".to_owned(),
        })?;
        let mut text = Zeroizing::new(Vec::with_capacity(self.bytes.len()));
        reader.take(KEY_FILE_CAP).read_to_end(&mut text).map_err(|_| "is damaged".to_owned())?;
        Ok(text)
    }

    /// What became of it, for people.
    pub(super) fn told(&self) -> Vec<String> {
        match self.opened.get() {
            Some(Ok(all)) => all.tried(),
            Some(Err(why)) => vec![format!("{} ({why})", self.origin)],
            None => vec![format!("{} (protected by a passphrase)", self.origin)],
        }
    }
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

    #[test]
    fn what_is_not_supported_is_said_in_its_place() {
        let mut all = Identities::default();
        all.age_text("keys.txt", b"AGE-SECRET-KEY-PQ-1QQQ\nAGE-PLUGIN-SE-1QQQ\n");
        let expected = [
            "keys.txt line 1 (a post-quantum identity, which is not supported)",
            "keys.txt line 2 (a damaged plugin identity)",
        ];
        assert_eq!(all.tried(), expected);
    }
}
