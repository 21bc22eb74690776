//! Which JSON values the engine cannot tell apart, as a table.
//!
//! A spec goes through Go structs and protobuf and comes back. On the way a zero scalar, an empty list and an empty map
//! become nothing; an empty message stays a message, and swarmkit's comparison counts the difference; enumerations come
//! back in lower case with their default filled in.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::NetworkNames;

/// What absent, null and empty mean for one field.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Null, 0, false, "", `[]` and `{}` are the same as nothing.
    Zero,
    /// As [`Shape::Zero`], and the number is kept in 32 bits.
    Ratio,
    /// Only null is nothing: the engine keeps a pointer, and a zero means something.
    Pointer,
    /// An enumeration, in lower case; this when nothing is given.
    Or(&'static str),
    /// A message: null is nothing, `{}` is a message without fields.
    Message(Fields),
    /// A list of messages; an empty list is nothing.
    Messages(Fields),
    /// A list of messages whose order means nothing.
    Unordered(Fields),
    /// The engine forgets it.
    Forgotten,
    /// A network, by name or by id.
    Network,
    /// The mode of a service with these fields; it always has one.
    Mode(Fields),
    /// Options of a bind. Those that say nothing are forgotten.
    BindOptions,
}

/// Fields by name. What is not listed is [`Shape::Zero`].
pub(super) type Fields = &'static [(&'static str, Shape)];

/// The canonical form of a message.
pub(super) fn message(value: &Value, fields: Fields, names: &NetworkNames) -> Map<String, Value> {
    let empty = Map::new();
    let given = value.as_object().unwrap_or(&empty);
    let unlisted = given.keys().filter(|key| !is_listed(fields, key));
    let unlisted = unlisted.map(|key| (key.as_str(), Shape::Zero));
    let all = fields.iter().copied().chain(unlisted);
    all.filter_map(|(name, shape)| {
        Some((name.to_owned(), canonical(given.get(name).unwrap_or(&Value::Null), shape, names)?))
    })
    .collect()
}

fn is_listed(fields: Fields, key: &str) -> bool {
    fields.iter().any(|(name, _)| *name == key)
}

fn value_of<'a>(field: Option<(&String, &'a Value)>) -> &'a Value {
    field.map_or(&Value::Null, |(_, value)| value)
}

fn shape_of(fields: Fields, key: &str) -> Shape {
    fields.iter().find(|(name, _)| *name == key).map_or(Shape::Zero, |(_, shape)| *shape)
}

fn canonical(value: &Value, shape: Shape, names: &NetworkNames) -> Option<Value> {
    match shape {
        Shape::Zero => (!is_zero(value)).then(|| value.clone()),
        Shape::Ratio => {
            let short = value.as_f64().filter(|ratio| *ratio != 0.0).map(|ratio| format!("{ratio:.6}"));
            short.map(Value::from)
        }
        Shape::Pointer => (!value.is_null()).then(|| value.clone()),
        Shape::Or(default) => {
            let given = value.as_str().filter(|text| !text.is_empty());
            Some(given.map_or_else(|| default.to_owned(), str::to_ascii_lowercase).into())
        }
        Shape::Message(fields) => value.is_object().then(|| message(value, fields, names).into()),
        Shape::Messages(fields) => Some(messages(value, fields, names)?.into()),
        Shape::Unordered(fields) => {
            let mut list = messages(value, fields, names)?;
            // Objects keep their keys sorted, so that their text orders them.
            list.sort_by_cached_key(ToString::to_string);
            Some(list.into())
        }
        Shape::Forgotten => None,
        Shape::Network => match value.as_str().and_then(|id| names.get(id)) {
            Some(name) => Some(name.clone().into()),
            None => canonical(value, Shape::Zero, names),
        },
        Shape::Mode(fields) => Some(mode(message(value, fields, names)).into()),
        Shape::BindOptions => bind_options(message(value, &[], names)).map(Value::from),
    }
}

