//! `holdfast image ...`: what images of registries stand for.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::flags::ManifestArg;
use super::keys::from_environment;
use super::problems;
use super::settings::Settings;
use crate::report::{Exit, count};
use crate::run::{self, LockOrder, LockOutcome, Locking};

/// Commands of `image`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Ask registries what the tags of a manifest stand for, and write it down beside the manifest.
    ///
    /// Images that are in the lock file already are not asked for again, unless `--update` names them. When a registry
    /// cannot tell, its entries stay as they were.
    Lock(LockArgs),
}

/// Arguments of `image lock`.
#[derive(clap::Args)]
pub(super) struct LockArgs {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Ask again for this image (`nginx:1.27`, or `nginx` for every tag of it); may be given several times.
    #[arg(long, value_name = "IMAGE")]
    update: Vec<String>,
    /// Ask again for every image.
    #[arg(long, conflicts_with = "update")]
    update_all: bool,
    /// Remove entries that the manifest does not use.
    #[arg(long)]
    prune: bool,
    /// Ask nobody and write nothing: fail when an image is not in the lock file.
    #[arg(long, conflicts_with_all = ["update", "update_all", "prune"])]
    check: bool,
    /// The lock file, in place of the manifest's `image_lock` or `holdfast.lock.json` beside it.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

/// Runs `image`.
pub(super) async fn run(command: &Command, settings: &Settings) -> Exit {
    match command {
        Command::Lock(args) => lock(args, settings).await,
    }
}

async fn lock(args: &LockArgs, settings: &Settings) -> Exit {
    let order = LockOrder {
        manifest: args.manifest.path(),
        lock: args.lock.clone(),
        update: args.update.clone(),
        update_all: args.update_all,
        prune: args.prune,
        check: args.check,
        identities: from_environment(),
    };
    let locking = run::lock(&order).await;
    if settings.json && locking.problems.is_empty() {
        return match serde_json::to_string_pretty(&locking) {
            Ok(text) => locking.exit.or(Settings::print(&(text + "\n"))),
            Err(error) => {
                Settings::say(&format!("error: failed to write the result as JSON: {error}\n"));
                Exit::Internal
            }
        };
    }
    for error in &locking.errors {
        Settings::say(&format!("error: {error}\n"));
    }
    for image in &locking.images {
        if let Some(error) = &image.error {
            let kept = if image.outcome == LockOutcome::Kept { "; the entry stays as it was" } else { "" };
            Settings::say(&format!("error: {}: {error}{kept}\n", image.image));
        }
    }
    if !locking.problems.is_empty() {
        return locking.exit.or(problems::print(&locking.problems, settings));
    }
    if locking.exit == Exit::Usage {
        return locking.exit;
    }
    for name in locking.unused.iter().filter(|_| !args.prune) {
        Settings::say(&format!(
            "note: `{name}` is in the lock file, and this manifest does not use it (`--prune` removes it)\n"
        ));
    }
    locking.exit.or(Settings::print(&text(&locking)))
}

/// One line an image, and one that counts.
fn text(locking: &Locking) -> String {
    let mut out = String::new();
    for image in &locking.images {
        let word = match image.outcome {
            LockOutcome::There => "there",
            LockOutcome::Locked => "locked",
            LockOutcome::Updated => "updated",
            LockOutcome::Same => "same",
            LockOutcome::Kept => "kept",
            LockOutcome::Missing => "missing",
        };
        let locked = image.locked.as_ref().map_or_else(String::new, |locked| {
            format!("  {}  {}", locked.digest, locked.platforms.join(" "))
        });
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{word:<8} {}{locked}", image.image);
    }
    let written = if locking.written { "written" } else { "unchanged" };
    let _ = writeln!(out, "{}, {} {written}", count(locking.images.len(), "image"), locking.lock.display());
    out
}
