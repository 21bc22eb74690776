//! `holdfast secrets unset FILE PATH`: one value of a sops file, removed.

use std::path::PathBuf;

use super::change;
use crate::cli::keys::Keys;
use crate::report::Exit;
use crate::secrets::unset;

/// Arguments of `secrets unset`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sops file.
    file: PathBuf,
    /// Where the value is: `["key"]["other"][0]`.
    path: String,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets unset`.
pub(crate) fn run(args: &Args) -> Exit {
    change::run(&args.file, &args.path, &args.keys, unset)
}
