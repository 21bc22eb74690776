//! Identities: what opens a data key.
//!
//! Every source is read; those that cost more than memory come last and only when nothing else opens a file: a
//! command, a plugin, a question for a passphrase.

mod ask;
mod child;
mod command;
mod plugin;
mod source;
mod ssh;
mod wire;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use zeroize::Zeroizing;

use super::error::SecretError;
use super::locked::lock_memory;
use super::metadata::{Metadata, Wrap};
use super::shamir;
use super::token::DataKey;
use super::value::SecretBytes;
use crate::manifest;
use crate::state;
use command::Command;
use plugin::Plugins as Helpers;
use source::Protected;
use ssh::Locked;

pub use ask::Ask;
pub use child::Environment;
pub(super) use child::run;
pub use command::split_words;
pub(super) use plugin::{Plugins, Recipient as PluginRecipient, name_of as plugin_of};

/// Key files are small; more than this is no key file.
const KEY_FILE_CAP: u64 = 1 << 20;

/// What the command line and the environment say of identities, beside the manifest.
#[derive(Default)]
pub struct IdentityEnv {
    /// Identities, separated by blanks or newlines (`SOPS_AGE_KEY`).
    pub age_key: Option<SecretBytes>,
    /// A file of identities (`SOPS_AGE_KEY_FILE`).
    pub age_key_file: Option<PathBuf>,
    /// A command that prints identities (`SOPS_AGE_KEY_CMD`).
    pub age_key_cmd: Option<String>,
    /// An OpenSSH private key (`SOPS_AGE_SSH_PRIVATE_KEY_FILE`).
    pub ssh_key_file: Option<PathBuf>,
    /// A command that prints an OpenSSH private key (`SOPS_AGE_SSH_PRIVATE_KEY_CMD`).
    pub ssh_key_cmd: Option<String>,
    /// Files of identities that are used where they exist: `~/.config/sops/age/keys.txt`.
    pub age_key_places: Vec<PathBuf>,
    /// OpenSSH private keys that are used where they exist: `~/.ssh/id_ed25519`.
    pub ssh_key_places: Vec<PathBuf>,
    /// Who is asked for passphrases.
    pub ask: Ask,
    /// What plugins and commands see of the environment.
    pub environment: Environment,
}

/// All identities that could be had, and what became of the sources that gave none.
#[derive(Default)]
pub struct Identities {
    known: Vec<Known>,
    plugins: Vec<(plugin::Identity, String)>,
    locked: Vec<Locked>,
    commands: Vec<(&'static str, Command)>,
    protected: Vec<Protected>,
    failed: Vec<String>,
    helpers: Helpers,
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
        lock_memory();
        let mut environment = env.environment.clone();
        environment.folders.extend(cfg.plugin_folders.iter().cloned());
        let mut all = Self { helpers: Helpers { environment, ask: env.ask.clone() }, ..Self::default() };
        if let Some(text) = &env.age_key {
            all.age_text("SOPS_AGE_KEY", text.expose());
        }
        if let Some(path) = &env.age_key_file {
            all.file(path, read_capped, Self::age_text);
        }
        for path in &cfg.age_key_files {
            all.file(path, read_guarded, Self::age_text);
        }
        if let Some(path) = &env.ssh_key_file {
            all.file(path, read_capped, Self::ssh_key);
        }
        for path in &cfg.ssh_key_files {
            all.file(path, read_guarded, Self::ssh_key);
        }
        for path in env.age_key_places.iter().filter(|path| path.exists()) {
            all.file(path, read_capped, Self::age_text);
        }
        for path in env.ssh_key_places.iter().filter(|path| path.exists()) {
            all.file(path, read_capped, Self::ssh_key);
        }
        for (name, text) in [(source::AGE_COMMAND, &env.age_key_cmd), (source::SSH_COMMAND, &env.ssh_key_cmd)]
        {
            all.commands.extend(text.iter().map(|text| (name, Command::new(text, &all.helpers.environment))));
        }
        all
    }

    /// Public names of all identities, then the sources that gave none, each with its reason.
    #[must_use]
    pub fn tried(&self) -> Vec<String> {
        let known = self.known.iter().map(|known| format!("{} ({})", known.public, known.origin));
        let plugins = self.plugins.iter().map(|(plugin, origin)| match plugin.failed() {
            Some(why) => format!("an identity of the plugin `{}` ({origin}: {why})", plugin.name()),
            None => format!("an identity of the plugin `{}` ({origin})", plugin.name()),
        });
        let commands = self.commands.iter().map(|(name, command)| match command.failed() {
            Some(why) => format!("{name} ({why})"),
            None => (*name).to_owned(),
        });
        known
            .chain(plugins)
            .chain(self.locked.iter().map(Locked::told))
            .chain(commands)
            .chain(self.protected.iter().flat_map(Protected::told))
            .chain(self.failed.iter().cloned())
            .collect()
    }

    /// True when nobody is asked and nothing is run to open a file, so that files may be opened at once.
    pub(super) fn only_memory(&self) -> bool {
        self.plugins.is_empty()
            && self.locked.is_empty()
            && self.commands.is_empty()
            && self.protected.is_empty()
    }

    fn file(
        &mut self,
        path: &Path,
        read: impl FnOnce(&Path) -> io::Result<Zeroizing<Vec<u8>>>,
        take: impl FnOnce(&mut Self, &str, &[u8]),
    ) {
        let name = path.display().to_string();
        match read(path) {
            Ok(bytes) => take(self, &name, &bytes),
            Err(error) => self.failed.push(format!("{name} (not read: {error})")),
        }
    }

