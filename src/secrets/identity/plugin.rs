//! Plugins of age: programs `age-plugin-NAME` that hold keys of other kinds (tokens, TPMs, remote services).

use std::collections::HashSet;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use zeroize::{Zeroize, Zeroizing};

use super::ask::Ask;
use super::child::{Child, Environment};
use super::wire::{receive, send};

/// How long a plugin may be silent; a token may wait for a touch.
const PATIENCE: Duration = Duration::from_secs(60);
/// A plugin that has not come to an end after so many messages never will.
const MOST_MESSAGES: usize = 256;
/// How much of what a plugin says of itself is told.
const LONGEST_WORD: usize = 200;

/// What plugins need to run.
#[derive(Clone, Default)]
pub(in crate::secrets) struct Plugins {
    /// Where they are, and what they see.
    pub(in crate::secrets) environment: Environment,
    /// Who answers their questions.
    pub(in crate::secrets) ask: Ask,
}

/// An identity `AGE-PLUGIN-NAME-1...`.
pub(super) struct Identity {
    name: String,
    text: Zeroizing<String>,
    plugins: Plugins,
    /// Why it opened nothing, once.
    failed: Mutex<Option<String>>,
}

/// A recipient `age1NAME1...`.
pub(in crate::secrets) struct Recipient {
    name: String,
    text: String,
    plugins: Plugins,
}

impl Identity {
    /// `AGE-PLUGIN-NAME-1...` with a good checksum.
    pub(super) fn parse(text: &str, plugins: &Plugins) -> Option<Self> {
        let (prefix, mut data) = bech32::decode(text).ok()?;
        data.zeroize();
        let prefix = prefix.to_lowercase();
        let name = prefix.strip_prefix("age-plugin-")?.strip_suffix('-')?;
        is_name(name).then(|| Self {
            name: name.to_owned(),
            text: Zeroizing::new(text.to_owned()),
            plugins: plugins.clone(),
            failed: Mutex::default(),
        })
    }

    /// Its plugin.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Why it opened nothing, where that is more than that the key is another one.
    pub(super) fn failed(&self) -> Option<String> {
        self.failed.lock().ok().and_then(|failed| failed.clone())
    }

    fn unwrap(&self, stanzas: &[Stanza]) -> Result<Option<FileKey>, String> {
        let mut talk = Talk::begin(&self.name, "identity-v1", &self.plugins)?;
        let text = self.text.as_str();
        let asked = send(&mut talk.child, "add-identity", &[text], &[]).and_then(|()| {
            for stanza in stanzas {
                let arguments: Vec<&str> =
                    ["0", &stanza.tag].into_iter().chain(stanza.args.iter().map(String::as_str)).collect();
                send(&mut talk.child, "recipient-stanza", &arguments, &stanza.body)?;
            }
            send(&mut talk.child, "done", &[], &[])
        });
        asked.map_err(|error| talk.fault(&error))?;
        let mut key = None;
        talk.listen(|said| {
            if said.tag != "file-key"
                || said.args != ["0"]
                || said.body.len() != FILE_KEY_BYTES
                || key.is_some()
            {
                return false;
            }
            key = Some(FileKey::init_with_mut(|key| key.copy_from_slice(&said.body)));
            said.body.zeroize();
            true
        })?;
        Ok(key)
    }
}

impl age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let stanza = Stanza { tag: stanza.tag.clone(), args: stanza.args.clone(), body: stanza.body.clone() };
        self.unwrap_stanzas(&[stanza])
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        match self.unwrap(stanzas) {
            Ok(key) => key.map(Ok),
            Err(why) => {
                if let Ok(mut failed) = self.failed.lock() {
                    *failed = Some(why);
                }
                None
            }
        }
    }
}

impl Recipient {
    /// `age1NAME1...` with a good checksum.
    pub(in crate::secrets) fn parse(text: &str, plugins: &Plugins) -> Option<Self> {
        let name = name_of(text)?;
        Some(Self { name, text: text.to_owned(), plugins: plugins.clone() })
    }

