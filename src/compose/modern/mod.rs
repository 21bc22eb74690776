//! Newer spellings → docker's own, on the tree of one file and before anything of it is read.
//!
//! The Compose Specification has grown beyond what `docker stack` knows. Where a newer spelling means the same as an
//! older one, or something that a swarm does anyway, strict mode rewrites it here, so that the readers see one
//! spelling only. Keys with a meaning that docker stack has no word for are read by the readers themselves.

mod content;
mod env_file;
mod mounts;
mod platform;
mod service;
mod values;

use super::place::Log;
use super::tree::{Field, Kind, Tree};

pub(super) use content::fill;
pub(super) use env_file::{read as env_file, refuse_dialect};
pub(super) use platform::read as platform;

/// Rewrites one file. `stack` is the stack's name.
pub(super) fn translate(tree: &mut Tree, stack: &str, log: &mut Log) {
    let Kind::Map(fields) = &mut tree.kind else { return };
    if let Some(name) = remove(fields, "name") {
        values::project_name(&name, stack, log);
    }
    for field in fields {
        match field.key.as_str() {
            "services" => each(&mut field.value, |service| service::translate(&mut service.value, log)),
            "networks" | "volumes" => each(&mut field.value, |entry| labels(&mut entry.value)),
            "configs" | "secrets" => each(&mut field.value, |entry| {
                labels(&mut entry.value);
                values::default_name(entry, stack);
            }),
            _ => {}
        }
    }
}

fn labels(tree: &mut Tree) {
    if let Some(labels) = child(tree, "labels") {
        values::booleans(labels);
    }
}

/// Does something with every entry of a map.
fn each(tree: &mut Tree, mut change: impl FnMut(&mut Field)) {
    if let Kind::Map(fields) = &mut tree.kind {
        fields.iter_mut().for_each(&mut change);
    }
}

/// Does something with every item of a list.
fn items(tree: &mut Tree, mut change: impl FnMut(&mut Tree)) {
    if let Kind::List(items) = &mut tree.kind {
        items.iter_mut().for_each(&mut change);
    }
}

/// The value of a key of a map.
fn child<'t>(tree: &'t mut Tree, key: &str) -> Option<&'t mut Tree> {
    let Kind::Map(fields) = &mut tree.kind else { return None };
    fields.iter_mut().find(|field| field.key == key).map(|field| &mut field.value)
}

/// Takes a field out of a map.
fn remove(fields: &mut Vec<Field>, key: &str) -> Option<Field> {
    let at = fields.iter().position(|field| field.key == key)?;
    Some(fields.remove(at))
}

/// A map of fields that are made here, each at one place of the file.
fn map(place: super::place::Place, fields: Vec<(&str, Kind)>) -> Tree {
    let field = |(key, kind): (&str, Kind)| Field {
        key: key.to_owned(),
        key_place: place,
        value: Tree { place, kind },
    };
    Tree { place, kind: Kind::Map(fields.into_iter().map(field).collect()) }
}
