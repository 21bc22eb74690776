//! Proves: killed at any call that changes a file, a reader sees all of the old or all of the new, and the next
//! installation leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::observed::LinkSeen;
use holdfast::secrets::{FilesError, files, render_templates};

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
    assert!(kills >= 16, "only {kills} places");
}

#[test]
fn on_a_fresh_boot() {
    let kills = kill_everywhere(|_| {}, &[None, Some("new")]);
    println!("killed {kills} times");
    assert!(kills >= 15, "only {kills} places");
}

const LINK: &str = "HOLDFAST_TEST_LINK";

fn ours(target: &Path) -> bool {
    target.starts_with("/run/holdfast/secrets")
}

#[test]
#[ignore = "started by the tests in this file, to be killed"]
fn the_process_that_is_killed_with_a_link() {
    let path = PathBuf::from(std::env::var_os(LINK).expect("set by the test that starts this"));
    files::link(&path, Path::new("/run/holdfast/secrets/new"), &ours).expect("linked");
}

/// Killed anywhere, the link leads to the old or the new file or is not there yet, the next look sees that something is
/// due, and the next run leaves nothing beside it.
#[test]
fn while_a_link_is_made_or_led_elsewhere() {
    let old = Path::new("/run/holdfast/secrets/old");
    let mut kills = 0;
    for (call, before) in ["mkdirat", "symlinkat", "renameat", "renameat2", "unlinkat", "fsync"]
        .into_iter()
        .flat_map(|call| [(call, None), (call, Some(old))])
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("app/token");
        if let Some(old) = before {
            files::link(&path, old, &ours).expect("linked");
        }
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "--ignored", "secrets::killed::the_process_that_is_killed_with_a_link"]);
        let end = at(command.env(LINK, &path), call, 1);
        let seen = fs::read_link(&path).ok();
        let new = Path::new("/run/holdfast/secrets/new");
        assert!(seen.as_deref() == before || seen.as_deref() == Some(new), "{call}: {seen:?}");
        let looked = files::observe_link(&path, &ours);
        let done = seen.as_deref() == Some(new);
        assert_eq!(looked == LinkSeen::Link(new.to_owned()), done, "{call}: {looked:?}");
        files::link(&path, new, &ours).unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_eq!(fs::read_link(&path).expect("a link"), new, "{call}");
        let names = fs::read_dir(path.parent().expect("a folder")).expect("the folder").count();
        assert_eq!(names, 1, "{call}: something is left beside the link");
        kills += usize::from(end == End::Killed);
    }
    println!("killed {kills} times");
    assert!(kills >= 6, "only {kills} places");
}
