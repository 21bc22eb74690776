//! Which version of a credential each unit was given.

use std::collections::BTreeMap;
use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};

/// Unit → credential → keyed id.
pub type Given = BTreeMap<String, BTreeMap<String, String>>;

const CREDENTIALS: &str = "credentials.json";
const IDS: &str = "ids.json";

/// Reads `<run>/credentials.json`. A file that is not readable says nothing.
#[must_use]
pub fn read_credentials(run: &Path) -> Given {
    read_json(&run.join(CREDENTIALS)).ok().flatten().unwrap_or_default()
}

/// Writes `<run>/credentials.json` if it differs; returns whether it wrote.
///
/// # Errors
/// The file cannot be written.
pub fn write_credentials(run: &Path, given: &Given) -> Result<bool, StateError> {
    write_json(&run.join(CREDENTIALS), given)
}

/// Reads `<run>/ids.json`: the keyed id of each value that is not installed as a file, as units were last told of it.
#[must_use]
pub fn read_ids(run: &Path) -> BTreeMap<String, String> {
    read_json(&run.join(IDS)).ok().flatten().unwrap_or_default()
}

/// Writes `<run>/ids.json` if it differs; returns whether it wrote. Nothing is written where there is nothing to say and
/// no file.
///
/// # Errors
/// The file cannot be written.
pub fn write_ids(run: &Path, ids: &BTreeMap<String, String>) -> Result<bool, StateError> {
    let path = run.join(IDS);
    if ids.is_empty() && !path.exists() {
        return Ok(false);
    }
    write_json(&path, ids)
}
