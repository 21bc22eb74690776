//! `holdfast check FILE`: every problem at once, of a manifest and of the files that it names, or of a pipeline of Drone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::flags::ManifestArg;
use super::input;
use super::problems;
use super::settings::Settings;
use crate::manifest::{Manifest, load};
use crate::pipeline;
use crate::report::Exit;
use crate::run;
use crate::source::{Problem, Source, Span};

/// Arguments of `check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifest: ManifestArg,
    /// Look at the manifest alone: compose files, env files and images need not be on this machine.
    #[arg(long)]
    manifest_only: bool,
    /// Where the file is a pipeline (`.drone.yml`): the manifest whose bridge makes its builds, for the parameters that
    /// comments may set.
    #[arg(long, value_name = "MANIFEST")]
    bridge: Option<PathBuf>,
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
    let found = match Source::from_bytes(name.clone(), bytes) {
        Err(problem) => vec![problem],
        Ok(source) if pipeline::is_pipeline(&source) => match parameters(args.bridge.as_deref()) {
            Ok(parameters) => pipeline::lint(&source, &parameters),
            Err(problems) => problems,
        },
        Ok(source) => run::check(&source, &file, args.manifest_only),
    };
    let exit = problems::print(&found, settings);
    if exit == Exit::Ok && !settings.json { Settings::print(&format!("{name}: ok\n")) } else { exit }
}

/// The names that comments may set, in any repository of this manifest's bridge.
fn parameters(manifest: Option<&Path>) -> Result<BTreeSet<String>, Vec<Problem>> {
    let Some(file) = manifest else { return Ok(BTreeSet::new()) };
    let name = file.display().to_string();
    let source = match input::read(file) {
        Ok(bytes) => Source::from_bytes(name, bytes).map_err(|problem| vec![problem])?,
        Err(error) => {
            let source = Source::new(name, "");
            return Err(vec![source.problem(Span::default(), format!("it cannot be read: {error}"))]);
        }
    };
    let loaded = load(&source, &input::base(file))?;
    let declared = |manifest: &Manifest| {
        let repositories = manifest.bridge.iter().flat_map(|bridge| bridge.repositories.values());
        repositories.flat_map(|repository| repository.parameters.keys().cloned()).collect()
    };
    Ok(declared(&loaded.manifest))
}
