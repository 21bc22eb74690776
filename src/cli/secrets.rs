//! `holdfast secrets ...`: sops files and what becomes of them on a host.

use std::cell::RefCell;

use super::flags::ManifestArg;
use super::order::{self, Writing};
use super::outcome;
use super::progress::Progress;
use super::settings::Settings;
use crate::manifest::Folder;
use crate::report::Exit;
use crate::run::{self, Said};

/// Arguments of `secrets`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Install secrets and templates, make links to them, and tell the units that use what changed.
    ///
    /// No engine is needed. `apply` does the same; this is for a boot, before the engine is started.
    Install(InstallArgs),
}

/// Arguments of `secrets install`.
#[derive(clap::Args)]
struct InstallArgs {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Only what is needed before users are made.
    #[arg(long)]
    for_users: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `secrets`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    match &args.command {
        Command::Install(args) => install(args, settings).await,
    }
}

async fn install(args: &InstallArgs, settings: &Settings) -> Exit {
    let order = args.writing.apply_to(order::order(args.manifest.path(), settings));
    let folders: &[Folder] = if args.for_users { &[Folder::Users] } else { &Folder::ALL };
    if args.dry_run {
        return outcome::plan(&run::plan_install(&order, folders).await, settings);
    }
    let mut progress = Progress::new(settings);
    let mut tell = |said: Said<'_>| progress.tell(&said);
    let record = run::install(&order, folders, &RefCell::new(&mut tell)).await;
    progress.clear();
    outcome::report(&record, settings, None)
}
