//! `stacks.X.depends_on`: what it names exists, and nothing waits for itself.

use std::collections::BTreeSet;

use super::super::Manifest;
use super::stacks::TRAEFIK;
use super::values::{Verdict, Wrong, holds};
use super::{Judge, join};
use crate::address::{Address, Kind};
use crate::source::nearest;

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    // What is there and wrong is not also called missing.
    let is_there = judge.root.get("traefik").is_some() || judge.keys("traefik").is_none();
    let proxy = is_there.then_some(TRAEFIK);
    let known: Vec<&str> = judge.keys("stacks").into_iter().flatten().chain(proxy).collect();
    for (name, stack) in &manifest.stacks {
        let at = ["stacks", name, "depends_on"];
        for (index, text) in stack.depends_on.iter().enumerate() {
            judge.value(&join(&at, &[&index.to_string()]), dependency(text, name, &known));
        }
        if let Some(circle) = circle(manifest, name) {
            let circle = circle.iter().map(|stack| format!("`stack.{stack}`")).collect::<Vec<_>>();
            let message = format!("stacks wait for each other in a circle: {}", circle.join(" -> "));
            judge.value(&at, Err(Wrong { message, fix: "take one of them out of `depends_on`".to_owned() }));
        }
    }
}

fn dependency(text: &str, own: &str, known: &[&str]) -> Verdict {
    let address = text.parse::<Address>().ok().filter(|address| {
        address.outer.kind == Kind::Stack
            && address.inner.as_ref().is_none_or(|inner| inner.kind == Kind::Service)
    });
    let Some(address) = address else {
        let message = format!("`{text}` is nothing that a stack can depend on");
        return Err(Wrong { message, fix: "write `stack.NAME` or `stack.NAME/service.NAME`".to_owned() });
    };
    let stack = address.outer.name.as_str();
    holds(
        stack != own,
        format!("the stack `{own}` cannot wait for itself"),
        "use `depends_on` in its compose file for services of one stack",
    )?;
    let fix = nearest::nearest(stack, known.iter().copied())
        .map_or_else(|| "declare it in `stacks`".to_owned(), |near| format!("write `stack.{near}`"));
    holds(known.contains(&stack), format!("`{stack}` is not in `stacks`"), fix)
}

/// The circle that a stack is part of, told at the first of its names; a stack that names itself is told otherwise.
fn circle(manifest: &Manifest, from: &str) -> Option<Vec<String>> {
    let mut path = vec![from.to_owned()];
    let mut seen = BTreeSet::new();
    let found = search(manifest, from, &mut path, &mut seen);
    let first = path.iter().min().is_some_and(|least| least == from);
    (found && first && path.len() > 2).then_some(path)
}

/// Looks for a way back to the first of `path`, whose last it goes on from.
fn search(manifest: &Manifest, from: &str, path: &mut Vec<String>, seen: &mut BTreeSet<String>) -> bool {
    let section = path.last().and_then(|last| manifest.stacks.get(last));
    let next = section.into_iter().flat_map(|stack| &stack.depends_on);
    for address in next.filter_map(|text| text.parse::<Address>().ok()) {
        let name = address.outer.name;
        // Names before the first have told of their own circles.
        if name.as_str() < from || (name != from && !seen.insert(name.clone())) {
            continue;
        }
        path.push(name.clone());
        if name == from || search(manifest, from, path, seen) {
            return true;
        }
        path.pop();
    }
    false
}
