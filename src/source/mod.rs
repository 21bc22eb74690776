//! YAML and JSON text as trees that know where each value stands.
//!
//! JSON is read as the subset of YAML that it is. A [`Node`] keeps scalars as they are written (text and
//! quoting), because what `0440` or `yes` means depends on the reader: the manifest reads JSON types,
//! `compose` reads what docker reads. [`Problem`]s point at a [`Span`] and render with the text underlined.

mod ascii;
mod decode;
mod deserializer;
mod fault;
mod made_up;
pub mod nearest;
mod node;
mod offsets;
mod parse;
mod problem;
mod render;
mod told;

pub use decode::{MOST_PROBLEMS, decode};
pub use node::{Entry, Node, Scalar, Span, Value};
pub use parse::{Limits, parse, parse_hearing};
pub use problem::{Problem, Severity, Source, Text};
pub use told::ToldProblem;
