//! What several test modules share.

pub(crate) mod engine;
pub(crate) mod sops;
