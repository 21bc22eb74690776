//! `holdfast check MANIFEST`: every problem at once.

use super::flags::ManifestArg;
use super::input;
use super::problems;
use super::settings::Settings;
use crate::report::Exit;
use crate::source::{Limits, Source, parse};

/// Arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
}

/// Runs `check`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    let file = args.manifest.file();
    let name = file.display().to_string();
    let bytes = match input::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            Settings::say(&format!("error: failed to read manifest `{name}`: {error}\n"));
            return Exit::BadConfig;
        }
    };
    match Source::from_bytes(name, bytes).and_then(|source| parse(&source, Limits::default())) {
        Ok(_) => problems::print(&[], settings),
        Err(problem) => problems::print(&[problem], settings).or(Exit::BadConfig),
    }
}
