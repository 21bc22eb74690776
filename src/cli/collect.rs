//! `holdfast collect MANIFEST`: removes what earlier runs brought and nothing needs any more.

use std::cell::RefCell;

use super::flags::ManifestArg;
use super::order::{Writing, order};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Said};

/// Arguments of `collect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
    #[command(flatten)]
    writing: Writing,
    /// Show what would go, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Runs `collect`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(order(args.manifest.path(), settings));
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::collect(&order, args.dry_run, &RefCell::new(&mut tell)).await;
    progress.clear();
    if args.dry_run { outcome::plan(&record, settings) } else { outcome::report(&record, settings, None) }
}
