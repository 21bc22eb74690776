//! Proves: secrets against the real sops.

mod opened;
