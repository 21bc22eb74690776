//! A merged file → the objects that docker would create.

mod container;
pub(super) mod image;
mod network;
mod object;
mod order;
mod service;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::desired::StackSpec;

use super::load::Loader;
use super::model::{File, Texts};
use super::place::{At, Log};
use super::refused::nearest;
use super::rules::Rule;
use super::{Input, Packed};

/// What converting a service looks at.
struct Scope<'a> {
    /// The stack's name.
    name: &'a str,
    /// The merged file.
    file: &'a File,
}

impl Scope<'_> {
    /// `<stack>_<key>`.
    fn full(&self, key: &str) -> String {
        format!("{}_{key}", self.name)
    }

    /// Labels with the stack's own one, which cannot be overridden.
    fn labels(&self, labels: &Texts) -> BTreeMap<String, String> {
        let mut out = strings(labels);
        out.insert("com.docker.stack.namespace".to_owned(), self.name.to_owned());
        out
    }
}

/// Converts the whole stack.
pub(super) fn stack(file: &File, input: &Input<'_>, loader: &mut Loader<'_>) -> StackSpec {
    let home = loader.log.home;
    let scope = Scope { name: input.name, file };
    let mut out =
        StackSpec { name: input.name.to_owned(), deadline: input.stack.deadline, ..StackSpec::default() };
    if input.name.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'').is_empty() {
        loader.log.rule(
            Rule::StackNameEmpty,
            home,
            "the stack has no name",
            "give it one in `stacks` of the manifest",
        );
    }
    if file.services.is_empty() {
        loader.log.rule(Rule::ServicesNone, home, "the stack has no service", "write one below `services`");
    }
    image::check_names(&scope, input, &mut loader.log);
    network::convert(&scope, input, &mut out, &mut loader.log);
    object::configs(&scope, &mut out, loader);
    object::secrets(&scope, input, &mut out, loader);
    let log = &mut loader.log;
    object::trusted(&scope, input, &mut out, log);
    let mut volumes = BTreeSet::new();
    for key in if log.alone { order::starts(file, log) } else { file.services.keys().collect() } {
        let Some(service) = file.services.get(key) else { continue };
        let image = image::of(key, service, input, log).unwrap_or_default();
        let spec = service::convert(&scope, key, service, image, log);
        volumes.extend(volume::names(&scope, service));
        if log.alone {
            loader.packed.extend(Packed::of(key, &spec));
        } else {
            out.services.insert(key.clone(), spec);
        }
    }
    out.volumes = volumes.into_iter().collect();
    volume::check_unused(&scope, log);
    super::engine::check(file, log);
    order::check(file, &mut out, log);
    super::names::check(file, &out, log);
    super::named::record(file, &mut out, log);
    out
}

fn strings(texts: &Texts) -> BTreeMap<String, String> {
    texts.iter().map(|(key, at)| (key.clone(), at.value.clone())).collect()
}

fn words(items: &[At<String>]) -> Vec<String> {
    items.iter().map(|at| at.value.clone()).collect()
}

/// Sets a field unless the value is empty, as Go leaves out empty fields.
fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let empty = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    if !empty {
        map.insert(key.to_owned(), value);
    }
}

/// Sets a field of a text that may be absent, unless it is empty.
fn put_text(map: &mut Map<String, Value>, key: &str, text: Option<&At<String>>) {
    put(map, key, text.map(|at| at.value.clone()).unwrap_or_default());
}

/// A map of texts as JSON.
fn object_of(texts: BTreeMap<String, String>) -> Value {
    Value::Object(texts.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
}

/// Reports a name that stands in no section.
fn undefined<T>(kind: &str, name: &At<String>, section: &BTreeMap<String, T>, log: &mut Log) {
    if log.is_full() {
        return;
    }
    // Looking for a slip costs as much as there are names; a hostile file has many.
    let known: Vec<&str> = section.keys().take(1000).map(String::as_str).collect();
    let fix = match nearest(&name.value, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add `{}` to the top-level `{kind}s`", name.value),
    };
    let rule = if kind == "service" { Rule::DependsOnUnknown } else { Rule::NameUndefined };
    log.rule(rule, name.place, format!("the {kind} `{}` is not defined", name.value), fix);
}
