//! What lay on the engine before the first apply.

use std::path::Path;
use std::{fs, io};

use super::StateError;
use super::files::{read_json, write_json};
use crate::observed::Baseline;

const FILE: &str = "baseline.json";

/// Reads `<state>/baseline.json`; `None` when none was taken.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_baseline(state: &Path) -> Result<Option<Baseline>, StateError> {
    read_json(&state.join(FILE))
}

/// True when one was taken.
#[must_use]
pub fn has_baseline(state: &Path) -> bool {
    state.join(FILE).exists()
}

/// Writes `<state>/baseline.json`.
///
/// # Errors
/// The file cannot be written.
pub fn write_baseline(state: &Path, baseline: &Baseline) -> Result<bool, StateError> {
    write_json(&state.join(FILE), baseline)
}

/// Forgets it: nothing is ours any more, so the next apply is a first one.
///
/// # Errors
/// The file cannot be removed.
pub fn forget_baseline(state: &Path) -> Result<(), StateError> {
    let path = state.join(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
