use std::collections::BTreeSet;

use proptest::prelude::*;

use super::pasted::pasted;
use super::{is_pipeline, lint};
use crate::source::{Severity, Source};

const GOOD: &str = "kind: pipeline
type: exec
name: testme
trigger: {event: [custom]}
steps:
- name: show
  commands:
  - git checkout \"$REF\" # $${REF}, ${DRONE_BUILD_NUMBER}
";

fn problems(text: &str, parameters: &[&str]) -> Vec<(Severity, String)> {
    let parameters: BTreeSet<String> = parameters.iter().map(|name| (*name).to_owned()).collect();
    let found = lint(&Source::new(".drone.yml", text), &parameters);
    assert!(found.iter().all(|problem| problem.fix.is_some()), "a problem without a fix");
    found.into_iter().map(|problem| (problem.severity, problem.to_string())).collect()
}

/// The one problem of the good pipeline with a text replaced.
fn one(from: &str, to: &str) -> (Severity, String) {
    assert!(GOOD.contains(from), "{from}");
    let found = problems(&GOOD.replace(from, to), &["RECIPE"]);
    assert_eq!(found.len(), 1, "{to}: {found:?}");
    found.into_iter().next().unwrap_or((Severity::Warning, String::new()))
}

#[test]
fn a_pipeline_that_reads_its_parameters_in_the_shell_has_no_problem() {
    assert_eq!(problems(GOOD, &["RECIPE"]), []);
}

#[test]
fn what_a_comment_sets_is_not_pasted_into_the_file_however_it_is_spelled() {
    for spelling in [
        "${REF}",
        "$$${REF}",
        "${PR}",
        "${TESTME_ID}",
        "${RECIPE}",
        "${RECIPE:-nextcloud}",
        "${RECIPE:0:3}",
        "${#RECIPE}",
        "${RECIPE^^}",
        "${RECIPE/a/b}",
        "$${A}${RECIPE%c}",
    ] {
        let (severity, words) = one("\"$REF\"", spelling);
        assert_eq!(severity, Severity::Error, "{spelling}");
        assert!(words.contains("is set by a comment"), "{spelling}: {words}");
    }
    let inner = problems(&GOOD.replace("\"$REF\"", "${DRONE_STAGE_NAME:-${REF}}"), &[]);
    assert!(matches!(inner.as_slice(), [(Severity::Error, words)] if words.contains("`REF`")), "{inner:?}");
    // In a comment as well: a value with a line break would end it.
    assert!(one("name: testme", "name: testme # ${REF}").1.starts_with(".drone.yml:3:16: "));
}

#[test]
fn what_somebody_wrote_is_not_pasted_either_and_other_names_are_told() {
    assert_eq!(one("\"$REF\"", "${DRONE_COMMIT_MESSAGE}").0, Severity::Error);
    assert_eq!(one("\"$REF\"", "${HOME}").0, Severity::Warning);
    for nothing in ["$REF", "$${REF}", "$$$${REF}", "{$REF}", "$ {REF}", "${ REF }", "${DRONE_BUILD_NUMBER}"]
    {
        assert_eq!(problems(&GOOD.replace("\"$REF\"", nothing), &[]), [], "{nothing}");
    }
}

#[test]
fn only_the_event_of_the_bridge_begins_the_pipeline() {
    let trigger = "trigger: {event: [custom]}";
    for good in ["trigger: {event: custom}", "trigger: {event: {include: [custom]}}"] {
        assert_eq!(problems(&GOOD.replace(trigger, good), &[]), [], "{good}");
    }
    for (bad, says) in [
        ("", "every event"),
        ("trigger: {branch: main}", "every event"),
        ("trigger: {event: {exclude: [push]}}", "not excluded"),
        ("trigger: {event: []}", "not excluded"),
        ("trigger: {event: [custom, pull_request]}", "anybody"),
        ("trigger: {event: [custom, 'pull_*']}", "pattern"),
    ] {
        let (severity, words) = one(trigger, bad);
        assert!(severity == Severity::Error && words.contains(says), "{bad}: {words}");
    }
    let (severity, words) = one(trigger, "trigger: {event: [custom, cron]}");
    assert!(severity == Severity::Warning && words.contains("`cron`"), "{words}");
    let found = problems(&GOOD.replace(trigger, "trigger: {event: push}"), &[]);
    assert!(
        found.iter().any(|(severity, words)| *severity == Severity::Error && words.contains("`custom`")),
        "{found:?}"
    );
}

