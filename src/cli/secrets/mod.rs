//! `holdfast secrets ...`: keys, and the files that they open.

mod keygen;
mod recipients;

use super::settings::Settings;
use crate::report::Exit;

/// Arguments of `secrets`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a new age identity, or print the one that an SSH key is.
    Keygen(keygen::Args),
    /// Print the age recipients of SSH keys.
    Recipients(recipients::Args),
}

/// Runs `secrets`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    match &args.command {
        Command::Keygen(args) => keygen::run(args),
        Command::Recipients(args) => recipients::run(args, settings),
    }
}

/// Says what stopped a command.
fn stop(exit: Exit, text: &str) -> Exit {
    Settings::say(&format!("error: {text}\n"));
    exit
}
