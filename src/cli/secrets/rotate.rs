//! `holdfast secrets rotate FILE`: a new data key, and readers added or removed, with sops's own arguments.

use jiff::Timestamp;

use super::exposed;
use super::file::FileArgs;
use crate::cli::keys::{Keys, environment};
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::secrets::{Opener, Reseal, SecretError, exposures, readers_of, reseal, split};

/// Arguments of `secrets rotate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    file: FileArgs,
    /// Readers to add, with commas between them; they come into the first group.
    #[arg(long, value_name = "RECIPIENTS")]
    add_age: Vec<String>,
    /// Readers to remove, with commas between them.
    #[arg(long, value_name = "RECIPIENTS")]
    rm_age: Vec<String>,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets rotate`.
pub(crate) fn run(args: &Args) -> Exit {
    let identities = args.keys.identities();
    let opener = Opener::Identities(&identities);
    let (from, to) = args.file.forms();
    let mut gone = (Vec::new(), Vec::new());
    let exit = args.file.change(|bytes| {
        let before = readers_of(bytes, from)?;
        let mut readers = before.clone();
        let (add, remove) = (split(&args.add_age.join(",")), split(&args.rm_age.join(",")));
        for reader in &add {
            readers.add(reader);
        }
        for reader in &remove {
            if !readers.remove(reader) {
                let reason = "is none of the file's readers, so it cannot be removed".to_owned();
                return Err(SecretError::Recipient { recipient: reader.clone(), reason });
            }
        }
        let order =
            Reseal { readers, anew: Some(Timestamp::now()), helpers: (environment(), args.keys.ask()) };
        let edited = reseal((bytes, from, to), &opener, &order)?;
        let removed = before.missing_in(&order.readers);
        if !removed.is_empty() {
            gone = exposures((args.file.name(), bytes, from), &removed, &opener, &environment());
        }
        Ok(edited)
    });
    if exit == Exit::Ok {
        Settings::say(&exposed::text(&args.file.name().display().to_string(), &gone));
    }
    exit
}
