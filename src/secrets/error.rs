//! Why a sops document does not open. No variant holds a value or a piece of ciphertext.

use crate::report::Exit;

/// Why a sops document, or a value in it, cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no such file.
    #[error("is not there")]
    Missing,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(String),
    /// The file cannot be replaced.
    #[error("cannot be written: {0}")]
    Write(String),
    /// The text is no YAML or JSON, or holds what sops files must not hold. Names a place, never a value.
    #[error("{0}")]
    Syntax(String),
    /// There is no `sops` section, or one that is not understood.
    #[error("is not a sops file that can be read: {0}")]
    Metadata(String),
    /// A `.sops.yaml` that is not understood, or that says nothing about a file.
    #[error("{0}")]
    Config(String),
    /// No identity opens the data key.
    #[error(
        "no identity opens it; recipients in the file: {}; identities tried: {}",
        join(recipients),
        join(tried)
    )]
    NoIdentity {
        /// Recipients in the file, as it spells them.
        recipients: Vec<String>,
        /// Public names of the identities that were tried, and sources that gave none with the reason.
        tried: Vec<String>,
    },
    /// A data key cannot be wrapped for somebody.
    #[error("the recipient `{recipient}` {reason}")]
    Recipient {
        /// The recipient as it was spelled; it is public.
        recipient: String,
        /// Why not.
        reason: String,
    },
    /// A value does not decrypt.
    #[error("the value at `{path}` {reason}")]
    Value {
        /// Keys from the root, joined by `/`.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The MAC is missing.
    #[error("has no MAC, so nothing in it can be trusted")]
    NoMac,
    /// The MAC cannot be opened: it, or `lastmodified`, was changed.
    #[error("its MAC does not open: `mac` or `lastmodified` was changed")]
    BadMac,
    /// The MAC is another one.
    #[error("its MAC does not match: values were changed, added, removed or moved outside of sops")]
    MacMismatch,
    /// The path of a secret does not lead to a value.
    #[error("the key `{path}` {reason}")]
    Key {
        /// The path asked for.
        path: String,
        /// Why there is no value.
        reason: &'static str,
    },
}

impl SecretError {
    /// How a run ends that fails by this error.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Recipient { .. } => Exit::BadConfig,
            _ => Exit::SecretFailed,
        }
    }

    /// The error, and in a line of its own the next thing to do.
    #[must_use]
    pub fn told(&self) -> String {
        self.hint().map_or_else(|| self.to_string(), |hint| format!("{self}\nhint: {hint}"))
    }

    /// The next thing to do, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoIdentity { .. } => Some(
                "whoever can open it runs `holdfast secrets updatekeys FILE` once .sops.yaml names this reader; \
                 or name the key that opens it: a host's in `identities`, your own in SOPS_AGE_KEY_FILE",
            ),
            Self::Missing => {
                Some("`holdfast secrets edit FILE` makes one, for the readers that .sops.yaml names")
            }
            Self::NoMac | Self::BadMac | Self::MacMismatch | Self::Value { .. } => {
                Some("restore the file from version control, or write it anew with sops")
            }
            Self::Read(_)
            | Self::Write(_)
            | Self::Syntax(_)
            | Self::Metadata(_)
            | Self::Config(_)
            | Self::Recipient { .. }
            | Self::Key { .. } => None,
        }
    }
}

/// How many recipients or identities are told; a file that was made for it holds thousands.
const TOLD: usize = 20;

fn join(items: &[String]) -> String {
    match items.get(TOLD..) {
        Some(more @ [_, ..]) => {
            let told = items.get(..TOLD).unwrap_or_default();
            format!("{}, and {} more", told.join(", "), more.len())
        }
        _ if items.is_empty() => "none".to_owned(),
        _ => items.join(", "),
    }
}
