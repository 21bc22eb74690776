//! Proves: compose files against the real docker CLI.
