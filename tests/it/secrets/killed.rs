//! Proves: killed at any call that changes a file, a reader sees all of the old or all of the new, and the next
//! installation leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::secrets::{FilesError, render_templates};

use super::installed::{declared, generations, unlocked};
use super::{Run, observe, put, template};
use crate::support::kill::{End, at};

/// Calls that the installation makes and that change something.
const CALLS: [&str; 9] =
    ["mkdir", "mkdirat", "mount", "fchown", "fchmod", "write", "symlinkat", "renameat", "unlinkat"];

const RUN: &str = "HOLDFAST_TEST_RUN";

fn install(run: &Path, version: &str) -> Result<(), FilesError> {
    let mut manifest = declared(&["a", "b"]);
    manifest.templates.insert("t".to_owned(), template("{{ a }}"));
    let mut unlocked = unlocked(&[("a", version), ("b", version)]);
    render_templates(&manifest, &mut unlocked);
    put(run, &manifest, &unlocked)
}

/// The process that is killed: this very test binary, told to run nothing but [`the_process_that_is_killed`].
fn process(run: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "--ignored", "secrets::killed::the_process_that_is_killed"]).env(RUN, run);
    command
}

#[test]
#[ignore = "started by the tests in this file, to be killed"]
fn the_process_that_is_killed() {
    let run = PathBuf::from(std::env::var_os(RUN).expect("set by the test that starts this"));
    install(&run, "new").expect("installed");
}

/// Kills at every call of every kind; gives the number of times that it did.
fn kill_everywhere(prepare: impl Fn(&Run), allowed: &[Option<&str>]) -> usize {
    let mut kills = 0;
    for call in CALLS {
        for nth in 1.. {
            let run = Run::new();
            prepare(&run);
            let end = at(&process(run.path()), call, nth);
            let seen = ["a", "b", "rendered/t"].map(|name| run.read(name));
            let place = format!("killed at {call} {nth}");
            assert!(seen.iter().all(|value| *value == seen[0]), "{place}: {seen:?}");
            assert!(allowed.contains(&seen[0].as_deref()), "{place}: {seen:?}");

            install(run.path(), "new").unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(run.read("b").as_deref(), Some("new"), "{place}");
            assert_eq!(generations(&run).len(), 1, "{place}");
            let names = fs::read_dir(run.path()).expect("the run folder").count();
            assert_eq!(names, 2, "{place}: something else than the link and the generations is left");
            assert!(observe(run.path()).len() == 3, "{place}");
            if end == End::Finished {
                break;
            }
            kills += 1;
        }
    }
    kills
}

#[test]
fn over_an_older_generation() {
    let prepare = |run: &Run| install(run.path(), "old").expect("installed");
    let kills = kill_everywhere(prepare, &[Some("old"), Some("new")]);
    println!("killed {kills} times");
    assert!(kills >= 20, "only {kills} places");
}

#[test]
fn on_a_fresh_boot() {
    let kills = kill_everywhere(|_| {}, &[None, Some("new")]);
    println!("killed {kills} times");
    assert!(kills >= 15, "only {kills} places");
}
