//! Why a registry did not say what a tag stands for.

use crate::report::Exit;

/// Why a question to a registry has no answer. No error holds a password or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers, or not in a way that is understood: waiting may help.
    #[error("the registry `{registry}` cannot be reached: {why}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// What the connection said.
        why: String,
    },
    /// It answers that it cannot answer now.
    #[error("the registry `{registry}` answered {status} for `{image}`: {message}")]
    Failed {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
        /// HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// It wants another login, or any.
    #[error("the registry `{registry}` refuses `{image}` to {who} ({hint})")]
    Unauthorised {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
        /// ``the user `holdfast` `` or `everybody without a login`.
        who: String,
        /// What to do.
        hint: String,
    },
    /// There is no such image.
    #[error("the registry `{registry}` has no image `{image}` (check the name and the tag)")]
    Missing {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
    },
    /// What it answered is not what it should be.
    #[error("the answer of the registry `{registry}` for `{image}` cannot be used: {why}")]
    Answer {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
        /// Why.
        why: String,
    },
}

impl RegistryError {
    /// The exit code of a run that ends with this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Failed { .. } => Exit::Unreachable,
            Self::Unauthorised { .. } => Exit::SecretFailed,
            Self::Missing { .. } | Self::Answer { .. } => Exit::BadConfig,
        }
    }
}
