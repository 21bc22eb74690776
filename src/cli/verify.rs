//! `holdfast verify MANIFEST`: runs the gates; reads only.

use std::cell::RefCell;
use std::path::PathBuf;

use super::order::Part;
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Order, Said};

/// Arguments of `verify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    /// The store path that `/run/current-system` must lead to: one gate more.
    #[arg(long, value_name = "PATH")]
    expect_closure: Option<PathBuf>,
    /// Also write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs `verify`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = Order { expect_closure: args.expect_closure.clone(), ..args.part.order(settings) };
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::verify(&order, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, args.junit.as_deref())
}
