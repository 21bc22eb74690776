//! Sops documents, identities, templates, installed files.
//!
//! The way of a secret: `unlock` reads each sops file once, opens its data key with an [`Identities`], verifies
//! the MAC and takes out the declared values; [`render_templates`] fills templates; [`files`] installs both. Each secret fails alone. No value is in any error text.

mod canonical;
mod change;
mod check;
mod clear;
mod config;
mod convert;
mod crypt;
mod digest;
mod document;
mod edit;
mod encrypt;
mod error;
mod exposure;
mod extract;
pub mod files;
mod flatten;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod history;
mod identity;
mod iv;
mod keep;
mod layout;
mod locked;
mod login;
mod merge;
mod metadata;
mod names;
mod number;
mod opened;
mod path;
mod random;
mod recipient;
mod reseal;
mod revise;
mod rewrite;
mod rules;
mod scalar;
mod shamir;
mod store;
mod template;
mod token;
mod tree;
mod unlock;
mod value;
mod variables;

pub use canonical::{Shown, canonical, compared};
pub use check::{Finding, Looked, check_folder};
pub use clear::{Readers, Stamp, readers, readers_of};
pub use config::{creation_rule, split};
pub use convert::{SshLine, new_identity, recipient_of, secret_of_asking, ssh_lines};
pub use digest::digest;
pub use document::{Document, Opener, decrypt, decrypt_with};
pub use edit::{Edited, set, unset};
pub use encrypt::{Policy, encrypt};
pub use error::SecretError;
pub use exposure::{Exposure, Fate, exposures};
pub use files::FilesError;
pub use identity::{Ask, Environment, Identities, IdentityEnv, split_words};
pub use keep::keep_ciphertext;
pub use layout::Layout;
pub use locked::lock_memory;
pub use login::{Login, logins};
pub use merge::{Merged, merge};
pub use names::Names;
pub use path::{Step, parse_path};
pub use reseal::{Reseal, reseal, written_threshold};
pub use revise::revise;
pub use rewrite::rewrite;
pub use template::render_templates;
pub use unlock::{format_of, unlock, unlock_kept};
pub use value::{SecretBytes, Unlocked};
