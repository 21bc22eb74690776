//! What a new file gets: which `.sops.yaml` counts, what it says about a file, and what flags say.

use std::path::{Path, PathBuf};

use crate::cli::input;
use crate::secrets::{Layout, Policy, SecretError, creation_rule, split};

/// How many folders up `.sops.yaml` is looked for.
const FOLDERS: usize = 100;

/// The file of creation rules.
#[derive(clap::Args)]
pub(crate) struct Config {
    /// The file of creation rules; without it `.sops.yaml` is looked for in this folder and those above it.
    #[arg(long, value_name = "FILE", env = "SOPS_CONFIG")]
    config: Option<PathBuf>,
}

impl Config {
    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.config.clone().or_else(found)
    }

    /// What the first rule that matches says about a new file of this name; nothing without creation rules.
    pub(crate) fn rule(&self, name: &Path) -> Result<Option<Policy>, String> {
        let Some(config) = self.path() else { return Ok(None) };
        let wrong = |error: &dyn std::fmt::Display| format!("`{}`: {error}", config.display());
        let bytes = input::read(&config).map_err(|error| wrong(&error))?;
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| wrong(&error));
        let folder = input::base(&config);
        let name = if name.as_os_str().is_empty() { Path::new("/dev/stdin") } else { name };
        creation_rule(&bytes, &folder, &absolute(name)?).map_err(|error: SecretError| wrong(&error))
    }

    /// How what is written shall be indented.
    pub(crate) fn layout(&self, flag: &Indentation) -> Result<Layout, String> {
        if let Some(indent) = flag.indent {
            return Ok(Layout::all(indent));
        }
        let Some(config) = self.path() else { return Ok(Layout::default()) };
        let wrong = |error: &dyn std::fmt::Display| format!("`{}`: {error}", config.display());
        Layout::read(&input::read(&config).map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))
    }
}

/// How far nested lines are moved to the right.
#[derive(clap::Args)]
pub(crate) struct Indentation {
    /// Blanks before a nested line of YAML or JSON, in place of those of `.sops.yaml`; in JSON -1 is a tab.
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    indent: Option<i64>,
}

/// For whom a new file is, and what in it is encrypted.
#[derive(clap::Args)]
pub(crate) struct Rules {
    /// Recipients, in place of those of `.sops.yaml`: `age1...`, `ssh-ed25519 ...`, `ssh-rsa ...`, with commas between
    /// them; may be given again.
    #[arg(short, long, value_name = "RECIPIENTS", env = "SOPS_AGE_RECIPIENTS", hide_env_values = true)]
    age: Vec<String>,
    /// Leave values clear whose keys end so.
    #[arg(long, value_name = "SUFFIX")]
    unencrypted_suffix: Option<String>,
    /// Encrypt only values whose keys end so.
    #[arg(long, value_name = "SUFFIX")]
    encrypted_suffix: Option<String>,
    /// Leave values clear whose keys match.
    #[arg(long, value_name = "REGEX")]
    unencrypted_regex: Option<String>,
    /// Encrypt only values whose keys match.
    #[arg(long, value_name = "REGEX")]
    encrypted_regex: Option<String>,
    /// Leave values clear that stand below a comment that matches.
    #[arg(long, value_name = "REGEX")]
    unencrypted_comment_regex: Option<String>,
    /// Encrypt only values that stand below a comment that matches.
    #[arg(long, value_name = "REGEX")]
    encrypted_comment_regex: Option<String>,
    /// Leave clear values out of the MAC.
    #[arg(long)]
    mac_only_encrypted: bool,
    /// How many key groups must answer.
    #[arg(long, value_name = "COUNT")]
    shamir_secret_sharing_threshold: Option<usize>,
    #[command(flatten)]
    indentation: Indentation,
    #[command(flatten)]
    config: Config,
}

impl Rules {
    /// What the flags and the creation rule of a file of this name come to together; flags win.
    pub(crate) fn policy(&self, name: &Path) -> Result<Policy, String> {
        let mut policy = self.config.rule(name)?.unwrap_or_default();
        let flags = [
            ("unencrypted_suffix", &self.unencrypted_suffix),
            ("encrypted_suffix", &self.encrypted_suffix),
            ("unencrypted_regex", &self.unencrypted_regex),
            ("encrypted_regex", &self.encrypted_regex),
            ("unencrypted_comment_regex", &self.unencrypted_comment_regex),
            ("encrypted_comment_regex", &self.encrypted_comment_regex),
        ];
        for (key, text) in flags {
            if let Some(text) = text {
                policy.rules.retain(|(set, _)| set != key);
                policy.rules.push((key.to_owned(), text.clone()));
            }
        }
        let recipients = split(&self.age.join(","));
        if !recipients.is_empty() {
            policy.groups = vec![recipients];
        }
        if policy.groups.iter().all(Vec::is_empty) {
            return Err("nobody is named who could open the file: give `--age RECIPIENT`, or a creation rule in `.sops.yaml`"
                .to_owned());
        }
        policy.layout = self.config.layout(&self.indentation)?;
        policy.mac_only_encrypted |= self.mac_only_encrypted;
        policy.threshold = self.shamir_secret_sharing_threshold.unwrap_or(policy.threshold);
        Ok(policy)
    }
}

/// The nearest `.sops.yaml`, from the current folder upward.
fn found() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    folder.ancestors().take(FOLDERS).map(|folder| folder.join(".sops.yaml")).find(|path| path.exists())
}
