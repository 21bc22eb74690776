//! The one integration binary; each module says what it proves.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what a guard finds while a test fails goes to the test's output")]

mod support;

mod adopt;
mod apply;
mod bridge;
mod cli;
mod compose;
mod docs;
mod doctor;
mod engine;
mod forge;
mod gates;
mod image;
mod images;
mod layering;
mod machine;
mod manifest;
mod nix;
mod pipeline;
mod report;
mod secrets;
mod switch;
mod traefik;
