//! What the commands on one sops file share: where it is read from, where the result goes, which form it has.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cli::input;
use crate::cli::settings::Settings;
use crate::manifest::SecretFormat;
use crate::report::{Exit, chain};
use crate::secrets::{Edited, SecretBytes, SecretError, format_of, rewrite};
use crate::state;

/// A form by the name that sops has for it.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Type {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Lines of `KEY=value`.
    Dotenv,
    /// INI.
    Ini,
    /// Any bytes.
    Binary,
}

impl From<Type> for SecretFormat {
    fn from(name: Type) -> Self {
        match name {
            Type::Yaml => Self::Yaml,
            Type::Json => Self::Json,
            Type::Dotenv => Self::Dotenv,
            Type::Ini => Self::Ini,
            Type::Binary => Self::Binary,
        }
    }
}

/// The file, its forms, and where the result goes.
#[derive(clap::Args)]
pub(crate) struct FileArgs {
    /// The file; stdin without one, or for `-`.
    file: Option<PathBuf>,
    /// Write the result over the file.
    #[arg(short, long, requires = "file")]
    in_place: bool,
    /// Write the result to this file, which only its owner may read.
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    output: Option<PathBuf>,
    /// Form of the file; by its ending without this flag (`.yaml`, `.json`, `.env`, `.ini`, else binary).
    #[arg(long, value_name = "TYPE")]
    input_type: Option<Type>,
    /// Form of the result; that of the file without this flag.
    #[arg(long, value_name = "TYPE")]
    output_type: Option<Type>,
    /// Take this name for that of the file: for its form and for creation rules.
    #[arg(long, value_name = "NAME")]
    filename_override: Option<PathBuf>,
}

impl FileArgs {
    /// The bytes.
    pub(crate) fn read(&self) -> Result<SecretBytes, String> {
        let stdin = || {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(1 << 24).read_to_end(&mut bytes).map(|_| bytes)
        };
        match self.path() {
            Some(path) => {
                input::read(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))
            }
            None => stdin().map_err(|error| format!("failed to read stdin: {error}")),
        }
        .map(SecretBytes::new)
    }

    /// The file, where it is not stdin.
    fn path(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The name that stands for the file; empty for stdin.
    pub(crate) fn name(&self) -> &Path {
        self.filename_override.as_deref().or(self.path()).unwrap_or(Path::new(""))
    }

    /// The forms of the file and of the result.
    pub(crate) fn forms(&self) -> (SecretFormat, SecretFormat) {
        let from = self.input_type.map_or_else(|| format_of(self.name()), SecretFormat::from);
        (from, self.output_type.map_or(from, SecretFormat::from))
    }

    /// Hands the result out; in place the file keeps its mode and its owner.
    pub(crate) fn write(&self, bytes: &SecretBytes) -> Exit {
        if let Some(path) = self.path().filter(|_| self.in_place) {
            return rewrite(path, |_| Ok(bytes.clone()))
                .map_or_else(|error| self.refuse(&error), |()| Exit::Ok);
        }
        let Some(path) = &self.output else { return Settings::print_bytes(bytes.expose()) };
        // Only a file is replaced: a device, a pipe or a link is written into, as sops does.
        let is_file = std::fs::symlink_metadata(path).map_or(true, |meta| meta.is_file());
        let written = if is_file {
            state::write_durably(path, bytes.expose(), 0o600).map(drop).map_err(|error| chain(&error))
        } else {
            into(path, bytes).map_err(|error| format!("failed to write `{}`: {error}", path.display()))
        };
        written.map_or_else(|text| super::stop(Exit::Internal, &text), |()| Exit::Ok)
    }

    /// Hands out what `change` makes of the file; in place, only while nobody else changes it.
    pub(crate) fn change(&self, change: impl FnOnce(&[u8]) -> Result<Edited, SecretError>) -> Exit {
        let mut anew = false;
        let changed = |bytes: &[u8]| {
            let edited = change(bytes)?;
            anew = edited.laid_out_anew;
            Ok(edited.bytes)
        };
        let done = match self.path().filter(|_| self.in_place) {
            Some(path) => rewrite(path, changed).map(|()| Exit::Ok),
            None => match self.read() {
                Ok(bytes) => changed(bytes.expose()).map(|bytes| self.write(&bytes)),
                Err(text) => return super::stop(Exit::BadConfig, &text),
            },
        };
        if anew {
            let name = self.name().display();
            Settings::say(&format!("`{name}` was laid out anew, as sops writes it\n"));
        }
        done.unwrap_or_else(|error| self.refuse(&error))
    }

    /// Says why the file cannot be used.
    pub(crate) fn refuse(&self, error: &SecretError) -> Exit {
        let name = if self.name().as_os_str().is_empty() { Path::new("stdin") } else { self.name() };
        super::stop(error.exit(), &format!("`{}`: {}", name.display(), error.told()))
    }
}

/// Writes into what is there; what a link leads to is made where it is not.
fn into(path: &Path, bytes: &SecretBytes) -> std::io::Result<()> {
    let mut open = OpenOptions::new();
    open.write(true).truncate(true).create(true).mode(0o600).open(path)?.write_all(bytes.expose())
}
