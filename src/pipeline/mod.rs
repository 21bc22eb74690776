//! What a pipeline of Drone must not do where comments make its builds.
//!
//! The exec runner runs steps on the host, and pastes `${NAME}` into the text of the file before it reads it as YAML. So a
//! file that is harmless for a push can be a command line for whoever may comment. [`lint`] judges the file as it is committed.

mod pasted;
mod shape;
mod steps;

use std::collections::BTreeSet;

use crate::source::{Limits, Node, Problem, Severity, Source, Value, parse};

/// Parameters that every build of the bridge has.
pub const FIXED: [&str; 3] = ["PR", "REF", "TESTME_ID"];

/// True for a text that holds a pipeline and no manifest: some document of it is a map with a `kind`.
#[must_use]
pub fn is_pipeline(source: &Source) -> bool {
    documents(source).is_ok_and(|documents| documents.iter().any(|document| document.get("kind").is_some()))
}

/// Every problem of a pipeline, first by place. `parameters` are the names that a comment may set, beside [`FIXED`].
///
/// Names that are substituted are found in the bytes, comments included, as the runner does; everything else is judged in
/// the tree that those bytes are before anything is pasted.
#[must_use]
pub fn lint(source: &Source, parameters: &BTreeSet<String>) -> Vec<Problem> {
    let mut problems = pasted::lint(source, parameters);
    match documents(source) {
        Ok(documents) => problems.extend(shape::lint(source, &documents)),
        Err(problem) => problems.push(problem),
    }
    problems.sort_by_key(|problem| (problem.span.start, problem.severity == Severity::Warning));
    problems
}

/// The documents that hold something; `---` at the end makes one that does not.
fn documents(source: &Source) -> Result<Vec<Node>, Problem> {
    let mut documents = parse(source, Limits::default())?;
    documents.retain(
        |document| !matches!(&document.value, Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty()),
    );
    Ok(documents)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
