//! `holdfast secrets recipients --ssh-key FILE`: what to write into `.sops.yaml` for a host or a person.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::stop;
use crate::cli::input;
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::secrets::{SecretBytes, SshLine, ssh_lines};

/// Arguments of `secrets recipients`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File of SSH public keys (`*.pub`, `authorized_keys`, `known_hosts`, the output of `ssh-keyscan`), or an OpenSSH
    /// private key, whose public half needs no passphrase; `-` is stdin; may be given again.
    #[arg(long, value_name = "FILE", required = true)]
    ssh_key: Vec<PathBuf>,
}

/// Runs `secrets recipients`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    let (mut text, mut list) = (String::new(), Vec::new());
    for path in &args.ssh_key {
        let name = path.display().to_string();
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) => return stop(Exit::BadConfig, &format!("failed to read `{name}`: {error}")),
        };
        let mut found = false;
        for SshLine { line, owner, key, recipient } in ssh_lines(bytes.expose()) {
            match recipient {
                Ok(recipient) => {
                    found = true;
                    text.push_str(&recipient);
                    text.push('\n');
                    list.push(json!({ "file": name, "line": line, "owner": owner, "key": key, "recipient": recipient }));
                }
                Err(why) => Settings::say(&format!("warning: `{name}` line {line}: {why}\n")),
            }
        }
        if !found {
            let text = format!("`{name}` holds no ed25519 key, and no other kind has an age form");
            return stop(Exit::BadConfig, &text);
        }
    }
    if settings.json {
        Settings::print(&format!("{:#}\n", json!({ "recipients": list })))
    } else {
        Settings::print(&text)
    }
}

fn read(path: &Path) -> std::io::Result<SecretBytes> {
    if path != Path::new("-") {
        return input::read(path).map(SecretBytes::new);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(1 << 24).read_to_end(&mut bytes)?;
    Ok(SecretBytes::new(bytes))
}
