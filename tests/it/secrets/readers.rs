//! Proves: before a deployment `check` and `compile` tell which secrets the host could not open.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::sops::{Form, Keys};
use crate::support::world::Ran;

fn holdfast(args: &[&str], folder: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(args).current_dir(folder).env_remove("SOPS_AGE_KEY").stdin(Stdio::null());
    Ran::new(&command.output().expect("the program runs"))
}

fn write(keys: &Keys, public_keys: &[&str], files: &[&str]) {
    let secrets: serde_json::Map<_, _> = files
        .iter()
        .enumerate()
        .map(|(index, file)| (format!("s{index}"), json!({ "file": file, "key": "a" })))
        .collect();
    let manifest = json!({
        "version": 1, "host": { "name": "web.example.org" },
        "identities": { "public_keys": public_keys }, "secrets": secrets,
    });
    fs::write(keys.path("manifest.json"), serde_json::to_vec_pretty(&manifest).expect("JSON"))
        .expect("written");
}

#[test]
fn a_file_that_the_host_cannot_open_fails_the_build() {
    let (keys, other) = (Keys::new(), Keys::new());
    let folder = keys.dir.path();
    for (name, form) in
        [("age.yaml", Form::AgeFile), ("ssh.yaml", Form::Ssh), ("converted.json", Form::Converted)]
    {
        let plain: &[u8] = if name.ends_with("json") { b"{\"a\": \"one\"}" } else { b"a: one\n" };
        keys.encrypt(name, plain, &format!("{},{}", other.recipient(Form::Ssh), keys.recipient(form)), &[]);
    }
    keys.encrypt("other.yaml", b"a: one\n", &other.recipient(Form::AgeFile), &[]);
    let ssh = format!("{} root@web", keys.recipient(Form::Ssh));
    let age = keys.recipient(Form::AgeFile);

    // No key is on this machine, and none is needed.
    write(&keys, &[&ssh, &age], &["age.yaml", "ssh.yaml", "converted.json"]);
    holdfast(&["check", "manifest.json"], folder).expect(0);
    holdfast(&["compile", "manifest.json", "-o", "out"], folder).expect(0);
    write(&keys, &[&ssh], &["ssh.yaml", "converted.json"]);
    holdfast(&["check", "manifest.json"], folder).expect(0);
    // Nothing declared, nothing compared.
    write(&keys, &[], &["other.yaml"]);
    holdfast(&["check", "manifest.json"], folder).expect(0);

    write(&keys, &[&age], &["age.yaml", "ssh.yaml", "other.yaml", "absent.yaml"]);
    for command in
        [&["check", "manifest.json", "--json"][..], &["compile", "manifest.json", "-o", "out", "--json"]]
    {
        let found = holdfast(command, folder).expect(78);
        let problems = found.json()["problems"].as_array().expect("problems").clone();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:#?}");
        for (text, file) in texts.iter().zip(["ssh.yaml", "other.yaml", "absent.yaml"]) {
            assert!(text.contains(file), "{text}");
        }
        let wrong = texts[1].as_str();
        for says in [&*other.recipient(Form::AgeFile), "web.example.org", "updatekeys", &*age, "\"line\":"] {
            assert!(wrong.contains(says), "{says}: {wrong}");
        }
    }
}

#[test]
fn as_many_key_groups_as_the_file_asks_for_must_know_the_host() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (age, ssh) = (keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh));
    let groups = format!(
        "      - age: [{age}]\n      - age: [{ssh}]\n      - age: [{}]\n",
        other.recipient(Form::AgeFile)
    );
    let config = format!("creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n{groups}");
    fs::write(keys.path(".sops.yaml"), config).expect(".sops.yaml");
    keys.encrypt_by_config("a.yaml", b"a: one\n");
    for (public, code) in [(&[&*age, &*ssh][..], 0), (&[&*age], 78)] {
        write(&keys, public, &["a.yaml"]);
        let ran = holdfast(&["check", "manifest.json"], keys.dir.path()).expect(code);
        assert!(code == 0 || ran.err.contains("2 of the groups"), "{}", ran.err);
    }
}

#[test]
fn a_private_key_in_the_manifest_is_refused_and_not_shown() {
    let keys = Keys::new();
    let private = fs::read_to_string(keys.path("age.txt")).expect("age.txt");
    let private = private.lines().last().expect("a key");
    write(&keys, &[private, "ecdsa-sha2-nistp256 AAAA"], &[]);
    let ran = holdfast(&["check", "manifest.json", "--json"], keys.dir.path()).expect(78);
    assert!(
        ran.out.contains("this is a private key") && ran.out.contains("this is no public key"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains(private) && !ran.err.contains(private));
}
