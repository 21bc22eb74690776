//! Which login each service was last written with: the engine keeps one and never tells it.

use std::collections::BTreeMap;
use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};

const FILE: &str = "logins.json";

/// Reads `<state>/logins.json`, service id → keyed digest. A file that is not readable says nothing: the services get
/// their logins once more, which restarts nothing.
#[must_use]
pub fn read_logins(state: &Path) -> BTreeMap<String, String> {
    read_json(&state.join(FILE)).ok().flatten().unwrap_or_default()
}

/// Writes `<state>/logins.json` if it differs; returns whether it wrote. Nothing is written where there is nothing to
/// say and no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_logins(state: &Path, logins: &BTreeMap<String, String>) -> Result<bool, StateError> {
    let path = state.join(FILE);
    if logins.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, logins)
}
