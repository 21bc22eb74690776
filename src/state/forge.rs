//! What was made in forges, and with which secrets.

use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};
use crate::observed::ForgeRecord;

const FILE: &str = "forge.json";

/// Reads `<state>/forge.json`.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_forge(state: &Path) -> Result<ForgeRecord, StateError> {
    Ok(read_json(&state.join(FILE))?.unwrap_or_default())
}

/// Writes `<state>/forge.json` if it differs. Nothing is written where there is nothing to say and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_forge(state: &Path, record: &ForgeRecord) -> Result<bool, StateError> {
    let path = state.join(FILE);
    if record.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, record)
}
