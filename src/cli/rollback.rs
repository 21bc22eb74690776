//! `holdfast rollback [N]`: brings back a generation that was recorded, and proves it.

use std::cell::RefCell;
use std::path::PathBuf;

use super::flags::MANIFEST;
use super::order::{Applying, order};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Said};

/// Arguments of `rollback`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The generation; the last proven one before the current one when absent.
    #[arg(value_name = "N")]
    to: Option<u64>,
    /// List the generations that are kept, and do nothing.
    #[arg(long, conflicts_with = "to")]
    list: bool,
    /// A manifest whose `paths.state` says where the generations are; nothing else of it counts.
    #[arg(long, value_name = "MANIFEST", env = MANIFEST)]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    applying: Applying,
}

/// Runs `rollback`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = order(args.manifest.clone().unwrap_or_default(), settings);
    if args.list {
        return outcome::generations(&run::generations(&order), settings);
    }
    let order = args.applying.apply_to(order);
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::rollback(&order, args.to, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, args.applying.junit())
}
