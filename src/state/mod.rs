//! What survives a run: lock, generations, ownership, naming key.
//!
//! ```text
//! <paths.run>/lock                       flock; one line says who holds it
//! <paths.run>/proven.json                what this boot has proven (gone after a boot, on purpose)
//! <paths.state>/naming.key               32 bytes, when no secret of the manifest is the naming key
//! <paths.state>/logins.json             which login of a registry each service was last written with
//! <paths.state>/forge.json              what was made in forges, and with which versions of secrets
//! <paths.state>/baseline.json           what lay on the engine before anything was ours
//! <paths.state>/images.json              which images came onto this node because of us
//! <paths.run>/units.json                 what was asked of units of systemd and is not proven yet
//! <paths.run>/credentials.json           which version of a credential each unit was given
//! <paths.run>/ids.json                   which version of what has no file units were last told of
//! <paths.state>/links.json               links to installed files that were made elsewhere
//! <paths.state>/installed/               ciphertext of what `secrets install` installed and nothing applied since
//! <paths.state>/marks.json               the newest version of each secret file that was accepted
//! <paths.state>/ownership.json           what is ours; written before anything is made
//! <paths.state>/recreating.json          what may be deleted and made anew, while that is under way
//! <paths.state>/unseen.json              services that were written and not yet seen to converge
//! <paths.state>/generations/N/manifest.json, specs/, secrets.json   what was applied; the secrets as keyed digests
//! <paths.state>/generations/N/ciphertext/, origin.json, needs.json, status, run.json
//! ```
//!
//! Every file is written beside its place, synced, renamed, and its folder synced: a crash leaves the old text or
//! the new one. Nothing is written where the text would be the same.

mod asked;
mod baseline;
mod credentials;
mod files;
mod forge;
mod generation;
mod images;
mod installed;
mod links;
mod lock;
mod logins;
mod marks;
mod needs;
mod ownership;
mod proven;
mod recreating;
mod spread;
mod trust;
mod unseen;

use std::path::PathBuf;

pub use asked::{read_asked, write_asked};
pub use baseline::{forget_baseline, has_baseline, read_baseline, write_baseline};
pub use credentials::{Given, read_credentials, read_ids, write_credentials, write_ids};
pub use files::{replace, write_all_durably, write_durably};
pub use forge::{read_forge, write_forge};
pub use generation::{Generation, Generations, Status};
pub use images::{read_images, write_images};
pub use installed::{forget_installed, installed_ciphertext};
pub use links::{read_links, write_links};
pub use lock::{Lock, LockError};
pub use logins::{read_logins, write_logins};
pub use marks::{Mark, Marks, known_as};
pub use needs::{Needs, Origin};
pub use ownership::{read_ownership, write_ownership};
pub use proven::Proven;
pub use recreating::Recreating;
pub use spread::spread;
pub use trust::{Touched, open_guarded, open_named, open_unguarded, touched_by_others};
pub use unseen::{read_unseen, write_unseen};

use crate::report::Exit;

/// A failure of the state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder could not be read or written.
    #[error("failed to {verb} `{}`", path.display())]
    Io {
        /// `read`, `write`, ...
        verb: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what Holdfast wrote there.
    #[error("`{}` is damaged; move it away to let the next run start from what the engine says", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl StateError {
    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        Exit::Internal
    }

    /// For `map_err`: names what was done to which path.
    pub(crate) fn io(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }
}
