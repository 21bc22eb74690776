//! The ciphertext behind what `secrets install` installed, as long as nothing was applied since.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StateError;

/// The folder of that ciphertext.
#[must_use]
pub fn installed_ciphertext(state: &Path) -> PathBuf {
    state.join("installed")
}

/// Removes it: what was applied since is newer.
///
/// # Errors
/// It cannot be removed.
pub fn forget_installed(state: &Path) -> Result<(), StateError> {
    let folder = installed_ciphertext(state);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
