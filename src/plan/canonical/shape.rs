//! Which JSON values the engine cannot tell apart, as a table.
//!
//! A spec goes through Go structs and protobuf and comes back. On the way a zero scalar, an empty list and an empty map
//! become nothing; an empty message stays a message, and swarmkit's comparison counts the difference; enumerations come
//! back in lower case with their default filled in.

use serde_json::{Map, Value};

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
    /// The engine forgets it.
    Forgotten,
}

/// Fields by name. What is not listed is [`Shape::Zero`].
pub(super) type Fields = &'static [(&'static str, Shape)];

/// The canonical form of a message.
pub(super) fn message(value: &Value, fields: Fields) -> Map<String, Value> {
    let empty = Map::new();
    let given = value.as_object().unwrap_or(&empty);
    let unlisted = given.keys().filter(|key| !fields.iter().any(|(name, _)| name == key));
    let unlisted = unlisted.map(|key| (key.as_str(), Shape::Zero));
    let all = fields.iter().copied().chain(unlisted);
    all.filter_map(|(name, shape)| {
        Some((name.to_owned(), canonical(given.get(name).unwrap_or(&Value::Null), shape)?))
    })
    .collect()
}

fn canonical(value: &Value, shape: Shape) -> Option<Value> {
    match shape {
        Shape::Zero => unless_zero(value),
        Shape::Ratio => {
            let short = value.as_f64().filter(|ratio| *ratio != 0.0).map(|ratio| format!("{ratio:.6}"));
            short.map(Value::from)
        }
        Shape::Pointer => (!value.is_null()).then(|| value.clone()),
        Shape::Or(default) => {
            let given = value.as_str().filter(|text| !text.is_empty());
            Some(given.map_or_else(|| default.to_owned(), str::to_ascii_lowercase).into())
        }
        Shape::Message(fields) => value.is_object().then(|| message(value, fields).into()),
        Shape::Messages(fields) => {
            let list = value.as_array().filter(|list| !list.is_empty())?;
            Some(list.iter().map(|value| Value::from(message(value, fields))).collect())
        }
        Shape::Forgotten => None,
    }
}

/// A value without what is zero in it; nothing when it is zero itself. Elements of lists stay.
fn unless_zero(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Object(fields) if fields.is_empty() => None,
        other => Some(other.clone()),
    }
}
