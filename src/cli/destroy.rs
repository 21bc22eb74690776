//! `holdfast destroy MANIFEST`: removes what is recorded as ours.

use std::cell::RefCell;

use super::order::{Part, Writing};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Order, Said};

/// Arguments of `destroy`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    writing: Writing,
    /// Remove the volumes of our stacks too; what is in them is lost.
    #[arg(long)]
    volumes: bool,
}

/// Runs `destroy`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(args.part.order(settings));
    let order = Order { volumes: args.volumes, ..order };
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::destroy(&order, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, None)
}
