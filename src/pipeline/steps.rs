//! What the steps of a pipeline do, and what they only seem to do.

use std::collections::BTreeSet;

use super::FIXED;
use super::shape::{CUSTOM, Judge, included, text};
use crate::source::{Entry, Node};

/// Fields of a step that only runners with containers read.
const CONTAINERS: [&str; 4] = ["privileged", "pull", "settings", "volumes"];

impl Judge<'_> {
    pub(super) fn steps(&mut self, steps: &[Node]) {
        let mut names = BTreeSet::new();
        for step in steps {
            self.name(step, &mut names);
            self.commands(step);
            self.ends(step);
            self.on_the_host(step);
            for entry in step.get("environment").and_then(Node::as_map).unwrap_or_default() {
                self.variable(entry);
            }
        }
    }

    fn name<'n>(&mut self, step: &'n Node, names: &mut BTreeSet<&'n str>) {
        let name = text(step.get("name")).unwrap_or_default();
        let at = step.get("name").unwrap_or(step);
        if name.is_empty() {
            self.error(at, "a step without a name ends the build before its first step", "give it a `name`");
        } else if !names.insert(name) {
            let message = format!("a second step `{name}` ends the build before its first step");
            self.error(at, message, "give each step a name of its own");
        }
    }

    fn commands(&mut self, step: &Node) {
        match step.get("commands") {
            None => {
                self.warn(step, "a step without `commands` is green and does nothing", "give it `commands`");
            }
            Some(commands) if commands.as_list().is_some_and(<[Node]>::is_empty) => {
                self.warn(
                    commands,
                    "a step without a command is green and does nothing",
                    "write one, or leave the step out",
                );
            }
            Some(_) => {}
        }
    }

    /// Steps whose end says nothing about the build, or that never begin.
    fn ends(&mut self, step: &Node) {
        if let Some(failure) = step.get("failure")
            && text(Some(failure)).is_some_and(|text| text.eq_ignore_ascii_case("ignore"))
        {
            self.warn(failure, "the build is green when this step fails", "leave `failure: ignore` out");
        }
        if let Some(detach) = step.get("detach")
            && text(Some(detach)) == Some("true")
        {
            self.warn(
                detach,
                "the build does not wait for this step, and is green when it fails",
                "leave `detach` out",
            );
        }
        let when = step.get("when").and_then(|when| when.get("event"));
        if let Some(event) = when
            && let Some(named) = included(event)
            && !named.iter().any(|node| text(Some(node)) == Some(CUSTOM))
        {
            let message = "a build that a comment asks for passes this step over: its event is `custom`";
            self.warn(event, message, "add `custom`, or leave the step out");
        }
    }

    fn on_the_host(&mut self, step: &Node) {
        if let Some(image) = step.get("image") {
            let message = "a step with an `image` ends the build before its first step: the exec runner has no containers";
            self.error(image, message, "leave it out");
        }
        for field in CONTAINERS {
            if let Some(node) = step.get(field) {
                let message = format!(
                    "`{field}` is for containers: the exec runner passes it over and runs the commands on the host"
                );
                self.warn(node, message, "leave it out");
            }
        }
    }

    fn variable(&mut self, entry: &Entry) {
        if FIXED.contains(&entry.key.as_str()) {
            let message = format!("`{}` is set by the bridge, and this is another value for it", entry.key);
            let problem = self.source.problem(entry.key_span, message).warning();
            self.problems.push(problem.fix("give the variable another name"));
        }
    }
}
