//! Compose files as `docker stack` reads them → [`crate::desired::StackSpec`].
//!
//! ```text
//! text → tree (docker's YAML types, merge keys) → interpolation → typed file ┐
//! text → tree                                   → interpolation → typed file ┴→ merge → convert → StackSpec
//! ```
//!
//! The result is what `docker stack deploy` would send, but for names of configs and secrets (content names),
//! images (pinned) and secrets (bound to the manifest). What docker drops, warns about or reads in a way nobody
//! means is an error here that names file, line and fix. The process environment is never read.

mod convert;
mod depends;
mod deploy;
mod envfile;
mod fields;
mod interpolate;
mod load;
mod mapping;
mod merge;
mod model;
mod modern;
mod mounts;
mod objects;
mod place;
mod ports;
mod refused;
mod scalar;
mod service;
mod shell;
mod tree;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::desired::{ImageSpec, StackSpec};
use crate::manifest::Stack;
use crate::source::Problem;

/// What a stack is compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The stack's name: prefix of its objects.
    pub name: &'a str,
    /// The stack of the manifest. Its paths should be absolute, as bind sources are written relative to the
    /// folder of the first compose file.
    pub stack: &'a Stack,
    /// The manifest's images, resolved.
    pub images: &'a BTreeMap<String, ImageSpec>,
    /// Names of the manifest's secrets and templates: what an external secret may name.
    pub secrets: &'a BTreeSet<String>,
    /// Names of the manifest's networks: external to the stack, there before it.
    pub networks: &'a BTreeSet<String>,
}

/// A compiled stack.
#[derive(Clone, Debug)]
pub struct Output {
    /// What shall be.
    pub stack: StackSpec,
    /// What was passed over, and said.
    pub warnings: Vec<Problem>,
}

/// Compiles a stack. `read` returns the bytes of a file that compose files or the manifest name.
///
/// # Errors
/// Every problem of every file, each with its place and a fix, in the order of the files.
pub fn compile(
    input: &Input<'_>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Output, Vec<Problem>> {
    let mut loader = load::Loader::new(input, read);
    let stack = loader.files().map(|files| {
        let file = merge::merge(files, &mut loader.log);
        convert::stack(&file, input, &mut loader)
    });
    let mut log = loader.log;
    match stack {
        Some(stack) if log.errors.is_empty() => Ok(Output { stack, warnings: log.warnings }),
        _ => {
            let order: BTreeMap<_, _> =
                log.sources.iter().enumerate().map(|(at, source)| (source.name.clone(), at)).collect();
            log.errors.sort_by_key(|problem| (order.get(&problem.source.name).copied(), problem.span.start));
            Err(log.errors)
        }
    }
}
