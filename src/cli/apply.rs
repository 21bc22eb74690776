//! `holdfast apply MANIFEST`: makes the host equal to the manifest, and proves it.

use std::cell::RefCell;

use super::order::{Applying, Older, Part};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Said};

/// Arguments of `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    applying: Applying,
    #[command(flatten)]
    older: Older,
}

/// Runs `apply`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.older.apply_to(args.applying.apply_to(args.part.order(settings)));
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::apply(&order, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, args.applying.junit())
}
