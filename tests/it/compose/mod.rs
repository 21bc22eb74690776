//! Proves: compose files against the real docker CLI.

mod differential;
mod generated;
mod harness;
mod house;
mod random;
mod refused;
mod translated;
