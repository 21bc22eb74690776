//! Proves: the engine is asked while specs are read and secrets unlocked, and all the same never before the lock is held,
//! and what is wrong with the manifest is told before what is wrong with the engine.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast::state::Lock;
use serde_json::json;

const IMAGE: &str =
    "registry.example.org/app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A folder with a compiled manifest of one stack, whose engine is to be at `docker.sock`.
fn compiled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let compose = format!("services:\n  app:\n    image: {IMAGE}\n");
    std::fs::write(path.join("web.yml"), compose).expect("web.yml");
    let manifest = json!({
        "version": 1,
        "host": { "name": "test" },
        "engine": { "address": format!("unix://{}/docker.sock", path.display()) },
        "identities": { "age_key_files": [], "ssh_key_files": [] },
        "stacks": { "web": { "compose": ["web.yml"] } },
        "paths": { "run": path.join("run"), "state": path.join("state") },
    });
    std::fs::write(path.join("manifest.json"), manifest.to_string()).expect("manifest.json");
    let file = path.join("manifest.json");
    let out = path.join("compiled");
    let done = holdfast(&["compile".as_ref(), file.as_path(), "-o".as_ref(), &out]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

fn holdfast(args: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.env_remove("HOLDFAST_MANIFEST").args(args).output().expect("the program runs")
}

#[test]
fn the_engine_is_asked_only_under_the_lock() {
    let folder = compiled();
    let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Nobody answers: each connection is counted and closed.
    std::thread::spawn(move || {
        listener.incoming().for_each(|client| {
            count.fetch_add(1, Ordering::SeqCst);
            drop(client);
        });
    });
    let manifest = folder.path().join("compiled");

    let lock = Lock::take(&folder.path().join("run"), "another run", Duration::ZERO).expect("the lock");
    let held = holdfast(&["apply".as_ref(), &manifest]);
    assert_eq!(held.status.code(), Some(6));
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the engine was asked without the lock");
    drop(lock);

    let free = holdfast(&["apply".as_ref(), &manifest]);
    assert_eq!(free.status.code(), Some(75), "{}", String::from_utf8_lossy(&free.stderr));
    assert_ne!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_damaged_spec_is_told_before_an_engine_that_is_not_there() {
    let folder = compiled();
    let manifest = folder.path().join("compiled");
    for command in ["apply", "plan", "verify", "destroy"] {
        let gone = holdfast(&[command.as_ref(), &manifest]);
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert!(gone.status.code() == Some(75) && said.contains("docker.sock"), "{command}: {said}");
    }
    std::fs::write(manifest.join("specs/web.json"), "{\"name\":").expect("a damaged spec");
    for command in ["apply", "plan", "verify", "destroy"] {
        let damaged = holdfast(&[command.as_ref(), &manifest]);
        let said = String::from_utf8_lossy(&damaged.stderr).into_owned();
        assert!(damaged.status.code() == Some(78) && said.contains("specs/web.json"), "{command}: {said}");
        assert!(!said.contains("docker.sock"), "{command}: {said}");
    }
}
