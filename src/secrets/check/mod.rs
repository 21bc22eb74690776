//! Whether a checkout keeps its secrets: without any key, by what stands in the files in clear text.
//!
//! Every file below a folder is looked at. A sops file must have its values encrypted where its rule says so, and agree
//! with its creation rule; a file that a creation rule names must be one; no other file may hold a private key.

mod agree;
mod folder;
mod inside;
mod keys;

pub use folder::{Looked, check_folder};

use serde::Serialize;

/// Something that is not as it must be. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Where in it: keys joined by `/`, or `line N`; empty for the whole file.
    pub path: String,
    /// What is wrong; reads behind file and path.
    pub cause: String,
    /// What to type next.
    pub next: String,
}
