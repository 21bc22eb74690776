//! `holdfast status MANIFEST`: what is there, and where it differs; reads only.

use super::order::Part;
use super::outcome;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Order};

/// Arguments of `status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    /// Exit with 2 when something differs.
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Runs `status`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = Order { detailed_exitcode: args.detailed_exitcode, ..args.part.order(settings) };
    outcome::status(&run::status(&order).await, settings)
}
