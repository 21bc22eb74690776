//! Where the content of a config comes from besides a file.

use super::super::interpolate::Environment;
use super::super::model::{Object, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;

/// Puts the value of the variable that `environment` names in the place of `content`, and refuses two sources.
pub(in super::super) fn fill(
    object: &mut Object,
    variable: Option<At<String>>,
    env: &Environment,
    log: &mut Log,
) {
    let sources = [("content", object.content.as_ref()), ("environment", variable.as_ref())];
    let written = sources.iter().filter_map(|(key, at)| at.map(|at| (*key, at.place)));
    let other =
        if is_true(&object.external) { Some("external: true") } else { object.file.as_ref().map(|_| "file") };
    for (at, (key, place)) in written.enumerate() {
        if let Some(other) = other.or((at > 0).then_some("content")) {
            let message = format!("`{key}` stands beside `{other}`, and a config has one content");
            log.rule(Rule::NewerSpelling, place, message, format!("remove `{key}`, or remove `{other}`"));
        }
    }
    if let Some(variable) = variable {
        let Some(value) = env.get(&variable.value) else {
            let message = format!("the variable `{}` is not set", variable.value);
            log.rule(
                Rule::NewerSpelling,
                variable.place,
                message,
                format!("declare `{}` in `env` of the stack", variable.value),
            );
            object.broken = true;
            return;
        };
        object.content = Some(At::new(value.clone(), variable.place));
    }
    if let Some(empty) = object.content.as_ref().filter(|content| content.value.is_empty()) {
        log.rule(
            Rule::NewerSpelling,
            empty.place,
            "the content is empty, which the engine refuses",
            "write something into it",
        );
    }
}
