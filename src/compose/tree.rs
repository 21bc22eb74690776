//! Typed trees: a file after typing of scalars, merge keys and interpolation.

use crate::source::{Node, Value};

use super::interpolate::{self, Environment};
use super::names;
use super::place::{Log, Place};
use super::rules::Rule;
use super::scalar::{self, Scalar};

/// A value of a compose file.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// Where it stands.
    pub(super) place: Place,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A timestamp, as docker prints it.
    Time(String),
    /// Text; `cast` when interpolation changed it, so that it may stand for a number or boolean.
    Text {
        /// The text.
        text: String,
        /// True when a substitution changed it.
        cast: bool,
    },
    /// A list.
    List(Vec<Tree>),
    /// A map in the order of the text.
    Map(Vec<Field>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) key_place: Place,
    /// The value.
    pub(super) value: Tree,
}

/// Places do not count; this is how a list is searched for repeated items.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Kind {
    /// Text that no substitution has touched.
    pub(super) fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned(), cast: false }
    }

    /// What problems call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Time(_) => "a date",
            Self::Text { .. } => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The text that docker makes of a scalar; `None` for nothing, a boolean, a list or a map.
    pub(super) fn go_text(&self) -> Option<String> {
        match self {
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(scalar::go_float(*value)),
            Self::Time(text) | Self::Text { text, .. } => Some(text.clone()),
            Self::Null | Self::Bool(_) | Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl From<Scalar> for Kind {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Int(value) => Self::Int(value),
            Scalar::Float(value) => Self::Float(value),
            Scalar::Time(text) => Self::Time(text),
            Scalar::Text(text) => Self::Text { text, cast: false },
        }
    }
}

/// Types `node` and everything below it, which goes as it is read: a large file is not there twice. The depth is limited by the parser.
pub(super) fn build(node: Node, file: usize, env: &Environment, log: &mut Log) -> Tree {
    let place = Place { file, span: node.span };
    let kind = match node.value {
        Value::Scalar(scalar) => {
            let kind = match scalar.tag.as_deref() {
                None if scalar.plain => scalar::resolve(&scalar.text).into(),
                None | Some("tag:yaml.org,2002:str" | "!") => Kind::text(&scalar.text),
                Some(tag) => {
                    let message = format!("the tag `{tag}` is not supported");
                    log.rule(
                        Rule::YamlTag,
                        place,
                        message,
                        "write the value without a tag, quoted where it is text",
                    );
                    Kind::text(&scalar.text)
                }
            };
            if matches!(kind, Kind::Float(value) if !value.is_finite()) {
                let message = format!("`{}` is a number without end, which no key takes", scalar.text);
                log.rule(Rule::YamlNotFinite, place, message, "quote it");
            }
            if let Kind::Text { text, .. } = &kind {
                names::text(text, place, log);
            }
            match kind {
                Kind::Text { text, .. } if text.contains('$') => {
                    let (result, cast) = interpolate::substitute(&text, env, place, log);
                    Kind::Text { text: result, cast }
                }
                other => other,
            }
        }
        Value::List(items) => Kind::List(items.into_iter().map(|item| build(item, file, env, log)).collect()),
        Value::Map(entries) => {
            let mut fields = Vec::with_capacity(entries.len());
            let mut merged = Vec::new();
            for entry in entries {
                let key_place = Place { file, span: entry.key_span };
                if entry.key == "<<" && entry.key_plain {
                    if !merged.is_empty() {
                        log.rule(
                            Rule::YamlMergeTwice,
                            key_place,
                            "the merge key `<<` stands here a second time",
                            "list the anchors under one: `<<: [*a, *b]`",
                        );
                    }
                    merged.extend(merge_sources(build(entry.value, file, env, log), log));
                    continue;
                }
                if entry.key_plain && !matches!(scalar::resolve(&entry.key), Scalar::Text(_)) {
                    let message = format!("the key `{}` is not text", entry.key);
                    log.rule(Rule::YamlKeyType, key_place, message, format!("quote it: `\"{}\"`", entry.key));
                }
                names::key(&entry.key, key_place, log);
                let value = build(entry.value, file, env, log);
                fields.push(Field { key: entry.key, key_place, value });
            }
            add_merged(&mut fields, merged);
            Kind::Map(fields)
        }
    };
    Tree { place, kind }
}

/// The maps that a `<<` names, first one first.
fn merge_sources(value: Tree, log: &mut Log) -> Vec<Vec<Field>> {
    let place = value.place;
    let items = match value.kind {
        Kind::Map(fields) => return vec![fields],
        Kind::List(items) => items,
        _ => vec![value],
    };
    let mut maps = Vec::new();
    for item in items {
        if let Kind::Map(fields) = item.kind {
            maps.push(fields);
        } else {
            let message = format!("a merge key takes a map or a list of maps, not {}", item.kind.name());
            log.rule(Rule::YamlMergeValue, place, message, "name an anchor of a map: `<<: *anchor`");
        }
    }
    maps
}

/// Adds merged fields that are not there yet: a key of the map itself wins, then the map named first.
fn add_merged(fields: &mut Vec<Field>, merged: Vec<Vec<Field>>) {
    if merged.is_empty() {
        return;
    }
    let mut seen: std::collections::HashSet<String> = fields.iter().map(|field| field.key.clone()).collect();
    for field in merged.into_iter().flatten() {
        if seen.insert(field.key.clone()) {
            fields.push(field);
        }
    }
}
