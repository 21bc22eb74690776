//! Flags that every command takes, as they stand on the command line.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::input;
use super::settings::{Color, Settings};

/// Flags that every command takes.
#[derive(clap::Args)]
pub(crate) struct Flags {
    /// Engine address, in place of the manifest's; `DOCKER_HOST` is never read.
    #[arg(short = 'H', long, global = true, value_name = "ENGINE")]
    host: Option<String>,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Log more on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colour; `auto` honours `NO_COLOR`.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Folder for lock, decrypted files and sockets, in place of the manifest's `paths.run`.
    #[arg(long, global = true, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Folder for generations and marks, in place of the manifest's `paths.state`.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl When {
    fn color(self) -> Color {
        let on = |terminal: bool| match self {
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Self::Always => true,
            Self::Never => false,
        };
        Color { stdout: on(std::io::stdout().is_terminal()), stderr: on(std::io::stderr().is_terminal()) }
    }
}

impl Flags {
    /// What the rest of the program sees: no question is left open.
    pub(crate) fn resolve(self) -> Settings {
        Settings {
            engine: self.host,
            json: self.json,
            verbosity: self.verbose,
            color: self.color.color(),
            run_dir: self.run_dir,
            state_dir: self.state_dir,
        }
    }
}

/// The variable that names the manifest where the command line does not.
pub(crate) const MANIFEST: &str = "HOLDFAST_MANIFEST";

/// The same error, with what to type next where it is the manifest that was not named.
pub(crate) fn with_next(mut error: clap::Error) -> clap::Error {
    let is_manifest = |arg: &String| arg == "<MANIFEST>" || arg.starts_with("--manifest ");
    let lacks =
        |value: &ContextValue| matches!(value, ContextValue::Strings(all) if all.iter().any(is_manifest));
    if error.kind() == ErrorKind::MissingRequiredArgument
        && error.get(ContextKind::InvalidArg).is_some_and(lacks)
    {
        let tip = format!(
            "name the manifest, or set `{MANIFEST}` to its path, as a login to a NixOS host with Holdfast does"
        );
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The manifest that a command works on. Commands that need one flatten this into their `Args`.
#[derive(clap::Args)]
pub(crate) struct ManifestArg {
    /// Manifest file, or a folder that `holdfast compile` wrote.
    #[arg(value_name = "MANIFEST", env = MANIFEST)]
    manifest: PathBuf,
}

impl ManifestArg {
    /// The manifest as it was named: a file or a folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.manifest.clone()
    }

    /// The manifest's own file: `MANIFEST`, or `manifest.json` in it where that is a folder.
    pub(crate) fn file(&self) -> PathBuf {
        input::manifest_file(&self.manifest)
    }
}
