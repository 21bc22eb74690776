//! Installed files, all on file systems that live in memory and are never swapped.
//!
//! `<run>/secrets` is a link to `<run>/secrets.d/N`, one generation; a new one is written aside and the link flipped,
//! so that a reader sees all of the old or all of the new. `<run>/generated` holds real folders for containers: a
//! bind mount pins the target of a link, so each file there is replaced by one rename. What is needed before users are
//! made has a folder of its own, `<run>/secrets-for-users`. Links to installed files may stand anywhere else.

mod account;
mod den;
mod error;
mod folder;
mod generated;
mod generation;
mod link;
mod memory;
mod wanted;

pub use den::{Den, in_memory, may_be_swapped};
pub use error::FilesError;
pub use generated::{generated, observe_generated, put, remove};
pub use generation::{fall_back, generation, install, observe, prune};
pub use link::{link, observe_link, unlink};
pub use wanted::wanted;

use std::path::Path;

use crate::manifest::Folder;

/// Removes everything that was installed below `run`, and the memory file systems under it.
///
/// # Errors
/// What could not be removed.
pub fn uninstall(run: &Path) -> Result<(), FilesError> {
    for folder in Folder::ALL {
        let link = run.join(folder.link());
        match std::fs::symlink_metadata(&link) {
            Ok(meta) if meta.is_symlink() => {
                std::fs::remove_file(&link).map_err(FilesError::io("remove", &link))?;
            }
            _ => {}
        }
        memory::unmount(&run.join(folder.store()))?;
    }
    memory::unmount(&run.join(generated::FOLDER))
}
