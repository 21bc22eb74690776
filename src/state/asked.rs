//! What was asked of units of systemd and is not proven yet.

use std::collections::BTreeMap;
use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};
use crate::observed::Ask;

const FILE: &str = "units.json";

/// Reads `<run>/units.json`, by unit. It lies in the run folder: no unit survives a boot.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_asked(run: &Path) -> Result<BTreeMap<String, Ask>, StateError> {
    Ok(read_json(&run.join(FILE))?.unwrap_or_default())
}

/// Writes `<run>/units.json` if it differs; returns whether it wrote. Nothing is written where there is nothing to say
/// and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_asked(run: &Path, asked: &BTreeMap<String, Ask>) -> Result<bool, StateError> {
    let path = run.join(FILE);
    if asked.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, asked)
}
