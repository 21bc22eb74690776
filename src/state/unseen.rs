//! Services that were written and not seen to converge.

use std::collections::BTreeSet;
use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};
use crate::address::Address;

const FILE: &str = "unseen.json";

/// Reads `<state>/unseen.json`: what a run wrote and did not see converge, because it was killed or the wait failed. One
/// look at such a service proves nothing, as a task that keeps ending runs now and then.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_unseen(state: &Path) -> Result<BTreeSet<Address>, StateError> {
    Ok(read_json(&state.join(FILE))?.unwrap_or_default())
}

/// Writes `<state>/unseen.json` if it differs. Nothing is written where there is nothing to say and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_unseen(state: &Path, services: &BTreeSet<Address>) -> Result<bool, StateError> {
    let path = state.join(FILE);
    if services.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, services)
}
