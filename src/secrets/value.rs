//! The one shape of a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::report::Failure;

/// The bytes of a secret, wiped when dropped. No `Debug`, no `Display`, no `Serialize`: whoever needs the bytes
/// says [`SecretBytes::expose`], and that word is searched for in reviews.
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

/// What unlocking gave: the values that opened, and one failure for each that did not.
#[derive(Default)]
pub struct Unlocked {
    /// Values of secrets and rendered templates, by manifest name. A failed one with a last good version has that.
    pub values: BTreeMap<String, SecretBytes>,
    /// What failed, whether or not a last good version stands in.
    pub failures: Vec<Failure>,
}
