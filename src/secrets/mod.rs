//! Sops documents, identities, templates, installed files.

mod value;

pub use value::{SecretBytes, Unlocked};
