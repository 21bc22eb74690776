//! Proves: images against a real engine.
