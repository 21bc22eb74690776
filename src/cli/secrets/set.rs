//! `holdfast secrets set FILE PATH [VALUE]`: one value of a sops file.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::change;
use crate::cli::keys::Keys;
use crate::report::Exit;
use crate::secrets::{SecretBytes, set};

/// No value is longer than a file may be.
const LONGEST: u64 = 1 << 20;

/// Arguments of `secrets set`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sops file.
    file: PathBuf,
    /// Where the value is: `["key"]["other"][0]`. Missing keys are made; a position behind the end adds an item.
    path: String,
    /// The value as JSON, so text in double quotes. It is read from stdin without this argument, which everybody on the
    /// host can see while the command runs.
    #[arg(conflicts_with_all = ["value_stdin", "value_fd", "value_file"])]
    value: Option<String>,
    /// Read the value from stdin, as without any of these.
    #[arg(long, conflicts_with_all = ["value_fd", "value_file"])]
    value_stdin: bool,
    /// Read the value from this file descriptor.
    #[arg(long, value_name = "FD", conflicts_with = "value_file")]
    value_fd: Option<u32>,
    /// Read the value from this file.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

/// Runs `secrets set`.
pub(crate) fn run(args: &Args) -> Exit {
    let value = match args.value() {
        Ok(value) => value,
        Err(text) => return super::stop(Exit::BadConfig, &text),
    };
    change::run(&args.file, &args.path, &args.keys, |file, key, path, now| set(file, key, path, &value, now))
}

impl Args {
    fn value(&self) -> Result<SecretBytes, String> {
        let source = match (&self.value, self.value_fd, &self.value_file) {
            (Some(value), ..) => return Ok(SecretBytes::new(value.clone().into_bytes())),
            (_, Some(fd), _) => PathBuf::from(format!("/proc/self/fd/{fd}")),
            (_, _, Some(path)) => path.clone(),
            _ => PathBuf::from("/dev/stdin"),
        };
        let mut bytes = Vec::with_capacity(1 << 12);
        File::open(&source)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .map_err(|error| format!("failed to read the value from `{}`: {error}", source.display()))?;
        Ok(SecretBytes::new(bytes))
    }
}