    fn wrap(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), String> {
        let mut talk = Talk::begin(&self.name, "recipient-v1", &self.plugins)?;
        let asked = send(&mut talk.child, "add-recipient", &[&self.text], &[])
            .and_then(|()| send(&mut talk.child, "wrap-file-key", &[], file_key.expose_secret()))
            .and_then(|()| send(&mut talk.child, "extension-labels", &[], &[]))
            .and_then(|()| send(&mut talk.child, "done", &[], &[]));
        asked.map_err(|error| talk.fault(&error))?;
        let (mut stanzas, mut labels) = (Vec::new(), HashSet::new());
        talk.listen(|said| match (said.tag.as_str(), said.args.as_slice()) {
            ("recipient-stanza", [file, tag, args @ ..]) if file == "0" => {
                let (tag, args) = (tag.clone(), args.to_vec());
                stanzas.push(Stanza { tag, args, body: std::mem::take(&mut said.body) });
                true
            }
            ("labels", words) => {
                labels.extend(words.iter().cloned());
                true
            }
            _ => false,
        })?;
        if stanzas.is_empty() {
            Err(format!("`{}` wrapped nothing", program(&self.name)))
        } else {
            Ok((stanzas, labels))
        }
    }
}

impl age::Recipient for Recipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.wrap(file_key).map_err(|why| EncryptError::Io(io::Error::other(why)))
    }
}

/// The plugin that a recipient belongs to; `None` for those that need none.
pub(in crate::secrets) fn name_of(recipient: &str) -> Option<String> {
    let (prefix, _) = bech32::decode(recipient).ok()?;
    let prefix = prefix.to_lowercase();
    prefix.strip_prefix("age1").filter(|name| is_name(name)).map(str::to_owned)
}

/// A name becomes part of a path: nothing in it may lead elsewhere.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

fn program(name: &str) -> String {
    format!("age-plugin-{name}")
}

/// A conversation with a plugin.
struct Talk<'p> {
    program: String,
    child: Child,
    ask: &'p Ask,
}

impl<'p> Talk<'p> {
    fn begin(name: &str, machine: &str, plugins: &'p Plugins) -> Result<Self, String> {
        let program = program(name);
        let found = plugins.environment.find(&program);
        let path = found.ok_or_else(|| format!("`{program}` is not on this machine"))?;
        let child = Child::start(&path, &[format!("--age-plugin={machine}")], &plugins.environment, PATIENCE)
            .map_err(|error| format!("`{program}` did not start: {error}"))?;
        Ok(Self { program, child, ask: &plugins.ask })
    }

    fn fault(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                format!("`{}` ended too early", self.program)
            }
            _ => format!("`{}` {error}", self.program),
        }
    }

    /// Answers until the plugin is done. `take` tells whether it understands a message that this does not.
    fn listen(mut self, mut take: impl FnMut(&mut Stanza) -> bool) -> Result<(), String> {
        let mut failed: Option<String> = None;
        for _ in 0..MOST_MESSAGES {
            let mut said = receive(&mut self.child).map_err(|error| self.fault(&error))?;
            let mut answer = Zeroizing::new(Vec::new());
            let kind = said.tag.clone();
            let word = match kind.as_str() {
                "done" => {
                    self.child.finish();
                    return failed.map_or(Ok(()), Err);
                }
                "msg" => "ok",
                "error" => {
                    let text = String::from_utf8_lossy(&said.body);
                    let text: String =
                        text.chars().filter(|char| !char.is_control()).take(LONGEST_WORD).collect();
                    failed.get_or_insert(format!("`{}` says: {text}", self.program));
                    "ok"
                }
                "request-secret" => match self.ask.passphrase(&String::from_utf8_lossy(&said.body)) {
                    Ok(secret) => {
                        answer.extend_from_slice(secret.expose_secret().as_bytes());
                        "ok"
                    }
                    Err(why) => {
                        failed.get_or_insert(format!("`{}` {why}", self.program));
                        "fail"
                    }
                },
                // Nothing else is asked of a person: what is public stands in files.
                "request-public" | "confirm" => "fail",
                _ if take(&mut said) => "ok",
                _ => "unsupported",
            };
            self.child.again(PATIENCE);
            send(&mut self.child, word, &[], &answer).map_err(|error| self.fault(&error))?;
        }
        Err(format!("`{}` did not come to an end", self.program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(prefix: &str) -> String {
        bech32::encode::<bech32::Bech32>(bech32::Hrp::parse(prefix).unwrap(), &[1, 2, 3]).unwrap()
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        let plugins = Plugins::default();
        assert_eq!(name_of(&encode("age1yubikey")).as_deref(), Some("yubikey"));
        for prefix in ["age", "age1", "age1../../bin/echo", "age1a/b", "other"] {
            assert_eq!(name_of(&encode(prefix)), None, "{prefix}");
        }
        let identity = |prefix| Identity::parse(&encode(prefix).to_uppercase(), &plugins);
        assert_eq!(identity("age-plugin-se-").unwrap().name(), "se");
        for prefix in ["age-plugin-", "age-plugin--", "age-plugin-a/b-", "age-plugin-se", "age-secret-key-"] {
            assert!(identity(prefix).is_none(), "{prefix}");
        }
    }
}
