//! Proves: a manifest is read whole or refused with every problem at its place.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod limits;
mod missing;
mod product;
mod rules;
mod schema;

use std::path::Path;

use holdfast::manifest::{self, Loaded};
use holdfast::source::{Limits, Node, Problem, Source, parse};

/// The manifest that uses every section and every field.
const FULL: &str = include_str!("../../golden/manifest/full.json");

/// Where relative paths start.
const BASE: &str = "/etc/holdfast";

fn load(text: &str) -> Result<Loaded, Vec<Problem>> {
    manifest::load(&Source::new("m.json", text), Path::new(BASE))
}

/// The tree of a text.
fn tree(text: &str) -> Node {
    parse(&Source::new("m.json", text), Limits::default()).expect("the text is readable").remove(0)
}

/// `start-end: message` of each problem.
fn told(text: &str) -> Vec<String> {
    let problems = load(text).err().unwrap_or_default();
    problems.iter().map(|p| format!("{}-{}: {}", p.span.start, p.span.end, p.message)).collect()
}

/// A text with some ranges replaced; the ranges do not overlap. Returns where the replacements came to stand.
fn replaced(text: &str, edits: &[(usize, usize, String)]) -> (String, Vec<(usize, usize)>) {
    let mut edits = edits.to_vec();
    edits.sort();
    let (mut new, mut places, mut at) = (String::new(), Vec::new(), 0);
    for (start, end, with) in edits {
        new += &text[at..start];
        places.push((new.len(), new.len() + with.len()));
        new += &with;
        at = end;
    }
    new += &text[at..];
    (new, places)
}
