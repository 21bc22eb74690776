//! What the flags came to, and where a command prints.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::report::Exit;

/// Resolved settings. Later code never asks whether a flag was given.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Engine address in place of the manifest's.
    pub(crate) engine: Option<String>,
    /// True when stdout carries JSON.
    pub(crate) json: bool,
    /// How often `-v` was given.
    pub(crate) verbosity: u8,
    /// Where colour is wanted.
    pub(crate) color: Color,
    /// Run folder in place of the manifest's.
    pub(crate) run_dir: Option<PathBuf>,
    /// State folder in place of the manifest's.
    pub(crate) state_dir: Option<PathBuf>,
}

/// Where colour is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Color {
    /// On stdout.
    pub(crate) stdout: bool,
    /// On stderr.
    pub(crate) stderr: bool,
}

impl Settings {
    /// Writes a result to stdout. A reader that went away (`| head`) is no error; a full disk is.
    pub(crate) fn print(text: &str) -> Exit {
        Self::print_bytes(text.as_bytes())
    }

    /// Writes a result that is large, or text only in the eyes of its reader.
    pub(crate) fn print_bytes(bytes: &[u8]) -> Exit {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Self::say(&format!("error: failed to write the result: {error}\n"));
                Exit::Internal
            }
            _ => Exit::Ok,
        }
    }

    /// Writes a part of a result that goes on. A reader that went away ends it, and is no error.
    pub(crate) fn print_more(text: &str) -> Result<(), Exit> {
        Self::print_part(text.as_bytes())
    }

    /// As [`Self::print_more`].
    pub(crate) fn print_part(bytes: &[u8]) -> Result<(), Exit> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Exit::Ok;
            }
            Self::say(&format!("error: failed to write the result: {error}\n"));
            Exit::Internal
        })
    }

    /// Writes progress or an error to stderr. There is nobody to tell when even that fails.
    pub(crate) fn say(text: &str) {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }
}
