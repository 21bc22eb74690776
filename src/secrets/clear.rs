//! What a sops file says in clear text: who can open it, and which version of it this is. No key is needed, and nothing
//! of it is proven by itself.

use sha2::{Digest, Sha256};

use super::Identities;
use super::convert::recipient_of;
use super::document::FILE_CAP;
use super::error::SecretError;
use super::metadata::Metadata;
use super::unlock::{LastGood, format_of};
use super::value::Unlocked;
use crate::address::{Address, Kind};
use crate::manifest::{Manifest, Secret, SecretFormat};
use crate::report::Failure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who can open a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readers {
    /// Recipients of each key group.
    pub groups: Vec<Vec<String>>,
    /// How many groups must answer.
    pub threshold: usize,
}

/// Which version of a file this is. Only that of a file whose MAC was verified says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `lastmodified`, RFC 3339.
    pub lastmodified: String,
    /// SHA-256 of the MAC's token, in hexadecimal.
    pub mac: String,
}

/// The recipients of the file of a secret, as it spells them.
///
/// # Errors
/// The file cannot be read, or is no sops file.
pub fn readers(secret: &Secret) -> Result<Readers, SecretError> {
    let bytes =
        super::identity::read_named(&secret.file).map_err(|error| SecretError::Read(error.to_string()))?;
    readers_of(&bytes, secret.format.unwrap_or_else(|| format_of(&secret.file)))
}

/// The recipients of a file, as it spells them; one of another kind than age is its kind and its name.
///
/// # Errors
/// No sops file.
pub fn readers_of(bytes: &[u8], format: SecretFormat) -> Result<Readers, SecretError> {
    let metadata = metadata(bytes, format)?;
    let recipients =
        |group: &Vec<super::metadata::Wrap>| group.iter().map(|wrap| wrap.recipient.clone()).collect();
    Ok(Readers { groups: metadata.groups.iter().map(recipients).collect(), threshold: metadata.threshold })
}

impl Readers {
    /// Whether somebody who has the private halves of `keys` (`age1...`, `ssh-ed25519 ...`, `ssh-rsa ...`) can open the
    /// file. An ed25519 key is also the age key that ssh-to-age makes of it.
    #[must_use]
    pub fn include(&self, keys: &[String]) -> bool {
        let spelled = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let names: BTreeSet<String> =
            keys.iter().flat_map(|key| [Some(spelled(key)), recipient_of(key).ok()]).flatten().collect();
        let answers =
            |group: &&Vec<String>| group.iter().any(|recipient| names.contains(&spelled(recipient)));
        let needed = if self.groups.len() > 1 { self.threshold.max(2) } else { 1 };
        self.groups.iter().filter(answers).count() >= needed
    }

    /// Everybody, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(|group| group.join(", ")).collect();
        match groups.as_slice() {
            [only] => only.clone(),
            several => format!("{} of the groups [{}]", self.threshold, several.join("] [")),
        }
    }
}

fn metadata(bytes: &[u8], format: SecretFormat) -> Result<Metadata, SecretError> {
    if bytes.len() > FILE_CAP {
        let length = bytes.len();
        return Err(SecretError::Syntax(format!("has {length} bytes, more than {FILE_CAP} are not read")));
    }
    let metadata = super::store::read(format, bytes)?.metadata;
    let metadata = metadata.ok_or_else(|| SecretError::Metadata("it has no `sops` section".to_owned()))?;
    Metadata::read(&metadata, format)
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mac = format!("{:x}", Sha256::digest(metadata.mac.as_bytes()));
        Self { lastmodified: metadata.lastmodified.clone(), mac }
    }
}

impl Unlocked {
    /// The version of each file that was opened and verified in this run.
    #[must_use]
    pub fn stamps(&self, manifest: &Manifest) -> BTreeMap<PathBuf, Stamp> {
        let failed: BTreeSet<&str> =
            self.failures.iter().map(|failure| failure.address.leaf().name.as_str()).collect();
        let mut stamps = BTreeMap::new();
        for (name, secret) in manifest.secrets.iter().filter(|(name, _)| !failed.contains(name.as_str())) {
            let Some(opened) = self.opened.get(name).filter(|_| !stamps.contains_key(&secret.file)) else {
                continue;
            };
            if let Some(stamp) = &opened.stamp {
                stamps.insert(secret.file.clone(), stamp.clone());
            }
        }
        stamps
    }

    /// Takes back every secret of `file` for `reason`; each has its last good version from `kept`, where there is one.
    pub fn refuse(
        &mut self,
        (manifest, file): (&Manifest, &Path),
        reason: &str,
        (identities, kept): (&Identities, Option<&Path>),
    ) {
        let mut kept = LastGood::new(kept, identities);
        let failed: BTreeSet<String> =
            self.failures.iter().map(|failure| failure.address.leaf().name.clone()).collect();
        let of_file =
            |(name, secret): &(&String, &Secret)| secret.file == file && !failed.contains(name.as_str());
        // What the host made is of no version of the file.
        let of_host: BTreeSet<String> = self
            .opened
            .iter()
            .filter(|(_, opened)| opened.stamp.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for (name, secret) in
            manifest.secrets.iter().filter(of_file).filter(|(name, _)| !of_host.contains(*name))
        {
            self.values.remove(name);
            self.opened.remove(name);
            let last = kept.value(name);
            let failure = Failure {
                address: Address::new(Kind::Secret, name),
                reason: format!("{}: {reason}", secret.file.display()),
                kept: last.is_some(),
            };
            self.failures.push(failure);
            if let Some((value, opened)) = last {
                self.values.insert(name.clone(), value);
                self.opened.insert(name.clone(), opened);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(groups: &[&[&str]], threshold: usize) -> Readers {
        let groups = groups.iter().map(|group| group.iter().map(|&one| one.to_owned()).collect()).collect();
        Readers { groups, threshold }
    }

    #[test]
    fn a_host_is_known_by_each_of_its_names() {
        const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
        let keys = [format!("{SSH} root@host")];
        let converted = recipient_of(SSH).unwrap();
        assert!(readers(&[&["age1other", &format!("{SSH} somebody")]], 0).include(&keys));
        assert!(readers(&[&[&converted]], 0).include(&keys));
        assert!(!readers(&[&["age1other", "pgp 1234"]], 0).include(&keys));
        assert!(!readers(&[&[&converted]], 0).include(&[]));
    }

    #[test]
    fn as_many_groups_as_the_threshold_must_answer() {
        let keys = ["age1a".to_owned()];
        let two: &[&[&str]] = &[&["age1a"], &["age1b", "age1a"], &["age1c"]];
        assert!(readers(two, 2).include(&keys));
        assert!(!readers(two, 3).include(&keys));
        assert!(!readers(&[&["age1a"], &["age1b"]], 2).include(&keys));
        assert_eq!(readers(two, 2).told(), "2 of the groups [age1a] [age1b, age1a] [age1c]");
    }
}
