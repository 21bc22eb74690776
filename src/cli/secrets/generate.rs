//! `holdfast secrets generate --manifest FILE`: values that nobody has to think of, into the checkout.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use super::stop;
use crate::cli::flags::MANIFEST;
use crate::cli::input;
use crate::cli::keys::{Keys, environment};
use crate::cli::settings::Settings;
use crate::report::Exit;
use crate::run::{Fate, GenerateOrder, Generated, Stop, generate};

/// Arguments of `secrets generate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Make anew what is due by its `renew_after_days`, and certificates after two thirds of their days.
    #[arg(long)]
    renew: bool,
}

/// What `generate` and `pull` write to.
#[derive(clap::Args)]
pub(crate) struct Target {
    /// Manifest that declares the secrets.
    #[arg(long, value_name = "FILE", env = MANIFEST)]
    manifest: PathBuf,
    /// Checkout that files in the Nix store are taken from: `/nix/store/DIGEST-NAME/PATH` is `PATH` in it; this folder
    /// without the flag.
    #[arg(long, value_name = "DIR")]
    checkout: Option<PathBuf>,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: Keys,
}

impl Target {
    /// Runs `with` what the flags come to, and prints what it says.
    pub(super) fn run(
        &self,
        renew: bool,
        settings: &Settings,
        with: impl FnOnce(&GenerateOrder<'_>) -> Result<Vec<Generated>, Stop>,
    ) -> Exit {
        let here = || std::path::absolute(".").unwrap_or_default();
        let checkout =
            self.checkout.clone().map_or_else(here, |path| std::path::absolute(&path).unwrap_or(path));
        let identities = self.keys.identities();
        let order = GenerateOrder {
            manifest: input::manifest_file(&self.manifest),
            checkout,
            dry_run: self.dry_run,
            renew,
            identities: &identities,
            plugins: (environment(), self.keys.ask()),
            now: Timestamp::now(),
        };
        match with(&order) {
            Ok(told) if settings.json => {
                Settings::print(&format!("{:#}\n", json!({ "secrets": told, "written": !self.dry_run })))
            }
            Ok(told) if told.is_empty() => Settings::print("nothing to do\n"),
            Ok(told) => {
                let lines: Vec<String> = told.iter().map(|one| self.line(one)).collect();
                Settings::print(&lines.concat())
            }
            Err(why) => why.lines().iter().fold(why.exit(), |exit, line| stop(exit, line)),
        }
    }

    fn line(&self, one: &Generated) -> String {
        let place = if one.place.is_empty() { String::new() } else { format!(" `{}`", one.place) };
        let what = match (one.fate, self.dry_run) {
            (Fate::Made, false) => "made",
            (Fate::Made, true) => "would be made",
            (Fate::Renewed, false) => "made anew",
            (Fate::Renewed, true) => "would be made anew",
            (Fate::Due, _) => "is due (`--renew` makes it anew)",
            (Fate::Recorded, false) => "is there, and recorded now",
            (Fate::Recorded, true) => "is there, and would be recorded",
            (Fate::Pulled, false) => "pulled",
            (Fate::Pulled, true) => "would be pulled",
            (Fate::Kept, _) => "has another value on the host; the one of the sops file stays and wins",
        };
        format!("secret.{}: {what} ({}{place})\n", one.secret, one.file.display())
    }
}

/// Runs `secrets generate`.
pub(super) fn run(args: &Args, settings: &Settings) -> Exit {
    args.target.run(args.renew, settings, generate)
}
