//! What types cannot say: names, references, forms of values, one-of rules.
//!
//! Each function judges one section and goes on after a problem. References are looked up in the text and not in
//! the typed value, so that a thing that is there but wrong is not also called missing.

mod access;
mod bridge;
mod depends;
mod drone;
mod forge;
mod gates;
mod generators;
mod host;
mod secrets;
mod stacks;
mod values;

use super::Manifest;
use crate::source::{Node, Problem, Source, Span, nearest};
use values::{Verdict, Wrong};

/// Adds every problem of a manifest beyond its types to those that its types have.
///
/// What follows from a problem that is told already would only confuse: nothing is said about a value that has a
/// problem inside it.
pub(super) fn all(source: &Source, root: &Node, manifest: &Manifest, told: Vec<Problem>) -> Vec<Problem> {
    let known = told.iter().map(|problem| problem.span).collect();
    let mut judge = Judge { source, root, known, told };
    host::judge(&mut judge, manifest);
    secrets::judge(&mut judge, manifest);
    generators::judge(&mut judge, manifest);
    stacks::judge(&mut judge, manifest);
    depends::judge(&mut judge, manifest);
    bridge::judge(&mut judge, manifest);
    forge::judge(&mut judge, manifest);
    drone::judge(&mut judge, manifest);
    judge.names(&["gates"], manifest.gates.keys(), values::name);
    judge.maybe(&["soak"], manifest.soak, values::most);
    for (name, gate) in &manifest.gates {
        gates::judge(&mut judge, name, gate);
    }
    judge.told
}

/// A path of keys and list positions in the manifest.
type Path<'p> = [&'p str];

struct Judge<'a> {
    source: &'a Source,
    root: &'a Node,
    /// Where the types had problems.
    known: Vec<Span>,
    told: Vec<Problem>,
}

impl<'a> Judge<'a> {
    /// Tells of something wrong with the value at a path. A value that is not there is a default: then the key of
    /// the nearest map around it is underlined.
    fn wrong(&mut self, path: &Path<'_>, wrong: Wrong) {
        match self.root.at(path) {
            Some(node) => self.tell(node.span, node.span, wrong),
            None => match path.split_last() {
                Some((_, around)) if self.root.at(around).is_some() => self.wrong_key(around, around, wrong),
                Some((_, around)) => self.wrong(around, wrong),
                None => {}
            },
        }
    }

    /// Tells of something wrong, with the last key of a path underlined; `about` is what must be free of other
    /// problems for it to be true.
    fn wrong_key(&mut self, path: &Path<'_>, about: &Path<'_>, wrong: Wrong) {
        let entry = path.split_last().and_then(|(key, map)| self.root.at(map)?.entry(key));
        let key = entry.map_or_else(|| self.root.at(path).map(Node::head), |entry| Some(entry.key_span));
        let about = self.root.at(about).map(|node| node.span);
        if let (Some(key), Some(about)) = (key, about) {
            self.tell(key, about, wrong);
        }
    }

    fn tell(&mut self, span: Span, about: Span, wrong: Wrong) {
        if !self.known.iter().any(|known| about.covers(*known) || known.covers(about)) {
            self.told.push(self.source.problem(span, wrong.message).fix(wrong.fix));
        }
    }

    fn value(&mut self, path: &Path<'_>, verdict: Verdict) {
        if let Err(wrong) = verdict {
            self.wrong(path, wrong);
        }
    }

    /// Judges a value that may be absent.
    fn maybe<T>(&mut self, path: &Path<'_>, value: Option<T>, judge: impl FnOnce(T) -> Verdict) {
        if let Some(value) = value {
            self.value(path, judge(value));
        }
    }

    /// Judges every item of a list.
    fn each<T>(&mut self, path: &Path<'_>, items: &[T], judge: impl Fn(&T) -> Verdict) {
        for (index, item) in items.iter().enumerate() {
            let index = index.to_string();
            self.value(&join(path, &[&index]), judge(item));
        }
    }

    /// Judges the names of a section.
    fn names<'n>(
        &mut self,
        path: &Path<'_>,
        names: impl Iterator<Item = &'n String>,
        judge: fn(&str) -> Verdict,
    ) {
        for name in names {
            // Looked for only where it is wrong: a map may have thousands.
            let Err(wrong) = judge(name) else { continue };
            let entry = self.root.at(path).and_then(|map| map.entry(name));
            if let Some(span) = entry.map(|entry| entry.key_span) {
                self.tell(span, span, wrong);
            }
        }
    }

    /// Judges a reference to something in a section.
    fn refers(&mut self, path: &Path<'_>, name: &str, section: &str) {
        let verdict = self.declared(name, section);
        self.value(path, verdict);
    }

    /// Whether a section has a name. A section that cannot be read, or whose own name is misspelt, is a problem of
    /// its own and may have every name.
    fn declared(&self, name: &str, section: &str) -> Verdict {
        let Some(known) = self.keys(section) else { return Ok(()) };
        let fix = match nearest::nearest(name, known.iter().copied()) {
            None => format!("declare it: `\"{section}\": {{ \"{name}\": ... }}`"),
            Some(near) => format!("write `{near}`"),
        };
        values::holds(known.contains(&name), format!("`{name}` is not in `{section}`"), fix)
    }

    /// The keys of a top-level section; None where they cannot be known.
    fn keys(&self, section: &str) -> Option<Vec<&'a str>> {
        let keys = |node: &'a Node| Some(node.as_map()?.iter().map(|entry| entry.key.as_str()).collect());
        match self.root.get(section) {
            Some(node) => keys(node),
            None if keys(self.root)?.iter().any(|key: &&str| nearest::nearest(key, [section]).is_some()) => {
                None
            }
            None => Some(Vec::new()),
        }
    }
}

/// A longer path.
fn join<'p>(path: &Path<'p>, more: &Path<'p>) -> Vec<&'p str> {
    [path, more].concat()
}
