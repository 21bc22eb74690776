//! `holdfast doctor [MANIFEST]`: the host as a whole; reads only.

use std::path::PathBuf;

use super::flags::MANIFEST;
use super::problems;
use super::settings::Settings;
use crate::report::{Exit, diagnosis_json, diagnosis_text};
use crate::run::{self, Order, Stop};

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Manifest file, or a folder that `holdfast compile` wrote: says which folders matter; the usual ones without it.
    #[arg(value_name = "MANIFEST", env = MANIFEST)]
    manifest: Option<PathBuf>,
}

/// Runs `doctor`.
pub(crate) async fn run(args: &Args, settings: &Settings) -> Exit {
    let order = Order {
        manifest: args.manifest.clone().unwrap_or_default(),
        run_dir: settings.run_dir.clone(),
        state_dir: settings.state_dir.clone(),
        ..Order::default()
    };
    let diagnosis = match run::doctor(&order).await {
        Ok(diagnosis) => diagnosis,
        Err(Stop::Problems(found)) => return problems::print(&found, settings).or(Exit::BadConfig),
        Err(stop) => {
            for line in stop.lines() {
                Settings::say(&format!("error: {line}\n"));
            }
            return stop.exit();
        }
    };
    let text = if settings.json {
        diagnosis_json(&diagnosis)
    } else {
        Ok(diagnosis_text(&diagnosis, settings.color.stdout))
    };
    match text {
        Ok(text) => diagnosis.exit.or(Settings::print(&text)),
        Err(error) => {
            Settings::say(&format!("error: failed to write the diagnosis as JSON: {error}\n"));
            Exit::Internal
        }
    }
}
