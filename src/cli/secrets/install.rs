//! `holdfast secrets install`: files, links and units, without an engine.

use std::cell::RefCell;

use crate::cli::flags::ManifestArg;
use crate::cli::order::{self, Writing};
use crate::cli::outcome;
use crate::cli::progress::Progress;
use crate::cli::settings::Settings;
use crate::manifest::Folder;
use crate::report::Exit;
use crate::run::{Said, install as run_install};

/// Arguments of `secrets install`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Only what is needed before users are made.
    #[arg(long)]
    for_users: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `secrets install`.
pub(super) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(order::order(args.manifest.path(), settings));
    let folders: &[Folder] = if args.for_users { &[Folder::Users] } else { &Folder::ALL };
    if args.dry_run {
        return outcome::plan(&crate::run::plan_install(&order, folders).await, settings);
    }
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run_install(&order, folders, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, None)
}
