//! Installed files, all on file systems that live in memory and are never swapped.
//!
//! `<run>/secrets` is a link to `<run>/secrets.d/N`, one generation; a new one is written aside and the link flipped,
//! so that a reader sees all of the old or all of the new. `<run>/generated` holds real folders for containers: a
//! bind mount pins the target of a link, so each file there is replaced by one rename.

mod account;
mod error;
mod folder;
mod generated;
mod generation;
mod memory;
mod wanted;

pub use error::FilesError;
pub use generated::{generated, observe_generated, put, remove};
pub use generation::{fall_back, install, observe};
pub(crate) use wanted::RENDERED;
pub use wanted::wanted;

use std::path::Path;

/// Removes everything that was installed below `run`, and the memory file systems under it.
///
/// # Errors
/// What could not be removed.
pub fn uninstall(run: &Path) -> Result<(), FilesError> {
    let link = run.join(generation::LINK);
    match std::fs::symlink_metadata(&link) {
        Ok(meta) if meta.is_symlink() => {
            std::fs::remove_file(&link).map_err(FilesError::io("remove", &link))?;
        }
        _ => {}
    }
    memory::unmount(&run.join(generation::FOLDER))?;
    memory::unmount(&run.join(generated::FOLDER))
}
