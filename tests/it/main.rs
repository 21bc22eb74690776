//! The one integration binary; each module says what it proves.

mod support;

mod apply;
mod cli;
mod compose;
mod engine;
mod gates;
mod image;
mod layering;
mod manifest;
mod secrets;
mod traefik;
