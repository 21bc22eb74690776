//! What a pipeline says of itself: which runner takes it, which events begin it, what its steps do.

use crate::source::{Node, Problem, Source};

/// The event of a build that was asked for by name, as the bridge does.
pub(super) const CUSTOM: &str = "custom";
/// Events that somebody without any right can cause.
const BY_ANYBODY: &str = "pull_request";
/// Fields of a pipeline that only runners with containers read.
const CONTAINERS: [&str; 3] = ["image_pull_secrets", "services", "volumes"];
/// Kinds of documents beside pipelines.
const OTHERS: [&str; 3] = ["secret", "signature", "template"];

pub(super) fn lint(source: &Source, documents: &[Node]) -> Vec<Problem> {
    let mut judge = Judge { source, problems: Vec::new() };
    let mut pipelines = 0;
    for document in documents {
        judge.merged(document);
        match text(document.get("kind")) {
            Some("pipeline") => {
                pipelines += 1;
                judge.pipeline(document);
            }
            Some(kind) if OTHERS.contains(&kind) => {}
            _ => judge.kind(document),
        }
    }
    if pipelines == 0 && judge.problems.is_empty() {
        let problem = source.problem(crate::source::Span::default(), "there is no pipeline in this file");
        judge.problems.push(problem.fix("begin one with `kind: pipeline` and `type: exec`"));
    }
    judge.problems
}

pub(super) struct Judge<'s> {
    pub(super) source: &'s Source,
    pub(super) problems: Vec<Problem>,
}

impl Judge<'_> {
    pub(super) fn error(&mut self, node: &Node, message: impl Into<String>, fix: &str) {
        self.problems.push(self.source.problem(node.head(), message).fix(fix));
    }

    pub(super) fn warn(&mut self, node: &Node, message: impl Into<String>, fix: &str) {
        self.problems.push(self.source.problem(node.head(), message).warning().fix(fix));
    }

    /// Drone follows merge keys, this does not: what one brings in would be judged as if it were not there.
    fn merged(&mut self, node: &Node) {
        for entry in node.as_map().unwrap_or_default() {
            if entry.key == "<<" {
                let message = "what `<<` brings in is not looked at here, and Drone reads it";
                let problem = self.source.problem(entry.key_span, message).warning();
                self.problems.push(problem.fix("write it out"));
            }
            self.merged(&entry.value);
        }
        for item in node.as_list().unwrap_or_default() {
            self.merged(item);
        }
    }

    fn kind(&mut self, document: &Node) {
        let node = document.get("kind").unwrap_or(document);
        self.error(
            node,
            "a document of a pipeline file has a `kind` that Drone knows",
            "write `kind: pipeline`",
        );
    }

    fn pipeline(&mut self, pipeline: &Node) {
        self.runner(pipeline);
        self.events(pipeline);
        for field in ["node", "node_selector"] {
            if let Some(node) = pipeline.get(field) {
                let message = format!(
                    "a runner whose labels are not exactly those of `{field}` never takes this pipeline"
                );
                self.warn(
                    node,
                    message,
                    "give the runner these labels, all of them and no others, or leave it out",
                );
            }
        }
        if let Some(concurrency) = pipeline.get("concurrency").and_then(|node| node.get("limit")) {
            self.warn(
                concurrency,
                "builds of other pull requests wait for this one",
                "limit builds by the runner's capacity",
            );
        }
        let steps = pipeline.get("steps").and_then(Node::as_list).unwrap_or_default();
        if steps.is_empty() {
            self.error(
                pipeline,
                "a pipeline without steps is green and has tested nothing",
                "give it `steps`",
            );
        }
        self.steps(steps);
        for field in CONTAINERS {
            if let Some(node) = pipeline.get(field) {
                let message = format!("`{field}` is for containers, and the exec runner passes it over");
                self.warn(node, message, "leave it out, and start what it needs in a step");
            }
        }
    }

    /// A pipeline without a type is one for containers, which the exec runner never takes.
    fn runner(&mut self, pipeline: &Node) {
        let fix = "write `type: exec`";
        match (pipeline.get("type"), text(pipeline.get("type"))) {
            (_, Some("exec")) => {}
            (Some(node), _) => {
                self.warn(node, "the exec runner takes pipelines of the type `exec` alone", fix);
            }
            (None, _) => {
                self.warn(
                    pipeline,
                    "without a type this is a pipeline for docker, which the exec runner never takes",
                    fix,
                );
            }
        }
    }

    fn events(&mut self, pipeline: &Node) {
        let fix = "write `trigger: { event: [custom] }`";
        let Some(event) = pipeline.get("trigger").and_then(|trigger| trigger.get("event")) else {
            let at = pipeline.get("trigger").unwrap_or(pipeline);
            return self.error(
                at,
                "this pipeline runs for every event, pull requests of strangers among them",
                fix,
            );
        };
        let Some(included) = included(event) else {
            return self.error(event, "this pipeline runs for every event that is not excluded", fix);
        };
        for node in &included {
            match text(Some(node)) {
                Some(CUSTOM) => {}
                Some(BY_ANYBODY) => {
                    let message =
                        "this pipeline runs what anybody puts into a pull request, without a comment";
                    self.error(node, message, fix);
                }
                Some(pattern) if pattern.contains(['*', '?', '[']) => {
                    let message =
                        format!("`{pattern}` is a pattern: this pipeline runs for every event that it fits");
                    self.error(node, message, fix);
                }
                other => {
                    let name = other.unwrap_or_default();
                    let message = format!("this pipeline runs for `{name}` too, without a comment");
                    self.warn(node, message, fix);
                }
            }
        }
        if !included.iter().any(|node| text(Some(node)) == Some(CUSTOM)) {
            self.error(event, "no build of the bridge begins this pipeline: its event is `custom`", fix);
        }
    }
}

/// The events of a condition that names what it includes; nothing where it only excludes.
pub(super) fn included(event: &Node) -> Option<Vec<&Node>> {
    let listed = match event.as_map() {
        Some(_) => event.get("include")?,
        None => event,
    };
    let nodes = listed.as_list().map_or_else(|| vec![listed], |items| items.iter().collect());
    (!nodes.is_empty()).then_some(nodes)
}

pub(super) fn text(node: Option<&Node>) -> Option<&str> {
    Some(node?.as_scalar()?.text.as_str())
}
