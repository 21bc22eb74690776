//! Which images came onto this node because of us. What was there before, or what somebody else brought, is not in here.

use std::collections::BTreeSet;
use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};

const FILE: &str = "images.json";

/// Reads `<state>/images.json`: references as services name them. Without the file nothing is ours.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_images(state: &Path) -> Result<BTreeSet<String>, StateError> {
    Ok(read_json(&state.join(FILE))?.unwrap_or_default())
}

/// Writes `<state>/images.json` if it differs; returns whether it wrote. Nothing is written where there is nothing to
/// say and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_images(state: &Path, images: &BTreeSet<String>) -> Result<bool, StateError> {
    let path = state.join(FILE);
    if images.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, images)
}
