//! `holdfast check MANIFEST`: every problem at once.

use super::flags::ManifestArg;
use super::input;
use super::problems;
use super::settings::Settings;
use crate::manifest::load;
use crate::report::Exit;
use crate::source::Source;

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
    let base = input::base(&file);
    match Source::from_bytes(name.clone(), bytes).map_err(|p| vec![p]).and_then(|source| load(&source, &base))
    {
        Ok(_) if settings.json => problems::print(&[], settings),
        Ok(_) => Settings::print(&format!("{name}: ok\n")),
        Err(list) => problems::print(&list, settings),
    }
}
