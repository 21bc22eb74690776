//! The one shape of a secret.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::keep::Opened;
use super::told::Told;
use crate::report::Failure;

/// The bytes of a secret, wiped when dropped. No `Debug`, no `Display`, no `Serialize`: whoever needs the bytes
/// says [`SecretBytes::expose`], and that word is searched for in reviews.
///
/// ```
/// let secret = holdfast::secrets::SecretBytes::new(vec![1]);
/// println!("{:?}", secret.expose());
/// ```
///
/// ```compile_fail,E0277
/// let secret = holdfast::secrets::SecretBytes::new(vec![1]);
/// println!("{:?}", secret);
/// ```
///
/// ```compile_fail,E0277
/// let secret = holdfast::secrets::SecretBytes::new(vec![1]);
/// println!("{}", secret);
/// ```
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

/// What unlocking gave: the values that opened, and one failure for each that did not.
#[derive(Default)]
pub struct Unlocked {
    /// Values: a secret's under its manifest name, a rendered template's under `rendered/NAME`. A failed one with
    /// a last good version has that.
    pub values: BTreeMap<String, SecretBytes>,
    /// Logins of registries whose passwords are there, by registry.
    pub logins: BTreeMap<String, super::Login>,
    /// What failed, whether or not a last good version stands in.
    pub failures: Vec<Failure>,
    /// Things worth saying about the files.
    pub warnings: Vec<String>,
    /// Sealed files of values that this host has just made: to be written before anything uses the values.
    pub to_mint: BTreeMap<String, SecretBytes>,
    /// Secrets, and templates made of them (`rendered/NAME`), that wait for what a forge has not told yet.
    pub awaited: BTreeSet<String>,
    /// Where the values come from that forges make.
    pub told: BTreeMap<String, Told>,
    /// Of those, the ones that are due to be made anew by their age.
    pub due: BTreeSet<String>,
    /// Where each secret's value was read from, for the next run's last good version.
    pub(super) opened: BTreeMap<String, Opened>,
    /// Installed templates, for those that cannot be rendered now.
    pub(super) installed: BTreeMap<String, SecretBytes>,
}
