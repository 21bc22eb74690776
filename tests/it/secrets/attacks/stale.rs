//! A reader that resolved the link before a rotation finds its files gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use holdfast::manifest::Folder;
use holdfast::secrets::files;

use super::super::Run;
use super::super::installed::{declared, unlocked};

fn install(run: &Run, value: &str, keep: &[u64]) {
    let keep: BTreeSet<u64> = keep.iter().copied().collect();
    files::install(run.path(), Folder::Services, &keep, &declared(&["a"]), &unlocked(&[("a", value)]))
        .expect("installed");
}

/// What a program holds that opened the folder once, as a bind mount does.
fn resolved(run: &Run) -> PathBuf {
    fs::canonicalize(run.path().join("secrets")).expect("the folder").join("a")
}

#[test]
fn a_generation_that_somebody_holds_outlives_a_rotation() {
    let run = Run::new();
    install(&run, "one", &[]);
    let held = resolved(&run);
    // The obvious way: only the newest stays.
    install(&run, "two", &[]);
    assert!(fs::read_to_string(&held).is_err(), "the attack does not work");

    let held = resolved(&run);
    let number = files::generation(run.path(), Folder::Services).expect("a generation");
    install(&run, "three", &[number]);
    assert_eq!(fs::read_to_string(&held).expect("held"), "two");
    assert_eq!(run.read("a").as_deref(), Some("three"));
    install(&run, "four", &[number]);
    assert_eq!(fs::read_to_string(&held).expect("held over two rotations"), "two");
    files::prune(run.path(), Folder::Services, &BTreeSet::new()).expect("pruned");
    assert!(fs::read_to_string(&held).is_err(), "nobody holds it any more, and it is there");
    assert_eq!(run.read("a").as_deref(), Some("four"));
}
