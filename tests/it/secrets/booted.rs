//! Proves: on a host where nothing but `secrets install` ever ran, a boot and a bad file cost no secret, and clocks that
//! are wrong are told and cost none either.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use holdfast::manifest::SecretFormat;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::attacks::Host;
use super::sealed_at;
use crate::support::sops::{Form, run};
use crate::support::world::{Ran, unmount_below};

fn secrets() -> Value {
    json!({
        "one": { "file": "a.yaml" }, "two": { "file": "a.yaml" }, "three": { "file": "b.yaml" },
        "hash": { "file": "b.yaml", "needed_for_users": true },
    })
}

fn seal(host: &Host) {
    host.seal("a.yaml", "one: CANARY-1\ntwo: CANARY-2\n");
    host.seal("b.yaml", "three: CANARY-3\nhash: CANARY-4\n");
}

/// The run folder with all that was mounted in it is gone, as after a boot.
fn boot(host: &Host) {
    let run = host.path("run");
    unmount_below(&run);
    fs::remove_dir_all(run).expect("removed");
}

fn installed(host: &Host) -> [Option<String>; 3] {
    ["one", "two", "three"].map(|name| host.installed(name))
}

fn failed(ran: &Ran) -> Vec<(String, bool)> {
    let record = ran.json();
    let failure = |failure: &Value| {
        let address = failure["address"].as_str().expect("an address").to_owned();
        (address, failure["kept"] == true)
    };
    record["secrets"].as_array().expect("failures").iter().map(failure).collect()
}

/// Copies of ciphertext.
fn copies(host: &Host) -> usize {
    let entries = fs::read_dir(host.path("state/installed")).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").path());
    names.filter(|path| path.extension().is_some_and(|ending| ending == "sops")).count()
}

#[test]
fn after_a_boot_a_file_that_broke_gives_what_was_installed_last() {
    let host = Host::new(&secrets());
    seal(&host);
    host.install().expect(0);
    let before = installed(&host);
    assert_eq!(copies(&host), 2);
    for entry in fs::read_dir(host.path("state/installed")).expect("the folder") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        assert!(!text.contains("CANARY"), "only ciphertext is kept");
    }
    // One file is damaged, and the other one moves on and loses a key.
    fs::write(host.path("b.yaml"), "three: ENC[").expect("written");
    host.seal("a.yaml", "one: CANARY-1-new\n");
    boot(&host);
    // What is needed before users are made comes first, and forgets nothing of the others.
    let mut early = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    early.args(["secrets", "install", "--for-users"]).arg(host.path("manifest.json"));
    Ran::new(&early.output().expect("the program runs")).expect(5);
    let hash = fs::read_to_string(host.path("run/secrets-for-users/hash")).expect("installed");
    assert_eq!(hash, "CANARY-4");
    let ran = host.install().expect(5);
    let kept = |name: &str| (format!("secret.{name}"), true);
    assert_eq!(failed(&ran), [kept("hash"), kept("three"), kept("two")]);
    let new = Some("CANARY-1-new".to_owned());
    assert_eq!(installed(&host), [new.clone(), before[1].clone(), before[2].clone()]);

    // The boot after that has the same, and a file that nothing refers to any more is not kept for ever.
    boot(&host);
    host.install().expect(5);
    assert_eq!(installed(&host), [new, before[1].clone(), before[2].clone()]);
    assert_eq!(copies(&host), 3, "two versions of one file, and the last good one of the other");
    seal(&host);
    host.install().expect(0);
    assert_eq!((installed(&host), copies(&host)), (before, 2));

    // Without what is kept there is nothing to give, so this test can fail.
    fs::write(host.path("b.yaml"), "three: ENC[").expect("written");
    fs::remove_dir_all(host.path("state/installed")).expect("removed");
    boot(&host);
    assert_eq!(
        failed(&host.install().expect(5)),
        [("secret.hash".into(), false), ("secret.three".into(), false)]
    );
    assert_eq!(host.installed("three"), None);
}

/// A file of `one`, `two` and `three`, so many hours from now.
fn seal_at(host: &Host, value: &str, hours: i64) {
    let time = Timestamp::now() + SignedDuration::from_hours(hours);
    let plain = format!("one: {value}\ntwo: {value}\nthree: {value}\nhash: {value}\n");
    let recipients = vec![host.keys.recipient(Form::AgeFile)];
    for file in ["a.yaml", "b.yaml"] {
        fs::write(host.path(file), sealed_at(&plain, SecretFormat::Yaml, recipients.clone(), time))
            .expect("it");
    }
}

fn warned(ran: &Ran, text: &str) -> bool {
    ran.json()["warnings"].to_string().contains(text)
}

#[test]
fn a_clock_that_was_set_back_or_ahead_is_told_by_the_file_and_costs_no_secret() {
    let host = Host::new(&secrets());
    let values = |value: &str| [value, value, value].map(|value| Some(value.to_owned()));
    // As far as this host can tell the file is from tomorrow: its own clock was set back, or the writer's is ahead.
    seal_at(&host, "CANARY-ahead", 24);
    let ran = host.install().expect(0);
    assert!(warned(&ran, "a.yaml") && warned(&ran, "still to come by the clock of this host"), "{}", ran.out);
    assert_eq!(installed(&host), values("CANARY-ahead"));
    assert!(!warned(&host.install().expect(0), "still to come"), "once is enough");
    run(host.keys.sops().args(["decrypt", "a.yaml"]));

    // What is written by the right clock is older than its mark then: refused by name, and the last good version stays.
    seal_at(&host, "CANARY-now", 0);
    let ran = host.install().expect(5);
    let said = ran.json()["secrets"].to_string();
    assert!(said.contains("a.yaml: is of") && said.contains("older than that of"), "{said}");
    assert!(said.contains("--allow-older"), "{said}");
    assert_eq!(installed(&host), values("CANARY-ahead"));
    boot(&host);
    host.install().expect(5);
    assert_eq!(installed(&host), values("CANARY-ahead"), "also after a boot");
    // Allowed once, all is as before, and nothing is warned of any more.
    host.write(&secrets(), &json!({ "allow_older": ["a.yaml", "b.yaml"] }));
    host.install().expect(0);
    host.write(&secrets(), &json!({}));
    assert!(!warned(&host.install().expect(0), "clock"));
    assert_eq!(installed(&host), values("CANARY-now"));

    // An hour is not the haste of two clocks that are right.
    seal_at(&host, "CANARY-later", 1);
    assert!(warned(&host.install().expect(0), "still to come"));
}
