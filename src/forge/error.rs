//! Why a call to a forge did not end well.

use crate::report::Exit;

/// What went wrong with one call. No error holds a password, a token, or the query of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// A setting that no call can be made with.
    #[error("`{url}` cannot be used: {why}")]
    Settings {
        /// The base URL.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody answers, or the connection broke: waiting may help.
    #[error("{method} {url}: {why}")]
    Unreachable {
        /// The request's method.
        method: String,
        /// The URL without its query.
        url: String,
        /// What the connection said.
        why: String,
    },
    /// The answer did not come in time; whether the call was carried out is not known.
    #[error("{method} {url}: no answer within {seconds} s")]
    Late {
        /// The request's method.
        method: String,
        /// The URL without its query.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The forge says no.
    #[error("{method} {url} was answered with {status}: {message}")]
    Refused {
        /// The request's method.
        method: String,
        /// The URL without its query.
        url: String,
        /// HTTP status.
        status: u16,
        /// The first line of the forge's own words.
        message: String,
    },
    /// What was told once could not be kept.
    #[error("the value of `{secret}` cannot be kept: {why}")]
    Keep {
        /// The secret.
        secret: String,
        /// Why.
        why: String,
    },
    /// A receiver of a hook has counted no signed delivery after a test was asked for.
    #[error("no delivery to `{url}` with the right signature was counted by `{receiver}` within {seconds} s")]
    Unheard {
        /// Where the hook calls.
        url: String,
        /// Where the receiver counts.
        receiver: String,
        /// How long was waited.
        seconds: u64,
    },
    /// What shall be contradicts itself.
    #[error("{why}")]
    Conflict {
        /// How.
        why: String,
    },
    /// The answer is not what it should be.
    #[error("the answer to {method} {url} cannot be used: {why}")]
    Answer {
        /// The request's method.
        method: String,
        /// The URL without its query.
        url: String,
        /// Why.
        why: String,
    },
    /// The answer is longer than is read.
    #[error("the answer to {method} {url} cannot be used: it is longer than {most} MiB")]
    Long {
        /// The request's method.
        method: String,
        /// The URL without its query.
        url: String,
        /// Longest answer that is read, in MiB.
        most: usize,
    },
    /// A sign-in that a person would have done with a browser ended before its end.
    #[error("the sign-in through `{url}` ended: {why}")]
    SignIn {
        /// The base URL of whoever ended it.
        url: String,
        /// Why.
        why: String,
    },
}

impl ForgeError {
    /// The status that the forge answered with, where it said no.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// True where the same call may end well later: nobody answered, too late, or the server itself is in trouble.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Settings { .. }
            | Self::Answer { .. }
            | Self::Long { .. }
            | Self::Keep { .. }
            | Self::Unheard { .. }
            | Self::Conflict { .. }
            | Self::SignIn { .. } => false,
        }
    }

    /// True where what answers may not be the server yet: a proxy knows nothing of what has just been started behind it.
    #[must_use]
    pub const fn is_not_there_yet(&self) -> bool {
        self.is_passing() || matches!(self, Self::Refused { status: 404, .. })
    }

    /// True where the call may have been carried out although it did not end well.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } | Self::Answer { .. } | Self::Long { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Settings { .. }
            | Self::Keep { .. }
            | Self::Unheard { .. }
            | Self::Conflict { .. }
            | Self::SignIn { .. } => false,
        }
    }

    /// What to do about it, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } => {
                Some("see whether it runs, and `connect` of its section")
            }
            Self::Unheard { .. } => Some(
                "`holdfast apply` makes a hook anew that others may have changed; if that is not it, compare the receiver's \
                 secret with the declared one; the repository needs a commit, and Gitea has to be allowed to call there \
                 (`[webhook] ALLOWED_HOST_LIST`)",
            ),
            Self::Refused { status: 401, .. } => {
                Some("check the secret that its section names for the login")
            }
            Self::Refused { status: 403, .. } => {
                Some("the login may not do this; it has to be an administrator's")
            }
            _ => None,
        }
    }

    /// The exit code of a run that ends with this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } => Exit::Unreachable,
            Self::Refused { status: 401 | 403, .. }
            | Self::Keep { .. }
            | Self::Conflict { .. }
            | Self::SignIn { .. } => Exit::SecretFailed,
            Self::Settings { .. } => Exit::BadConfig,
            Self::Refused { .. } | Self::Answer { .. } | Self::Long { .. } | Self::Unheard { .. } => {
                Exit::ApplyFailed
            }
        }
    }
}
