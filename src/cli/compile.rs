//! `holdfast compile MANIFEST -o DIR`: resolves everything that needs no host.

use std::path::PathBuf;

use super::flags::ManifestArg;
use super::problems;
use super::settings::Settings;
use crate::report::Exit;
use crate::run;

/// Arguments of `compile`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Folder to write; every command takes it in place of the manifest.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Runs `compile`.
pub(crate) fn run(args: &Args, settings: &Settings) -> Exit {
    match run::compile(&args.manifest.path()) {
        Ok(compilation) => {
            let exit = problems::print(&compilation.warnings, settings);
            match run::write_compiled(&compilation.compiled, &args.output) {
                Ok(()) => exit,
                Err(stop) => {
                    for line in stop.lines() {
                        Settings::say(&format!("error: {line}\n"));
                    }
                    stop.exit()
                }
            }
        }
        Err(found) => problems::print(&found, settings).or(Exit::BadConfig),
    }
}
