//! Proves: what `holdfast check` calls pasted in a pipeline is what the real runner pastes, and no more.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use holdfast::pipeline::lint;
use holdfast::source::Source;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tempfile::TempDir;

use crate::forge::peers::runner_program;

/// A value of the runner that its command line sets.
const NAME: &str = "DRONE_REPO_NAME";
/// Texts that are tried beside those that are written here.
const SAMPLE: usize = 150;

fn pipeline(text: &str) -> String {
    format!(
        "kind: pipeline\ntype: exec\nname: default\ntrigger: {{event: [custom]}}\nclone: {{disable: true}}\nsteps:\n- \
         name: x\n  commands:\n  - |-\n    {text}\n"
    )
}

/// The steps that the runner makes of the file; nothing where it refuses it.
fn steps(folder: &TempDir, flag: &str) -> Option<Vec<Value>> {
    let mut command = Command::new(runner_program());
    command.current_dir(folder.path()).args(["compile", "--stage-kind=pipeline", "--stage-type=exec", flag]);
    let output = command.args([".", "p.yml"]).output().expect("the runner starts");
    let whole: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(whole["steps"].as_array().expect("steps").clone())
}

/// What the runner makes of the file with this value; nothing where it refuses it.
fn compiled(folder: &TempDir, value: &str) -> Option<Value> {
    let steps = steps(folder, &format!("--repo-name={value}"))?;
    let step = steps.iter().find(|step| step["name"] == "x").expect("the step");
    let files = step["files"].as_array().expect("the script of the step");
    Some(files.iter().map(|file| file["data"].clone()).collect())
}

/// Two values with nothing in common: whether the script depends on the value. Nothing where the runner refuses the file.
fn pastes(text: &str) -> Option<bool> {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("p.yml"), pipeline(text)).expect("written");
    Some(compiled(&folder, "abcde")? != compiled(&folder, "yz")?)
}

fn told(text: &str) -> bool {
    let found = lint(&Source::new("p.yml", pipeline(text)), &BTreeSet::from([NAME.to_owned()]));
    found.iter().any(|problem| problem.message.contains(&format!("`{NAME}` is set by a comment")))
}

#[test]
fn what_is_told_as_pasted_is_what_the_real_runner_pastes() {
    let spelled = [
        "$N",
        "${N}",
        "$${N}",
        "$$${N}",
        "$$$${N}",
        "$$$$$${N}",
        "{$N}",
        "$ {N}",
        "\\${N}",
        "${N:-a}",
        "${N=b}",
        "${#N}",
        "${N:0:2}",
        "${N^^}",
        "${N,}",
        "${N/a/b}",
        "${N//b/c}",
        "${N%e}",
        "${N##a}",
        "${Z:-${N}}",
        "$${Z:-${N}}",
        "${Z=${N}}",
        "${N}$${N}",
        "$${N}${N}",
        "x$$y${N}",
        "${XN}",
        "${Z:-x}",
    ];
    for text in spelled {
        let text = text.replace('N', NAME);
        let pasted = pastes(&text).unwrap_or_else(|| panic!("the runner refuses {text}"));
        assert_eq!(told(&text), pasted, "{text}");
    }
    let piece = proptest::sample::select(vec![
        "$", "$$", "${N}", "$${N}", "{", "}", "${Z:-", "${#N}", "N", "#", " ", "a",
    ]);
    let texts = proptest::collection::vec(piece, 1..7);
    let mut runner = TestRunner::new(Config::default());
    let mut judged = [0, 0];
    for _ in 0..SAMPLE {
        let text = texts.new_tree(&mut runner).expect("a text").current().concat().replace('N', NAME);
        // A line that is empty, or a comment, is another matter; and what the runner refuses is never run.
        let Some(pasted) = pastes(&format!("x{text}")) else { continue };
        assert_eq!(told(&format!("x{text}")), pasted, "{text}");
        judged[usize::from(pasted)] += 1;
    }
    eprintln!(
        "{} of {SAMPLE} texts were taken by the runner; of {} it pasted a value",
        judged[0] + judged[1],
        judged[1]
    );
    assert!(judged.iter().all(|count| *count > SAMPLE / 20), "too few on one side: {judged:?}");
}

/// What the runner makes of a pipeline with these steps for a build that a comment asks for; whether `check` tells of it.
fn judged(text: &str) -> (Option<Vec<Value>>, Vec<String>) {
    let folder = TempDir::new().expect("a folder");
    let text = format!(
        "kind: pipeline\ntype: exec\nname: default\ntrigger: {{event: [custom]}}\nclone: {{disable: true}}\nsteps:\n{text}"
    );
    fs::write(folder.path().join("p.yml"), &text).expect("written");
    let found = lint(&Source::new("p.yml", text), &BTreeSet::new());
    (steps(&folder, "--build-event=custom"), found.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn what_is_told_of_steps_is_what_the_real_runner_makes_of_them() {
    const PLAIN: &str = "- {name: x, commands: [a]}\n";
    // `RunNever` of the runner.
    const NEVER: u64 = 3;
    let one = |text: &str| {
        let (steps, told) = judged(text);
        let step = steps.unwrap_or_else(|| panic!("the runner refuses {text}")).remove(0);
        (step, told.concat())
    };
    let (plain, told) = one(PLAIN);
    assert!(told.is_empty() && plain["run_policy"].is_null() && plain["detach"].is_null(), "{told} {plain}");
    let with = |more: &str| one(&format!("- {{name: x, commands: [a], {more}}}\n"));
    let (step, told) = with("when: {event: [push]}");
    assert!(step["run_policy"] == NEVER && told.contains("passes this step over"), "{told} {step}");
    let (step, told) = with("when: {event: [push, custom]}");
    assert!(step["run_policy"].is_null() && told.is_empty(), "{told} {step}");
    let (step, told) = with("detach: true");
    assert!(step["detach"] == true && told.contains("does not wait"), "{told} {step}");
    let (step, told) = with("privileged: true, settings: {a: b}");
    let script = |step: &Value| step["files"][0]["data"].clone();
    assert_eq!((script(&step), &step["command"]), (script(&plain), &plain["command"]));
    assert!(told.contains("runs the commands on the host"), "{told}");
    for refused in
        ["- {commands: [a]}\n", "- {name: x, image: alpine, commands: [a]}\n", &format!("{PLAIN}{PLAIN}")]
    {
        let (steps, told) = judged(refused);
        assert!(steps.is_none() && told.concat().contains("ends the build"), "{refused}: {told:?}");
    }
    // What a merge key brings in is what the runner does.
    let (step, told) = with("<<: {detach: true}");
    assert!(step["detach"] == true && told.contains("`<<`"), "{told} {step}");
}
