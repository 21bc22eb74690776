//! The read-only engine socket that Traefik is given: six GET paths, and of each answer only what Traefik reads.
//!
//! Whoever takes over Traefik can ask for the addresses of tasks and for `traefik.*` labels, and for nothing else:
//! no write, no exec, no archive, no secret, no environment of any service. What the client sends is never passed on:
//! each allowed request is made anew, without its headers and without a body.

mod keep;
mod rules;
mod serve;

pub use serve::{ProxyError, serve};
