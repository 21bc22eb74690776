//! Which `.sops.yaml` counts, and what it says about a file.

use std::path::{Path, PathBuf};

use crate::cli::input;
use crate::secrets::{Layout, Policy, SecretError, creation_rule};

/// How many folders up `.sops.yaml` is looked for.
const FOLDERS: usize = 100;

/// The file of creation rules.
#[derive(clap::Args)]
pub(crate) struct Config {
    /// The file of creation rules; without it `.sops.yaml` is looked for in this folder and those above it.
    #[arg(long, value_name = "FILE", env = "SOPS_CONFIG")]
    config: Option<PathBuf>,
}

impl Config {
    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.config.clone().or_else(found)
    }

    /// What the first rule that matches says about a new file of this name; nothing without creation rules.
    pub(crate) fn rule(&self, name: &Path) -> Result<Option<Policy>, String> {
        let Some(config) = self.path() else { return Ok(None) };
        let wrong = |error: &dyn std::fmt::Display| format!("`{}`: {error}", config.display());
        let bytes = input::read(&config).map_err(|error| wrong(&error))?;
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| wrong(&error));
        let folder = input::base(&config);
        let name = if name.as_os_str().is_empty() { Path::new("/dev/stdin") } else { name };
        creation_rule(&bytes, &folder, &absolute(name)?).map_err(|error: SecretError| wrong(&error))
    }

    /// How what is written shall be indented.
    pub(crate) fn layout(&self) -> Result<Layout, String> {
        let Some(config) = self.path() else { return Ok(Layout::default()) };
        let wrong = |error: &dyn std::fmt::Display| format!("`{}`: {error}", config.display());
        Layout::read(&input::read(&config).map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))
    }
}

/// The nearest `.sops.yaml`, from the current folder upward.
fn found() -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?;
    folder.ancestors().take(FOLDERS).map(|folder| folder.join(".sops.yaml")).find(|path| path.exists())
}
