//! Links to installed files that were made outside of the run folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::StateError;
use super::files::{read_json, write_json};

const FILE: &str = "links.json";

/// Reads `<state>/links.json`, path → what it leads to.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_links(state: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, StateError> {
    Ok(read_json(&state.join(FILE))?.unwrap_or_default())
}

/// Writes `<state>/links.json` if it differs; returns whether it wrote. Nothing is written where there is nothing to say
/// and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_links(state: &Path, links: &BTreeMap<PathBuf, PathBuf>) -> Result<bool, StateError> {
    let path = state.join(FILE);
    if links.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, links)
}
