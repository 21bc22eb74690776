//! Asks registries what a tag stands for: the HTTP API version 2 of the distribution specification, reading only.
//!
//! A build machine has no engine, so the registry is asked without one. Passwords are sent as `Basic` to the registry
//! itself or to the token server that it names, over TLS unless the registry itself is told to be plain, and never to a
//! host that a redirect names.

mod challenge;
mod client;
mod error;
mod manifest;
mod wire;

pub use client::Registry;
pub use error::RegistryError;
