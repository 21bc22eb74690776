//! `generated.json`: when values were made, and their public parts, beside the sops files that hold them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::state::{StateError, write_durably};

/// The name of the file, in the folder of the sops files that it is about.
pub const RECORD: &str = "generated.json";

/// What is known of one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The kind of its generator.
    pub generator: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// What of it everybody may know: recipient, public key, certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
}

/// A whole `generated.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// By the name of the sops file, then by the path of the value.
    pub files: BTreeMap<String, BTreeMap<String, Entry>>,
}

impl Record {
    /// Reads the record of a folder; an empty one where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is damaged.
    pub fn read(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(RECORD);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| StateError::Damaged { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(StateError::io("read", path)(error)),
        }
    }

    /// Writes it, if that is news.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<bool, StateError> {
        let path = folder.join(RECORD);
        let text = serde_json::to_vec_pretty(self);
        let mut text = text.map_err(|source| StateError::Damaged { path: path.clone(), source })?;
        text.push(b'\n');
        write_durably(&path, &text, 0o644)
    }
}
