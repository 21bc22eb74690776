//! Serde over a tree, with errors that know the deepest node they belong to.
//!
//! Scalars have JSON's types: a plain number, boolean or null is one, anything quoted is a string, and any other
//! plain text is refused, so that `yes`, `0440` and `1.10` never mean something by surprise.

use std::collections::{HashMap, HashSet};

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, Id, Place};
use super::made_up::MadeUp;
use super::node::{Entry, Node, Scalar, Value};

/// What one pass leaves out and makes up, so that the next pass gets further.
#[derive(Default)]
pub(super) struct Pass {
    /// Values that are passed over, with their keys.
    pub(super) masked: HashSet<Id>,
    /// Fields that a map lacks and that are made up.
    pub(super) filled: HashMap<Id, Vec<&'static str>>,
}

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de> {
    pub(super) node: &'de Node,
    pub(super) pass: &'de Pass,
}

impl<'de> Reader<'de> {
    fn here(self) -> Place {
        Place::node(self.node)
    }

    fn child(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    /// Reads a value. What the type itself says after the reader is done belongs here too.
    fn seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self).map_err(|fault| fault.at(self.here()))
    }

    /// The error of a node that is not what the visitor wants.
    fn wrong(self, expected: &dyn Expected) -> Fault {
        let fault = match &self.node.value {
            Value::List(_) => de::Error::invalid_type(Unexpected::Seq, expected),
            Value::Map(_) => de::Error::invalid_type(Unexpected::Map, expected),
            Value::Scalar(scalar) => match Json::of(scalar) {
                Ok(json) => de::Error::invalid_type(json.unexpected(), expected),
                Err(fault) => fault,
            },
        };
        Fault::at(fault, self.here())
    }

    fn map<V: Visitor<'de>>(self, entries: &'de [Entry], visitor: V) -> Result<V::Value, Fault> {
        let filled = self.pass.filled.get(&Id::of(self.node)).map_or(&[][..], Vec::as_slice);
        visitor.visit_map(Entries { reader: self, left: entries.iter(), filled: filled.iter(), value: None })
    }
}

/// A scalar as JSON sees it.
enum Json<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'de str),
}

impl<'de> Json<'de> {
    fn of(scalar: &'de Scalar) -> Result<Self, Fault> {
        let text = scalar.text.as_str();
        if let Some(tag) = &scalar.tag {
            return Err(Fault::Tag(tag.clone()));
        }
        if !scalar.plain {
            return Ok(Self::Text(text));
        }
        match text {
            "null" | "" => return Ok(Self::Null),
            "true" => return Ok(Self::Bool(true)),
            "false" => return Ok(Self::Bool(false)),
            _ => {}
        }
        match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) => Ok(number
                .as_u64()
                .map(Self::Unsigned)
                .or_else(|| number.as_i64().map(Self::Signed))
                .or_else(|| number.as_f64().map(Self::Float))
                .unwrap_or(Self::Text(text))),
            Err(_) => Err(Fault::Bare(text.to_owned())),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(value) => Unexpected::Unsigned(*value),
            Self::Signed(value) => Unexpected::Signed(*value),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(text) => Unexpected::Str(text),
        }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Value::List(items) => visitor.visit_seq(Items { reader: self, items: items.iter() }),
            Value::Map(entries) => self.map(entries, visitor),
            Value::Scalar(scalar) => Json::of(scalar).and_then(|json| match json {
                Json::Null => visitor.visit_unit(),
                Json::Bool(value) => visitor.visit_bool(value),
                Json::Unsigned(value) => visitor.visit_u64(value),
                Json::Signed(value) => visitor.visit_i64(value),
                Json::Float(value) => visitor.visit_f64(value),
                Json::Text(text) => visitor.visit_borrowed_str(text),
            }),
        };
        result.map_err(|fault| fault.at(self.here()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.as_scalar().map(Json::of) {
            Some(Ok(Json::Null)) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Only a map is a struct: serde would take a list by position too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(entries) => self.map(entries, visitor).map_err(|fault| fault.at(self.here())),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Enums are words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.node.as_scalar().map(Json::of) {
            Some(Ok(Json::Text(text))) => {
                visitor.visit_enum(Word(text)).map_err(|fault| fault.at(self.here()))
            }
            _ => Err(self.wrong(&OneOf(variants))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

/// `one of ...`, for a value that is no word at all.
struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().map(|word| format!("`\"{word}\"`")).collect();
        write!(formatter, "one of {}", words.join(", "))
    }
}

/// A unit variant by its word.
struct Word<'de>(&'de str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let word: StrDeserializer<'_, Fault> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Word<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, Fault> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Fault> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a list"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Fault> {
        Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a map"))
    }
}

struct Items<'de> {
    reader: Reader<'de>,
    items: std::slice::Iter<'de, Node>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let pass = self.reader.pass;
        let next = self.items.by_ref().find(|item| !pass.masked.contains(&Id::of(item)));
        next.map(|item| self.reader.child(item).seed(seed)).transpose()
    }
}

struct Entries<'de> {
    reader: Reader<'de>,
    left: std::slice::Iter<'de, Entry>,
    filled: std::slice::Iter<'de, &'static str>,
    /// The value of the key that was read last; None for a made-up field.
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let pass = self.reader.pass;
        if let Some(entry) = self.left.by_ref().find(|entry| !pass.masked.contains(&Id::of(&entry.value))) {
            self.value = Some(&entry.value);
            let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|fault| fault.at(Place::key(entry)));
        }
        self.value = None;
        let Some(name) = self.filled.next() else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = (*name).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value {
            Some(node) => self.reader.child(node).seed(seed),
            None => seed.deserialize(MadeUp).map_err(|fault| fault.at(Place::made_up(self.reader.node))),
        }
    }
}
