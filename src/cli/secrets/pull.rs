//! `holdfast secrets pull --manifest FILE FOLDER`: what a host has made, into the checkout.

use std::path::PathBuf;

use super::generate::Target;
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::run::pull;

/// Arguments of `secrets pull`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder `minted` of the host's state folder, or a copy of it.
    folder: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// Runs `secrets pull`.
pub(super) fn run(args: &Args, settings: &Settings) -> Exit {
    args.target.run(false, settings, |order| pull(order, &args.folder))
}
