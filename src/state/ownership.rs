//! The ownership record on disk.

use std::path::Path;

use super::StateError;
use super::files::{read_json, write_json};
use crate::observed::Ownership;

/// Reads `<state>/ownership.json`; `None` when there is none.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn read_ownership(state: &Path) -> Result<Option<Ownership>, StateError> {
    read_json(&state.join("ownership.json"))
}

/// Writes `<state>/ownership.json` if it differs; returns whether it wrote.
///
/// # Errors
/// The file cannot be written.
pub fn write_ownership(state: &Path, ownership: &Ownership) -> Result<bool, StateError> {
    write_json(&state.join("ownership.json"), ownership)
}
