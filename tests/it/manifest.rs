//! Proves: manifests, good and bad.
