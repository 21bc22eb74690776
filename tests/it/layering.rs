//! Proves: which room may name what.