fn messages(list: &Value, fields: Fields, names: &NetworkNames) -> Option<Vec<Value>> {
    let list = list.as_array().filter(|list| !list.is_empty())?;
    Some(list.iter().map(|value| message(value, fields, names).into()).collect())
}

/// True exactly when the canonical forms of two messages are equal. Nothing is copied or looked up on the way: almost
/// every service of almost every run is equal, and is only walked through here. A field that neither has is the same.
pub(super) fn same_message(one: &Value, other: &Value, fields: Fields, names: &NetworkNames) -> bool {
    let empty = Map::new();
    let (one, other) = (one.as_object().unwrap_or(&empty), other.as_object().unwrap_or(&empty));
    // Both are sorted by key.
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    loop {
        let (key, left, right) = match (one.peek(), other.peek()) {
            (None, None) => return true,
            (Some((key, _)), Some((than, _))) => match key.cmp(than) {
                Ordering::Less => (*key, one.next(), None),
                Ordering::Equal => (*key, one.next(), other.next()),
                Ordering::Greater => (*than, None, other.next()),
            },
            (Some((key, _)), None) => (*key, one.next(), None),
            (None, Some((key, _))) => (*key, None, other.next()),
        };
        if !same(value_of(left), value_of(right), shape_of(fields, key), names) {
            return false;
        }
    }
}

/// True exactly when `canonical` says the same of both.
fn same(one: &Value, other: &Value, shape: Shape, names: &NetworkNames) -> bool {
    match shape {
        Shape::Zero => one == other || (is_zero(one) && is_zero(other)),
        Shape::Pointer => one == other,
        Shape::Or(default) => {
            let word = |value| Value::as_str(value).filter(|text| !text.is_empty()).unwrap_or(default);
            word(one).eq_ignore_ascii_case(word(other))
        }
        Shape::Message(fields) => {
            one.is_object() == other.is_object() && same_message(one, other, fields, names)
        }
        Shape::Messages(fields) => {
            let list = |value| Value::as_array(value).map(Vec::as_slice).unwrap_or_default();
            let (one, other) = (list(one), list(other));
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same_message(one, other, fields, names))
        }
        Shape::Forgotten => true,
        Shape::Network => {
            let name = |value| Value::as_str(value).map(|text| names.get(text).map_or(text, String::as_str));
            match (name(one), name(other)) {
                (Some(one), Some(other)) => one == other,
                _ => same(one, other, Shape::Zero, names),
            }
        }
        Shape::Ratio | Shape::Unordered(_) | Shape::Mode(_) | Shape::BindOptions => {
            one == other || canonical(one, shape, names) == canonical(other, shape, names)
        }
    }
}

/// A service without a mode is replicated, once; a job without numbers runs once.
fn mode(mut mode: Map<String, Value>) -> Map<String, Value> {
    if mode.is_empty() {
        mode.insert("Replicated".into(), Map::new().into());
    }
    let one = || Value::from(1);
    if let Some(replicated) = mode.get_mut("Replicated").and_then(Value::as_object_mut) {
        replicated.entry("Replicas").or_insert_with(one);
    }
    if let Some(job) = mode.get_mut("ReplicatedJob").and_then(Value::as_object_mut) {
        let concurrent = job.entry("MaxConcurrent").or_insert_with(one).clone();
        job.entry("TotalCompletions").or_insert(concurrent);
    }
    mode
}

/// Where options of a bind say something the propagation is filled in.
fn bind_options(mut options: Map<String, Value>) -> Option<Map<String, Value>> {
    if options.is_empty() {
        return None;
    }
    let propagation = options.entry("Propagation").or_insert_with(|| "rprivate".into());
    *propagation = propagation.as_str().unwrap_or_default().to_ascii_lowercase().into();
    Some(options)
}

/// True for what the engine does not store. Elements of lists stay.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
