//! `holdfast completions SHELL`: a completion script.

use clap_complete::Shell;

use super::settings::Settings;
use crate::report::Exit;

/// Arguments of `completions`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell that the script is for.
    shell: Shell,
}

/// Runs `completions`.
pub(crate) fn run(args: &Args, _settings: &Settings) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "holdfast", &mut script);
    Settings::print(&String::from_utf8_lossy(&script))
}
