//! Proves: secrets against the real sops.
