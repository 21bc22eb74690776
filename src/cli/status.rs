//! `holdfast status MANIFEST`: what is there, and where it differs; reads only.

use std::path::PathBuf;
use std::time::Duration;

use super::order::Part;
use super::outcome;
use super::settings::Settings;
use crate::report::{self, Exit, Seen};
use crate::run::{self, Order};

/// How long addresses may take to show their certificates.
const HANDSHAKES: Duration = Duration::from_secs(5);

/// Arguments of `status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    part: Part,
    /// Exit with 2 when something differs.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Go on, and print a line for each thing that changes, until a signal; with --json, a JSON object a line.
    #[arg(long, conflicts_with = "detailed_exitcode")]
    watch: bool,
    /// Also write what was found as metrics, for `node_exporter`'s textfile collector; also where nothing could be looked at.
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    textfile: Option<PathBuf>,
}

/// Runs `status`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = Order {
        detailed_exitcode: args.detailed_exitcode,
        served: args.textfile.as_ref().map(|_| HANDSHAKES),
        ..args.part.order(settings)
    };
    if args.watch {
        return watch(&order, settings).await;
    }
    outcome::status(&run::status(&order).await, settings, args.textfile.as_deref())
}

async fn watch(order: &Order, settings: &Settings) -> Exit {
    let mut ended = Exit::Ok;
    let mut tell = |seen: &Seen| {
        let text =
            if settings.json { report::seen_json(seen).unwrap_or_default() } else { report::seen_text(seen) };
        match Settings::print_more(&text) {
            Ok(()) => true,
            Err(exit) => {
                ended = exit;
                false
            }
        }
    };
    let record = run::watch(order, &mut tell).await;
    outcome::watched(&record, settings).or(ended)
}
