//! Text → manifest, or every problem at once.

use std::path::Path;

use super::{Manifest, check, relative};
use crate::source::{self, Limits, MOST_PROBLEMS, Node, Problem, Source};

/// A manifest that passed every check which needs no other file and no host.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The manifest, with absolute paths.
    pub manifest: Manifest,
    /// Its text.
    pub source: Source,
    /// Its tree, for problems that are found later.
    pub root: Node,
}

impl Loaded {
    /// A problem at a place of the manifest, given as an RFC 6901 JSON pointer (`/stacks/web/compose/0`). Where
    /// the place does not exist, the nearest one around it is underlined.
    #[must_use]
    pub fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        self.source.problem(self.root.nearest(pointer).span, message)
    }
}

/// Reads and checks a manifest. Relative paths in it are relative to `base`, which is absolute.
///
/// # Errors
/// Every problem of the text, in its order; at most [`MOST_PROBLEMS`].
pub fn load(source: &Source, base: &Path) -> Result<Loaded, Vec<Problem>> {
    match examine(source, base) {
        (Some(loaded), problems) if problems.is_empty() => Ok(loaded),
        (_, problems) => Err(problems),
    }
}

/// As [`load`], but a manifest that could be read in spite of its problems comes with them, for whoever goes on to look
/// for more.
#[must_use]
pub fn examine(source: &Source, base: &Path) -> (Option<Loaded>, Vec<Problem>) {
    let root = match document(source) {
        Ok(root) => root,
        Err(problem) => return (None, vec![problem]),
    };
    let (manifest, mut problems) = source::decode::<Manifest>(source, &root);
    if let Some(manifest) = &manifest {
        problems = check::all(source, &root, manifest, problems);
    }
    problems.sort_by_key(|problem| problem.span);
    problems.truncate(MOST_PROBLEMS);
    let loaded = manifest.map(|mut manifest| {
        relative::resolve(&mut manifest, base);
        Loaded { manifest, source: source.clone(), root }
    });
    (loaded, problems)
}

/// The one document of the text.
fn document(source: &Source) -> Result<Node, Problem> {
    let mut nodes = source::parse(source, Limits::default())?.into_iter();
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => Ok(node),
        (None, _) => {
            Err(source.problem(source::Span::default(), "the file is empty").fix("see `holdfast schema`"))
        }
        (_, Some(second)) => {
            Err(source.problem(second.span, "a second document stands here").fix("keep one"))
        }
    }
}
