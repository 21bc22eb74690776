//! `holdfast secrets ...`: keys, the files that they open, and what becomes of those on a host.

mod change;
mod check;
mod decrypt;
mod diff;
mod edit;
mod encrypt;
mod exec;
mod exposed;
mod file;
mod generate;
mod install;
mod keygen;
mod merge;
mod program;
mod pull;
mod recipients;
mod rotate;
mod rule;
mod set;
mod unset;
mod updatekeys;

use super::settings::Settings;
use crate::report::Exit;
use crate::secrets::lock_memory;

/// Commands of `secrets`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Install secrets and templates, make links to them, and tell the units that use what changed.
    ///
    /// No engine is needed. `apply` does the same; this is for a boot, before the engine is started.
    Install(install::Args),
    /// Tell what is not as it must be in a checkout: clear text, private keys, files that disagree with `.sops.yaml`, and
    /// secrets that a manifest's host could not open. No key is needed.
    Check(check::Args),
    /// Print the clear text of a sops file, as sops prints it.
    Decrypt(Box<decrypt::Args>),
    /// Make a sops file of a clear one.
    Encrypt(Box<encrypt::Args>),
    /// Print a sops file as lines to compare, or what differs between two; values by id. For git's `textconv`.
    Diff(diff::Args),
    /// Edit a sops file as clear text in memory, or make a new one.
    Edit(Box<edit::Args>),
    /// Run a command with the values of a sops file, in its environment or as a file.
    Exec(exec::Args),
    /// Make the secrets that a manifest has generators for and that are not there yet, into their sops files.
    Generate(Box<generate::Args>),
    /// Make a new age identity, or print the one that an SSH key is.
    Keygen(keygen::Args),
    /// Make one sops file of two versions since a common one, path by path. A merge driver for git.
    Merge(merge::Args),
    /// Merge what a host has made into the sops files of the checkout; a value that is there already stays.
    Pull(Box<pull::Args>),
    /// List who can read which file, by name; or print the age recipients of SSH keys.
    Recipients(recipients::Args),
    /// Give a sops file a new data key, and add or remove readers.
    Rotate(Box<rotate::Args>),
    /// Set one value of a sops file; every other character of it stays, except the MAC and the time of the change.
    Set(set::Args),
    /// Give sops files the readers that `.sops.yaml` names; whoever is removed loses the data key too.
    Updatekeys(updatekeys::Args),
    /// Remove one value of a sops file; everything else stays as with `set`.
    Unset(unset::Args),
}

impl Command {
    /// True for those that wait for a program of somebody else's and know what to do with a signal: they end with it.
    pub(super) fn ends_with_another(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Exec(_))
    }
}

/// Runs `secrets`.
pub(super) async fn run(command: &Command, settings: &Settings) -> Exit {
    lock_memory();
    match command {
        Command::Install(args) => install::run(args, settings).await,
        Command::Check(args) => check::run(args, settings),
        Command::Decrypt(args) => decrypt::run(args),
        Command::Encrypt(args) => encrypt::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Edit(args) => edit::run(args, settings).await,
        Command::Exec(args) => exec::run(args, settings).await,
        Command::Generate(args) => generate::run(args, settings),
        Command::Keygen(args) => keygen::run(args),
        Command::Pull(args) => pull::run(args, settings),
        Command::Recipients(args) => recipients::run(args, settings),
        Command::Rotate(args) => rotate::run(args),
        Command::Set(args) => set::run(args),
        Command::Updatekeys(args) => updatekeys::run(args, settings),
        Command::Unset(args) => unset::run(args),
    }
}

/// Says what stopped a command.
fn stop(exit: Exit, text: &str) -> Exit {
    Settings::say(&format!("error: {text}\n"));
    exit
}
