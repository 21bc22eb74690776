//! Proves: the comment bridge takes what its forge has signed, once and durably, and nothing else.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod attacks;
mod attest;
mod clock;
mod durable;
mod faults;
mod gate;
mod github;
mod killed;
mod lab;
mod latency;
mod manager;
mod page;
pub(crate) mod probe;
mod scripted;
mod service;
pub(crate) mod sign_in;
mod story;
