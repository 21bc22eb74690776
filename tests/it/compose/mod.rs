//! Proves: compose files against the real docker CLI.

mod differential;
mod harness;
mod random;
mod refused;
