//! `holdfast probe MANIFEST`: takes the proofs anew that write, and changes nothing that is declared.

use std::cell::RefCell;
use std::path::PathBuf;

use super::order::{Part, Writing};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Said};

/// Arguments of `probe`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    writing: Writing,
    /// Also write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs `probe`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(args.part.order(settings));
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::probe(&order, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, args.junit.as_deref())
}
