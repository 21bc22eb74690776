//! Proves: a new data key and other readers, as the real sops sees them.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::sops::{Form, Keys, run};

const PLAIN: [(&str, &str); 6] = [
    (
        "r.yaml",
        "# top\na: one # why\nnest:\n    # deep\n    b: two\n    c: 3\nlist:\n    - x\n    - x\n    - y: 1\nempty: \"\"\nclear_unencrypted: seen\n",
    ),
    ("two.yaml", "a: one\n---\nb: two\n"),
    ("r.json", "{\"a\": \"one\", \"nest\": {\"b\": [1, true, null, 1.5]}}"),
    ("r.env", "# c\nA=one\nB=two\n"),
    ("r.ini", "; c\n[s]\na = one\n"),
    ("r.bin", "\u{1}any bytes\n"),
];

fn holdfast(keys: &Keys, arguments: &[&str]) -> Command {
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("secrets").args(arguments);
    command
}

fn tokens(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text).into_owned();
    text.match_indices("ENC[")
        .map(|(at, _)| text[at..].split(']').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_store_gets_a_new_data_key_that_sops_opens_and_every_token_changes() {
    let keys = Keys::new();
    for (name, plain) in PLAIN {
        let before = keys.encrypt(name, plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        let clear = keys.decrypt(name, &[]);
        let after = run(&mut holdfast(&keys, &["rotate", name]));
        assert_eq!(fs::read(keys.path(name)).expect("the file"), before, "{name}: without -i the file stays");
        fs::set_permissions(keys.path(name), Permissions::from_mode(0o640)).expect("a mode");
        run(&mut holdfast(&keys, &["rotate", "-i", name]));
        let inplace = fs::read(keys.path(name)).expect("the file");
        assert_eq!(fs::metadata(keys.path(name)).expect("the file").permissions().mode() & 0o777, 0o640);
        assert_eq!(keys.decrypt(name, &[]), clear, "{name}");
        for other in [&after, &inplace] {
            assert!(tokens(&before).is_disjoint(&tokens(other)), "{name}");
            assert_eq!(tokens(&before).len(), tokens(other).len(), "{name}");
        }
        fs::write(keys.path(name), &after).expect("the file");
        assert_eq!(keys.decrypt(name, &[]), clear, "{name}");
    }
}

#[test]
fn the_text_keeps_its_layout() {
    let keys = Keys::new();
    for (name, plain) in &PLAIN[..3] {
        let sealed = keys.encrypt(name, plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        let text = String::from_utf8(sealed).expect("text");
        let by_hand = match *name {
            "r.json" => text.replace("\t\"nest\"", "\n\n\t\"nest\""),
            _ => text.replace("nest:", "\n\nnest:   # by hand").replace("b: ENC", "b:   ENC"),
        };
        assert!(by_hand != text);
        fs::write(keys.path(name), &by_hand).expect("the file");
        let after = String::from_utf8(run(&mut holdfast(&keys, &["rotate", name]))).expect("text");
        // The wraps of a new key have other lengths.
        let body = |text: &str| {
            let (body, _) = text.split_once("sops").expect("a section");
            let lines = body.lines().map(|line| line.split("ENC[").next().unwrap_or_default().to_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(body(&by_hand), body(&after), "{name}");
    }
}

#[test]
fn who_is_removed_opens_nothing_any_more_and_who_is_added_does() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (mine, theirs) = (keys.recipient(Form::AgeFile), other.recipient(Form::AgeFile));
    keys.encrypt("r.yaml", b"a: one\n", &mine, &[]);
    run(&mut holdfast(&keys, &["rotate", "-i", "--add-age", &theirs, "r.yaml"]));
    let both = fs::read(keys.path("r.yaml")).expect("the file");
    fs::write(other.path("r.yaml"), &both).expect("the file");
    assert_eq!(other.decrypt("r.yaml", &[]), b"a: one\n");
    run(&mut holdfast(&keys, &["rotate", "-i", "--rm-age", &theirs, "r.yaml"]));
    let one = fs::read(keys.path("r.yaml")).expect("the file");
    fs::write(other.path("r.yaml"), &one).expect("the file");
    let refused = other.sops().args(["decrypt", "r.yaml"]).output().expect("sops");
    assert!(!refused.status.success(), "the removed reader still opens it");
    assert_eq!(keys.decrypt("r.yaml", &[]), b"a: one\n");
    let text = String::from_utf8(one).expect("text");
    assert!(!text.contains(&theirs) && text.contains(&mine));
    // A naive removal leaves the data key as it was: the old wrap beside the new tokens would open them.
    let wraps = String::from_utf8(both).expect("text");
    let (body, _) = text.split_once("sops:").expect("a section");
    let (_, section) = wraps.split_once("sops:").expect("a section");
    fs::write(other.path("r.yaml"), format!("{body}sops:{section}")).expect("the file");
    let refused = other.sops().args(["decrypt", "--ignore-mac", "r.yaml"]).output().expect("sops");
    assert!(!refused.status.success(), "the data key is the old one");
}

#[test]
fn groups_keep_their_threshold_and_what_cannot_be_done_is_refused_with_the_file_as_it_was() {
    let keys = Keys::new();
    let third = Keys::new().recipient(Form::AgeFile);
    let groups = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: ['{}']\n      - age: ['{}']\n      - age: ['{third}']\n",
        keys.recipient(Form::AgeFile),
        keys.recipient(Form::Ssh),
    );
    fs::write(keys.path(".sops.yaml"), groups).expect("the config");
    let sealed = keys.encrypt_by_config("r.yaml", b"a: one\n");
    run(&mut holdfast(&keys, &["rotate", "-i", "r.yaml"]));
    let rotated = String::from_utf8(fs::read(keys.path("r.yaml")).expect("the file")).expect("text");
    assert!(rotated.contains("shamir_threshold: 2") && rotated.contains("key_groups:"), "{rotated}");
    assert_eq!(run(keys.opening(crate::support::sops::binary()).args(["decrypt", "r.yaml"])), b"a: one\n");
    let tampered = String::from_utf8(sealed).expect("text").replace("a: ENC", "b_unencrypted: x\na: ENC");
    fs::write(keys.path("t.yaml"), &tampered).expect("the file");
    for (arguments, exit, says) in [
        (&["rotate", "-i", "t.yaml"][..], 5, "MAC"),
        (&["rotate", "-i", "--rm-age", "age1nobody", "r.yaml"], 78, "none of the file's readers"),
        (&["rotate", "-i", "--rm-age", &third, "r.yaml"], 5, "group without a recipient"),
        (&["rotate", "-i", "--add-age", "age1pq1x", "r.yaml"], 78, "post-quantum"),
    ] {
        let output = holdfast(&keys, arguments).output().expect("holdfast");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read(keys.path("r.yaml")).expect("the file"), rotated.as_bytes());
    assert_eq!(fs::read(keys.path("t.yaml")).expect("the file"), tampered.as_bytes());
}
