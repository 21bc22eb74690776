//! Compose files as `docker stack` reads them → [`crate::desired::StackSpec`].
//!
//! ```text
//! text → tree (docker's YAML types, merge keys) → interpolation → typed file ┐
//! text → tree                                   → interpolation → typed file ┴→ merge → convert → StackSpec
//! ```
//!
//! The result is what `docker stack deploy` would send, but for names of configs and secrets (content names),
//! images (pinned by digest) and secrets (bound to the manifest). Newer spellings that mean something in a swarm are
//! translated first (`modern`). What docker drops, warns about or reads in a way nobody means is an error in strict
//! mode that names file, line and fix; in compat mode it is a warning, and what docker does is done. [`Rule`] lists
//! every such case. The process environment is never read.

mod convert;
mod depends;
mod deploy;
mod engine;
mod envfile;
mod fields;
mod interpolate;
mod load;
mod mapping;
mod merge;
mod model;
mod modern;
mod mounts;
mod named;
mod names;
mod objects;
mod place;
mod ports;
mod published;
mod refused;
mod rules;
mod scalar;
mod service;
mod shell;
mod tree;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

pub use published::{Published, clashes};

use crate::desired::{ImageSpec, ServiceSpec, StackSpec};
use crate::manifest::Stack;
use crate::pins::Pins;
use crate::source::Problem;

pub use rules::{Class, Rule};

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
    /// What tags stand for, and which images may run.
    pub pins: &'a Pins,
}

/// A compiled stack.
#[derive(Clone, Debug)]
pub struct Output {
    /// What shall be.
    pub stack: StackSpec,
    /// What was passed over, and said.
    pub warnings: Vec<Problem>,
    /// Ports that its services open on nodes.
    pub published: Vec<Published>,
}

/// A stack whose files stand alone, without a manifest.
#[derive(Debug)]
pub struct Alone {
    /// What shall be, but for the services.
    pub stack: StackSpec,
    /// The services, each behind those that it waits for.
    pub services: Vec<Packed>,
    /// What was passed over, and said.
    pub warnings: Vec<Problem>,
    /// Bytes of the secrets that it makes, by their `source`; in compat mode only, from plaintext files as docker reads
    /// them.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// A service in a tenth of the memory that its tree would take: a stack without a manifest may be of any size, and is
/// gone through once.
#[derive(Debug)]
pub struct Packed(Box<str>);

impl Packed {
    fn of(key: &str, spec: &ServiceSpec) -> serde_json::Result<Self> {
        serde_json::to_string(&(key, spec)).map(|text| Self(text.into()))
    }

    /// Its key and what it shall be.
    ///
    /// # Errors
    /// None, as long as what is written can be read.
    pub fn open(&self) -> serde_json::Result<(String, ServiceSpec)> {
        serde_json::from_str(&self.0)
    }
}

/// Compiles a stack for which there is no manifest. External secrets are somebody else's and there already. In compat
/// mode nothing but docker's rules hold: objects have docker's names, images stay as they are written, secrets may come
/// from files. `read` is as for [`compile`].
///
/// # Errors
/// As for [`compile`].
pub fn compile_alone(
    input: &Input<'_>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Alone, Vec<Problem>> {
    let mut loader = load::Loader::new(input, read);
    loader.log.alone = true;
    let (output, values, services) = finish(loader, input)?;
    Ok(Alone { stack: output.stack, services, warnings: output.warnings, values })
}

/// Compiles a stack. `read` returns the bytes of a file that compose files or the manifest name.
///
/// # Errors
/// Every problem of every file, each with its place and a fix, in the order of the files.
pub fn compile(
    input: &Input<'_>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Output, Vec<Problem>> {
    finish(load::Loader::new(input, read), input).map(|(output, ..)| output)
}

/// Bytes of plaintext secrets, by their `source`.
type Values = BTreeMap<String, Vec<u8>>;

/// Reads, merges and converts, and returns what was found with the values and services that only a stack alone has.
fn finish(
    mut loader: load::Loader<'_>,
    input: &Input<'_>,
) -> Result<(Output, Values, Vec<Packed>), Vec<Problem>> {
    let stack = loader.files().map(|files| {
        let file = merge::merge(files, &mut loader.log);
        let stack = convert::stack(&file, input, &mut loader);
        (stack, published::of(input.name, &file, &loader.log))
    });
    let mut log = loader.log;
    match stack {
        Some((stack, published)) if log.errors.is_empty() => {
            Ok((Output { stack, warnings: log.warnings, published }, loader.values, loader.packed))
        }
        _ => {
            let order: BTreeMap<_, _> =
                log.sources.iter().enumerate().map(|(at, source)| (source.name.clone(), at)).collect();
            log.errors.sort_by_key(|problem| (order.get(&problem.source.name).copied(), problem.span.start));
            Err(log.errors)
        }
    }
}

/// An image that a service of the stack names in its compose file.
#[derive(Clone, Debug)]
pub struct NamedImage {
    /// As it is written there.
    pub text: String,
    /// The place, ready to say something of it.
    pub place: Problem,
}

/// The images that compose files of a stack name, whether they are pinned or not; services that run an image of the
/// manifest have none. `read` is as for [`compile`].
///
/// # Errors
/// Every problem that keeps the files from being read.
pub fn images(
    input: &Input<'_>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Vec<NamedImage>, Vec<Problem>> {
    let mut loader = load::Loader::new(input, read);
    let file = loader.files().map(|files| merge::merge(files, &mut loader.log));
    let log = loader.log;
    let Some(file) = file.filter(|_| log.errors.is_empty()) else { return Err(log.errors) };
    let named = convert::image::named(&file, input);
    Ok(named
        .map(|image| NamedImage {
            text: image.value.clone(),
            place: log.at(image.place).problem(image.place.span, ""),
        })
        .collect())
}
