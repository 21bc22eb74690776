//! Why files cannot be installed.

use std::io;
use std::path::{Path, PathBuf};

use crate::report::Exit;

/// Why files cannot be installed or looked at. What was installed before is still there.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A call on a file failed.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no memory file system and none can be made.
    #[error("cannot mount a memory file system at `{}`: {source}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is mounted where secrets go.
    #[error("`{}` {reason}", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More bytes than a memory file system should be given.
    #[error("secrets and templates have {bytes} bytes together, more than {most} are not held in memory")]
    TooLarge {
        /// What there is.
        bytes: usize,
        /// What there may be.
        most: usize,
    },
    /// A name leads out of the folder.
    #[error("`{}` is no path below the folder of installed files", path.display())]
    BadPath {
        /// The name.
        path: PathBuf,
    },
}

impl FilesError {
    /// How a run ends that fails by this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        Exit::SecretFailed
    }

    /// The next thing to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Mount { .. } => Some("run as root, or mount ramfs or a tmpfs with `noswap` there"),
            Self::Foreign { .. } => Some("unmount it, or set `paths.run` to another folder"),
            Self::Io { .. } | Self::TooLarge { .. } | Self::BadPath { .. } => None,
        }
    }

    pub(super) fn io<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source: source.into() }
    }
}
