//! `holdfast plan MANIFEST`: what `apply` would do, and why.

use super::order::{Allowed, Older, Part};
use super::outcome;
use super::settings::Settings;
use crate::report::Exit;
use crate::run::{self, Order};

/// Arguments of `plan`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    older: Older,
    /// Exit with 2 when there is something to do.
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Runs `plan`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = Order {
        detailed_exitcode: args.detailed_exitcode,
        ..args.older.apply_to(args.allowed.apply_to(args.part.order(settings)))
    };
    outcome::plan(&run::plan(&order).await, settings)
}
