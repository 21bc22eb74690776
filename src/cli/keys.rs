//! What opens secrets, as the command line and the environment say it; sops's own variables mean what they mean there.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::hygiene;
use crate::manifest;
use crate::secrets::{Ask, Environment, Identities, IdentityEnv, SecretBytes};

/// No passphrase is longer.
const LONGEST: u64 = 1024;
/// What plugins and key commands see of the environment; nothing else is handed on.
const HANDED_ON: [&str; 8] =
    ["PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DISPLAY", "WAYLAND_DISPLAY"];

/// Who is asked for the passphrase of a protected key.
#[derive(clap::Args)]
pub(crate) struct Asking {
    /// Read the passphrase of a protected key from this file descriptor; without it the terminal is asked.
    #[arg(long, value_name = "FD", conflicts_with = "askpass", value_parser = passphrase)]
    passphrase_fd: Option<SecretBytes>,
    /// Program that is asked for passphrases: the question is its argument, the answer its first line.
    #[arg(long, value_name = "PROGRAM")]
    askpass: Option<PathBuf>,
}

/// Keys of commands that people run by hand, beside those of the environment and of the usual places.
#[derive(clap::Args)]
pub(crate) struct Keys {
    /// File of age identities, or of an OpenSSH private key; may be given again.
    #[arg(long, value_name = "FILE")]
    age_key_file: Vec<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// What a file descriptor holds. It is read with the command line, before the process is shut.
fn passphrase(fd: &str) -> Result<SecretBytes, String> {
    let number: u32 = fd.parse().map_err(|_| "write the number of a file descriptor".to_owned())?;
    let mut text = Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default());
    File::open(format!("/proc/self/fd/{number}"))
        .and_then(|file| file.take(LONGEST).read_to_end(&mut text))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(SecretBytes::new(text))
}

impl Asking {
    /// Who that is.
    pub(crate) fn ask(&self) -> Ask {
        match (&self.passphrase_fd, &self.askpass) {
            (Some(given), _) => Ask::Given(given.clone()),
            (None, Some(program)) => Ask::Program(program.clone(), environment()),
            (None, None) => Ask::Terminal,
        }
    }
}

impl Keys {
    /// Who is asked for passphrases.
    pub(crate) fn ask(&self) -> Ask {
        self.asking.ask()
    }

    /// Every identity that sops would use, and those that the flags name.
    pub(crate) fn identities(&self) -> Identities {
        let mut env = from_environment();
        env.ask = self.asking.ask();
        if let Some(home) = variable("HOME").map(PathBuf::from) {
            env.ssh_key_places = ["id_ed25519", "id_rsa"].map(|name| home.join(".ssh").join(name)).to_vec();
            let config = variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
            env.age_key_places.push(config.join("sops/age/keys.txt"));
        }
        let named = manifest::Identities {
            age_key_files: self.age_key_file.clone(),
            ssh_key_files: Vec::new(),
            ..manifest::Identities::default()
        };
        Identities::load(&named, &env)
    }
}

/// Identities that sops, too, takes from the environment. Nobody is asked for anything: units use this.
pub(crate) fn from_environment() -> IdentityEnv {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    IdentityEnv {
        age_key: hygiene::age_key(),
        age_key_file: variable("SOPS_AGE_KEY_FILE").map(PathBuf::from),
        age_key_cmd: text("SOPS_AGE_KEY_CMD"),
        ssh_key_file: variable("SOPS_AGE_SSH_PRIVATE_KEY_FILE").map(PathBuf::from),
        ssh_key_cmd: text("SOPS_AGE_SSH_PRIVATE_KEY_CMD"),
        environment: environment(),
        ..IdentityEnv::default()
    }
}

/// What plugins see.
pub(crate) fn environment() -> Environment {
    let pair = |name: &str| variable(name).map(|value| (OsString::from(name), value));
    Environment { folders: Vec::new(), variables: HANDED_ON.into_iter().filter_map(pair).collect() }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
