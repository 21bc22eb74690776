//! What serde says about a tree, and how a person hears it.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::nearest;
use super::node::{Entry, Node, Span};

/// Which node of one tree, told apart by where it lies in memory: expanded aliases share their spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(*const Node);

impl Id {
    pub(super) const fn of(node: &Node) -> Self {
        Self(std::ptr::from_ref(node))
    }
}

/// Where a fault belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What to underline.
    pub(super) span: Span,
    /// The value to pass over in the next try.
    pub(super) id: Id,
    /// True for a value that is made up: told of already.
    pub(super) made_up: bool,
}

impl Place {
    pub(super) const fn node(node: &Node) -> Self {
        Self { span: node.span, id: Id::of(node), made_up: false }
    }

    pub(super) const fn key(entry: &Entry) -> Self {
        Self { span: entry.key_span, id: Id::of(&entry.value), made_up: false }
    }

    pub(super) const fn made_up(map: &Node) -> Self {
        Self { span: map.span, id: Id::of(map), made_up: true }
    }
}

/// Why a tree is not the type that was asked for.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another type or value: what was found, what is expected, what to write.
    Type { found: String, expected: String, fix: String },
    /// A key that no field has.
    Field { name: String, known: &'static [&'static str] },
    /// A word that no variant has.
    Variant { name: String, known: &'static [&'static str] },
    /// A field that is not there.
    Missing(&'static str),
    /// Plain text that is neither number, boolean nor null.
    Bare(String),
    /// A tag of YAML.
    Tag(String),
    /// In the words of the type itself: what is wrong, and perhaps what to write.
    Custom(String, Option<String>),
    /// Any of these, with its place.
    At(Place, Box<Self>),
}

impl Fault {
    /// The fault with its place; the first place given, which is the deepest, stays.
    pub(super) fn at(self, place: Place) -> Self {
        match self {
            Self::At(..) => self,
            fault => Self::At(place, Box::new(fault)),
        }
    }

    /// What to write instead.
    pub(super) fn fix(&self) -> Option<String> {
        match self {
            Self::Field { name, known } | Self::Variant { name, known } => {
                Some(nearest::fix(name, known.iter().copied()))
            }
            Self::Missing(name) => Some(format!("add `\"{name}\": ...` here")),
            Self::Bare(text) => Some(format!("write `\"{text}\"` if this is text")),
            Self::Tag(_) => {
                Some("leave the tag away; quoted values are strings, plain ones are not".to_owned())
            }
            Self::At(_, fault) => fault.fix(),
            Self::Custom(_, fix) => fix.clone(),
            Self::Type { fix, .. } => Some(fix.clone()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { found, expected, .. } => write!(f, "expected {expected}, found {found}"),
            Self::Field { name, .. } => write!(f, "unknown field `{}`", short(name)),
            Self::Variant { name, .. } => write!(f, "unknown value `{}`", short(name)),
            Self::Missing(name) => write!(f, "the field `{name}` is missing"),
            Self::Bare(text) => {
                write!(f, "`{}` stands without quotes and is no number, boolean or null", short(text))
            }
            Self::Tag(tag) => write!(f, "the tag `{}` has no meaning here", short(tag)),
            Self::Custom(message, _) => f.write_str(message),
            Self::At(_, fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        if message == "invalid socket address syntax" {
            return Self::Custom("this is not an address with a port".to_owned(), Some(ADDRESS.to_owned()));
        }
        match message.split_once(", write ") {
            Some((message, fix)) => Self::Custom(message.to_owned(), Some(format!("write {fix}"))),
            None => Self::Custom(message, None),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expectation(&expected.to_string());
        let fix = conversion(found, &expected).unwrap_or_else(|| format!("write {expected}"));
        Self::Type { found: found_words(found), expected, fix }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Field { name: field.to_owned(), known: expected }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::Variant { name: variant.to_owned(), known: expected }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// How a boolean is written.
const BOOLEAN: &str = "`true` or `false`";

/// How an address with a port is written.
const ADDRESS: &str = "write it like `\"192.0.2.1:443\"` or `\"[2001:db8::1]:443\"`";

/// What was found, in the words of JSON.
fn found_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str(text) => format!("the string `\"{}\"`", short(text)),
        Unexpected::Unit => "`null`".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// The same value as the type that is expected, where it has a spelling there.
fn conversion(found: Unexpected<'_>, expected: &str) -> Option<String> {
    let plain = match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) if expected == "a list" => {
            return Some(format!("write `[\"{}\"]`", short(text)));
        }
        Unexpected::Str(text) => {
            let number = expected.starts_with("a whole number") && text.parse::<u64>().is_ok();
            let boolean = expected == BOOLEAN && matches!(text, "true" | "false");
            return (number || boolean).then(|| format!("leave the quotes away: `{text}`"));
        }
        _ => return None,
    };
    matches!(expected, "a string" | "a path as a string").then(|| format!("add quotes: `\"{plain}\"`"))
}

/// What was expected, in the words of JSON.
fn expectation(words: &str) -> String {
    match words {
        "a boolean" => BOOLEAN,
        "a sequence" => "a list",
        "path string" => "a path as a string",
        "socket address" => "an address with a port as a string",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number that is not negative",
        words if words.starts_with("struct ") => "a map",
        words => words,
    }
    .to_owned()
}

/// A text that a message quotes, cut where it gets long.
fn short(text: &str) -> String {
    /// Characters of a quoted text.
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}
