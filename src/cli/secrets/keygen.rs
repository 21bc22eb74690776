//! `holdfast secrets keygen [-o FILE]`: a new age identity, as `age-keygen` prints one.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::stop;
use crate::cli::input;
use crate::cli::keys::Asking;
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::secrets::{SecretBytes, new_identity, secret_of_asking};

/// Arguments of `secrets keygen`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write to this file, which only its owner may read and which must not be there yet.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the age identity that this OpenSSH ed25519 private key is (as `ssh-to-age -private-key`), not a new one.
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// Runs `secrets keygen`.
pub(crate) fn run(args: &Args) -> Exit {
    let made = match &args.ssh_key {
        None => Ok(new_identity()),
        Some(path) => convert(args, path),
    };
    let (recipient, identity) = match made {
        Ok(made) => made,
        Err(text) => return stop(Exit::BadConfig, &text),
    };
    let head = format!(
        "# created: {}\n# public key: {recipient}\n",
        jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z")
    );
    let text = SecretBytes::new([head.as_bytes(), identity.expose(), b"\n"].concat());
    let Some(path) = &args.output else {
        if !std::io::stdout().is_terminal() {
            Settings::say(&format!("Public key: {recipient}\n"));
        }
        return Settings::print_bytes(text.expose());
    };
    if let Err(error) = write(path, &text) {
        let hint = if path.exists() { "; a key is never written over, choose another file" } else { "" };
        return stop(Exit::BadConfig, &format!("failed to write `{}`: {error}{hint}", path.display()));
    }
    Settings::say(&format!("Public key: {recipient}\n"));
    Exit::Ok
}

fn convert(args: &Args, path: &Path) -> Result<(String, SecretBytes), String> {
    let bytes = input::read(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))?;
    let bytes = SecretBytes::new(bytes);
    secret_of_asking(&path.display().to_string(), bytes.expose(), &args.asking.ask())
        .map_err(|why| format!("`{}` {why}", path.display()))
}

/// Makes the file, or leaves what is there.
fn write(path: &Path, text: &SecretBytes) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.expose())?;
    file.sync_all()
}
