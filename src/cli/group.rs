//! Commands that only have commands: `image lock`, `secrets set`.

use clap::Subcommand;

/// Arguments of a command that has the commands `C`.
#[derive(clap::Args)]
pub(super) struct Group<C: Subcommand> {
    /// The one that was asked for.
    #[command(subcommand)]
    pub(super) command: C,
}