    fn know(&mut self, public: String, origin: String, identity: Box<dyn age::Identity + Send + Sync>) {
        self.known.push(Known { public, origin, identity });
    }

    /// The data key of a file.
    pub(super) fn data_key(&self, metadata: &Metadata) -> Result<DataKey, SecretError> {
        let fail = || SecretError::NoIdentity {
            recipients: metadata.recipients().into_iter().map(told).collect(),
            tried: self.tried(),
        };
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

    /// What the first wrap of a group that opens holds: by a key that it names, by any key that is there, by what has
    /// to be run or asked for.
    fn group(&self, wraps: &[Wrap]) -> Option<Zeroizing<Vec<u8>>> {
        let wraps = || wraps.iter().filter_map(|wrap| Some((spelled(&wrap.recipient), wrap.enc.as_deref()?)));
        wraps()
            .find_map(|(recipient, enc)| self.named(&recipient, enc))
            .or_else(|| wraps().find_map(|(_, enc)| self.any(enc)))
            .or_else(|| wraps().find_map(|(recipient, enc)| self.by_command(&recipient, enc)))
            .or_else(|| wraps().find_map(|(_, enc)| self.by_plugin(enc, |_| true)))
            .or_else(|| {
                let mut opened = self.protected.iter().filter_map(|file| file.open(&self.helpers));
                opened.find_map(|all| wraps().find_map(|(recipient, enc)| all.one(&recipient, enc)))
            })
    }

    /// What one wrap holds, with what is there and by plugins.
    fn one(&self, recipient: &str, enc: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.named(recipient, enc).or_else(|| self.any(enc)).or_else(|| self.by_plugin(enc, |_| true))
    }

    /// By the keys whose recipient this is.
    fn named(&self, recipient: &str, enc: &str) -> Option<Zeroizing<Vec<u8>>> {
        let ours = self.known.iter().filter(|known| known.public == recipient);
        if let Some(plain) = ours.map(|known| known.identity.as_ref()).find_map(|known| open(enc, [known])) {
            return Some(plain);
        }
        if let Some(name) = plugin::name_of(recipient) {
            return self.by_plugin(enc, |plugin| plugin == name);
        }
        let locked = self.locked.iter().filter(|key| key.publics.iter().any(|public| public == recipient));
        locked.flat_map(|key| key.open(&self.helpers.ask)).find_map(|(_, key)| open(enc, [key.as_ref()]))
    }

    fn any(&self, enc: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(enc, self.known.iter().map(|known| known.identity.as_ref()))
    }

    fn by_plugin(&self, enc: &str, wanted: impl Fn(&str) -> bool) -> Option<Zeroizing<Vec<u8>>> {
        let wanted = self.plugins.iter().filter(|(plugin, _)| wanted(plugin.name()));
        wanted.map(|(plugin, _)| plugin).find_map(|plugin| open(enc, [plugin as _]))
    }

    fn by_command(&self, recipient: &str, enc: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.commands.iter().find_map(|(name, command)| {
            let printed = command.print(recipient).ok()?;
            let mut all = Self { helpers: self.helpers.clone(), ..Self::default() };
            if *name == source::SSH_COMMAND {
                all.ssh_key(name, &printed);
            } else {
                all.age_text(name, &printed);
            }
            all.one(recipient, enc)
        })
    }
}

/// A recipient for people: nobody wants to read 2000 characters.
fn told(recipient: String) -> String {
    if recipient.starts_with("age1pq1") {
        let start: String = recipient.chars().take(20).collect();
        return format!("{start}... (post-quantum, which is not supported)");
    }
    recipient
}

/// A recipient without the comment that may stand behind an SSH key.
pub(super) fn spelled(recipient: &str) -> String {
    recipient.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn open<'i>(
    enc: &str,
    identities: impl IntoIterator<Item = &'i (dyn age::Identity + Send + Sync)>,
) -> Option<Zeroizing<Vec<u8>>> {
    // age allows blanks around the armor; the reader of the crate wants none before it.
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(enc.trim_ascii().as_bytes())).ok()?;
    let identities = identities.into_iter().map(|identity| -> &dyn age::Identity { identity });
    let reader = decryptor.decrypt(identities).ok()?;
    // 33 bytes are a share; one more shows what is too long.
    let mut plain = Zeroizing::new(Vec::with_capacity(64));
    reader.take(34).read_to_end(&mut plain).ok()?;
    Some(plain)
}

/// Reads a small file whole. A pipe in its place is not waited for.
pub(super) fn read_capped(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(state::open_unguarded(path)?)
}

/// As [`read_capped`], for a sops file that a manifest names: where root reads it and somebody else could lead the path
/// elsewhere, no link is followed.
pub(super) fn read_named(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(state::open_named(path)?)
}

/// Reads a file of the host of at most 1 MiB that a manifest names: where somebody else could exchange a folder above it,
/// or the file, no link is followed, so that nobody leads root to a file of root's. A pipe is not waited for.
///
/// # Errors
/// It cannot be read, is no regular file, is too large, or is a link that somebody else could lead elsewhere.
pub fn read_host_file(path: &Path) -> io::Result<SecretBytes> {
    read_guarded(path).map(SecretBytes::from)
}

/// As [`read_capped`], with the care of [`read_host_file`].
fn read_guarded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(state::open_guarded(path)?)
}

fn read_open(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if meta.len() > KEY_FILE_CAP {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    file.take(KEY_FILE_CAP).read_to_end(&mut bytes)?;
    Ok(bytes)
}
