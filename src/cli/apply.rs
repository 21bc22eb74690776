//! `holdfast apply MANIFEST`: makes the host equal to the manifest, and proves it.

use std::cell::RefCell;
use std::path::PathBuf;

use super::order::{Allowed, Part, Writing};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Order, Said};

/// Arguments of `apply`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    writing: Writing,
    /// Leave the gates to a later `verify`.
    #[arg(long)]
    no_verify: bool,
    /// Also write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs `apply`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(args.allowed.apply_to(args.part.order(settings)));
    let order = Order { verify: !args.no_verify, ..order };
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::apply(&order, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, args.junit.as_deref())
}
