//! Proves: what docker deployed is read back as equal, and taken over as it runs.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod families;
mod readback;
mod refused;
mod running;
