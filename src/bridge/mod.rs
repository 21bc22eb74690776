//! The comment bridge: a signed delivery of a comment → a durable journal → a build → the answer on the pull request.
//!
//! The core is pure and read first: [`signature`] decides whether the bytes are the forge's, [`payload`] reads them,
//! [`command`] reads the comment, [`judge`] decides what comes of it. What a delivery says about itself in headers
//! (event, delivery number) is not signed, so nothing is decided by it.

pub mod body;
pub mod bucket;
pub mod command;
pub mod commit;
pub mod drone_hook;
pub mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
pub mod histogram;
pub mod journal;
pub mod judge;
pub mod listen;
pub mod metrics;
pub mod payload;
pub mod receive;
pub mod runs;
pub mod serve;
pub mod signature;
pub mod status;
pub mod wake;
pub mod worker;

pub use serve::{BridgeError, Given, Moment, serve};