#[test]
fn what_is_green_and_tests_nothing_is_told() {
    let commands = "  commands:\n  - git checkout \"$REF\" # $${REF}, ${DRONE_BUILD_NUMBER}\n";
    for (from, to, says) in [
        ("type: exec\n", "", "for docker"),
        ("type: exec", "type: docker", "`exec` alone"),
        (commands, "  commands: []\n", "without a command"),
        (commands, "", "without `commands`"),
        (commands, &format!("  failure: ignore\n{commands}"), "when this step fails"),
        (commands, &format!("  environment: {{REF: main}}\n{commands}"), "another value"),
        ("name: testme\n", "name: testme\nnode: {role: ci}\n", "labels"),
        ("name: testme\n", "name: testme\nconcurrency: {limit: 1}\n", "wait"),
    ] {
        let (severity, words) = one(from, to);
        assert!(severity == Severity::Warning && words.contains(says), "{to}: {words}");
    }
    let show = "- name: show\n";
    for (to, says) in [
        ("- name: show\n  detach: true\n", "does not wait"),
        ("- name: show\n  failure: IGNORE\n", "when this step fails"),
        ("- name: show\n  when: {event: [push, tag]}\n", "passes this step over"),
        ("- name: show\n  privileged: true\n", "on the host"),
        ("- name: show\n  settings: {a: b}\n", "on the host"),
        ("- name: show\n  <<: {failure: ignore}\n", "`<<`"),
    ] {
        let (severity, words) = one(show, to);
        assert!(severity == Severity::Warning && words.contains(says), "{to}: {words}");
    }
    let (severity, words) = one("name: testme\n", "name: testme\nservices: [{name: db, image: postgres}]\n");
    assert!(severity == Severity::Warning && words.contains("`services`"), "{words}");
    for when in ["custom", "[custom, push]", "{include: [custom]}", "{exclude: [push]}"] {
        let step = format!("- name: show\n  detach: false\n  when: {{event: {when}}}\n");
        assert_eq!(problems(&GOOD.replace(show, &step), &[]), [], "{when}");
    }
    let (severity, words) = one("kind: pipeline", "kind: recipe");
    assert!(severity == Severity::Error && words.contains("`kind`"), "{words}");
    let steps = GOOD.find("steps:").map(|at| GOOD.split_at(at).0).unwrap_or_default();
    assert!(
        matches!(problems(steps, &[]).as_slice(), [(Severity::Error, words)] if words.contains("without steps"))
    );
    assert_eq!(problems("kind: secret\nname: a\n", &[]).len(), 1);
    assert_eq!(problems(&format!("{GOOD}---\nkind: secret\nname: a\n---\n"), &[]), []);
}

#[test]
fn what_the_runner_refuses_is_told() {
    for (from, to, says) in [
        ("- name: show\n  commands:", "- commands:", "without a name"),
        ("name: show", "name: show\n  image: alpine", "no containers"),
        (
            "trigger: {event: [custom]}\nsteps:\n",
            "trigger: {event: [custom]}\nsteps:\n- {name: show, commands: [a]}\n",
            "a second step",
        ),
    ] {
        let (severity, words) = one(from, to);
        assert!(severity == Severity::Error && words.contains(says), "{to}: {words}");
    }
}

#[test]
fn a_text_with_a_kind_is_a_pipeline_and_a_manifest_is_none() {
    for (text, is) in [
        (GOOD, true),
        ("kind: secret\n---\nkind: pipeline\n", true),
        ("{\"version\": 1}", false),
        ("kind", false),
        ("", false),
        ("[", false),
    ] {
        assert_eq!(is_pipeline(&Source::new("m", text)), is, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_ends_the_scan_or_leads_out_of_it(text in "[${}#A-C:\\-é \n]{0,60}") {
        for found in pasted(&text) {
            let at = text.get(found.span.start..found.span.end).unwrap_or_default();
            prop_assert!(at.starts_with("${") && at.ends_with(&found.name), "{at} is not the place of {}", found.name);
        }
        let twice = [(); 2].map(|()| lint(&Source::new("p", text.as_str()), &BTreeSet::new()).len());
        prop_assert_eq!(twice[0], twice[1]);
    }
}
