//! `holdfast secrets diff FILE [OTHER]`: sops files as lines to compare, values by id; git's `textconv`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::file::Type;
use super::program::without_ours;
use super::stop;
use crate::cli::input;
use crate::cli::keys::Keys;
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::Exit;
use crate::secrets::{Opener, SecretBytes, Shown, canonical, compared, format_of};

/// The file in the folder of a git repository that holds the key of ids.
const KEY: &str = "holdfast-diff-key";
const KEY_LENGTH: usize = 32;

/// Arguments of `secrets diff`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file. Alone, it is printed as lines `path = <id>`.
    file: PathBuf,
    /// A newer file: what differs is printed.
    other: Option<PathBuf>,
    /// Print values in place of ids.
    #[arg(long)]
    reveal: bool,
    /// Form of the files; by their endings without this flag.
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets diff`.
pub(crate) fn run(args: &Args) -> Exit {
    let identities = args.keys.identities();
    let opener = Opener::Identities(&identities);
    let key = match key() {
        Ok(key) => key,
        Err(error) => return stop(Exit::Internal, &format!("no key for the ids of values: {error}")),
    };
    let shown = if args.reveal { Shown::Values } else { Shown::Ids(&key) };
    let text = |path: &Path| -> Result<SecretBytes, (Exit, String)> {
        let format = args.input_type.map_or_else(|| format_of(path), SecretFormat::from);
        let bytes = input::read(path)
            .map_err(|error| (Exit::BadConfig, format!("failed to read `{}`: {error}", path.display())))?;
        canonical((&bytes, format), &opener, &shown)
            .map_err(|error| (error.exit(), format!("`{}`: {error}", path.display())))
    };
    let printed = match &args.other {
        None => text(&args.file),
        Some(other) => text(&args.file).and_then(|old| Ok(compared(&old, &text(other)?, args.reveal))),
    };
    match printed {
        Ok(text) => Settings::print_bytes(text.expose()),
        Err((exit, text)) => stop(exit, &text),
    }
}

/// The key of ids: one of the repository that this runs in, so that ids of two runs can be compared; else a new one.
fn key() -> std::io::Result<SecretBytes> {
    let Some(path) = repository().map(|folder| folder.join(KEY)) else { return random() };
    if !path.exists() {
        let key = random()?;
        // Somebody else may be faster; his key is read then.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        if let Ok(mut file) = made {
            file.write_all(key.expose())?;
        }
    }
    match input::read(&path) {
        Ok(key) if key.len() == KEY_LENGTH => Ok(SecretBytes::new(key)),
        // A repository that cannot be written to, or a key that is just being written.
        _ => random(),
    }
}

fn repository() -> Option<PathBuf> {
    let mut git = Command::new("git");
    let output = without_ours(&mut git)
        .args(["rev-parse", "--git-common-dir"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !path.trim().is_empty()).then(|| PathBuf::from(path.trim()))
}

fn random() -> std::io::Result<SecretBytes> {
    let mut key = Vec::with_capacity(KEY_LENGTH);
    File::open("/dev/urandom")?.take(KEY_LENGTH as u64).read_to_end(&mut key)?;
    Ok(SecretBytes::new(key))
}
