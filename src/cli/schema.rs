//! `holdfast schema`: the manifest's JSON Schema.

use super::settings::Settings;
use crate::report::Exit;

/// Arguments of `schema`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs `schema`.
pub(crate) fn run(_args: &Args, _settings: &Settings) -> Exit {
    Settings::print(&format!("{:#}\n", crate::manifest::schema()))
}
