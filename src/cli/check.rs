//! `holdfast check MANIFEST`: every problem at once, of the manifest and of the files that it names.

use super::flags::ManifestArg;
use super::input;
use super::problems;
use super::settings::Settings;
use crate::manifest::load;
use crate::report::Exit;
use crate::run;
use crate::source::Source;

/// Arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Look at the manifest alone: compose files, env files and images need not be on this machine.
    #[arg(long)]
    manifest_only: bool,
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
    let found = if args.manifest_only {
        let source = Source::from_bytes(name.clone(), bytes).map_err(|problem| vec![problem]);
        source.and_then(|source| load(&source, &input::base(&file))).err().unwrap_or_default()
    } else {
        drop(bytes);
        run::check(&file)
    };
    let exit = problems::print(&found, settings);
    if exit == Exit::Ok && !settings.json { Settings::print(&format!("{name}: ok\n")) } else { exit }
}
