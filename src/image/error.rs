//! What can be wrong with an image.

use std::io;
use std::path::PathBuf;

use crate::report::Exit;

/// An image that cannot be resolved or written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The manifest's entry is not one image.
    #[error("image `{name}`: {problem}")]
    Declared {
        /// Name in the manifest.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A file could not be read.
    #[error("failed to read `{path}`{}", within(.member.as_deref()))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The member of the archive.
        member: Option<String>,
        /// Why.
        source: io::Error,
    },
    /// A file was read and is no good.
    #[error("`{path}`{}: {problem}", within(.member.as_deref()))]
    Bad {
        /// The file or folder.
        path: PathBuf,
        /// The member of the archive.
        member: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// A file is not what the manifest was compiled from.
    #[error("`{path}` has changed since the manifest was compiled: {what} was `{was}` and is `{now}`")]
    Changed {
        /// The file or folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As compiled.
        was: String,
        /// As found.
        now: String,
    },
    /// The archive could not be written to where it goes.
    #[error("failed to write the archive of image `{name}`")]
    Write {
        /// Name in the manifest.
        name: String,
        /// Why.
        source: io::Error,
    },
}

fn within(member: Option<&str>) -> String {
    member.map_or_else(String::new, |member| format!(", member `{member}`"))
}

impl ImageError {
    /// How a run ends that stops here.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Declared { .. } | Self::Read { .. } | Self::Bad { .. } | Self::Changed { .. } => {
                Exit::BadConfig
            }
            Self::Write { .. } => Exit::ApplyFailed,
        }
    }

    /// What to type next.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Changed { .. } => Some("run `holdfast compile` again, so that services name the new image"),
            Self::Bad { .. } => {
                Some("make the file anew with `docker save` or as an OCI layout of one image")
            }
            Self::Declared { .. } | Self::Read { .. } | Self::Write { .. } => None,
        }
    }
}
