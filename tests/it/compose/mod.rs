//! Proves: compose files against the real docker CLI.

mod compat;
mod differential;
mod generated;
pub(crate) mod harness;
mod hostile;
mod house;
mod merged;
mod random;
mod refused;
pub(crate) mod rules;
mod stacks;
mod transcript;
mod translated;
