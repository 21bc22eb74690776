//! Proves: keys that are made or converted are the ones that age and sops know, and none is ever written over.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast::secrets::recipient_of;

use crate::support::sops::{Form, Keys, run};
use crate::support::world::Ran;

fn holdfast(args: &[&str], folder: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("secrets").args(args).current_dir(folder).env_remove("SOPS_AGE_KEY").stdin(Stdio::null());
    Ran::new(&command.output().expect("the program runs"))
}

/// What age says the recipients of a key file are.
fn as_age_says(path: &Path) -> String {
    String::from_utf8(run(Command::new("age-keygen").arg("-y").arg(path))).expect("text").trim().to_owned()
}

#[test]
fn a_new_key_is_one_that_age_reads_and_no_file_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.txt");
    let made = holdfast(&["keygen", "-o", "key.txt"], folder.path()).expect(0);
    assert!(
        made.out.is_empty() && made.err == format!("Public key: {}\n", as_age_says(&path)),
        "{}",
        made.err
    );
    assert_eq!(fs::metadata(&path).expect("written").permissions().mode() & 0o7777, 0o600);
    let before = fs::read(&path).expect("written");
    let again = holdfast(&["keygen", "-o", "key.txt"], folder.path()).expect(78);
    assert!(again.err.contains("never written over"), "{}", again.err);
    assert_eq!(fs::read(&path).expect("written"), before);
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).expect("a link");
    holdfast(&["keygen", "-o", "link"], folder.path()).expect(78);
    assert!(!folder.path().join("nowhere").exists());

    let printed = holdfast(&["keygen"], folder.path()).expect(0);
    let lines: Vec<&str> = printed.out.lines().collect();
    assert!(
        lines[0].starts_with("# created: 2") && lines[2].starts_with("AGE-SECRET-KEY-1"),
        "{}",
        printed.out
    );
    fs::write(folder.path().join("printed"), &printed.out).expect("written");
    let recipient = as_age_says(&folder.path().join("printed"));
    assert_eq!(lines[1], format!("# public key: {recipient}"));
    assert_eq!(printed.err, format!("Public key: {recipient}\n"));
}

/// A fresh ed25519 key in the folder of `keys`.
fn ssh_key(keys: &Keys, name: &str, passphrase: &str) -> String {
    let path = keys.path(name);
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "me@example.org", "-f"])
        .arg(&path));
    fs::read_to_string(path.with_extension("pub")).expect("the public key").trim().to_owned()
}

#[test]
fn an_ssh_key_gives_the_recipient_and_the_identity_that_belong_together() {
    let keys = Keys::new();
    let public = ssh_key(&keys, "id", "");
    let folder = keys.dir.path();
    let converted = holdfast(&["keygen", "--ssh-key", "id"], folder).expect(0);
    fs::write(keys.path("converted"), &converted.out).expect("written");
    let recipient = as_age_says(&keys.path("converted"));
    let rsa = keys.path("rsa");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa));
    let other = fs::read_to_string(rsa.with_extension("pub")).expect("the public key");
    fs::write(
        keys.path("known_hosts"),
        format!("# hosts\nweb.example.org {other}web.example.org {public}\n"),
    )
    .expect("written");
    for file in ["id", "id.pub", "known_hosts"] {
        let told = holdfast(&["recipients", "--ssh-key", file], folder).expect(0);
        assert_eq!(told.out, format!("{recipient}\n"), "{file}");
        assert_eq!(told.err.contains("line 2"), file == "known_hosts", "{}", told.err);
    }
    let json = holdfast(&["recipients", "--json", "--ssh-key", "known_hosts"], folder).expect(0).json();
    assert_eq!(json["recipients"][0]["owner"], "web.example.org");
    assert_eq!(json["recipients"][0]["recipient"], recipient);
    holdfast(&["recipients", "--ssh-key", "rsa.pub"], folder).expect(78);
    holdfast(&["keygen", "--ssh-key", "rsa"], folder).expect(78);
    // The real sops wraps for the one, and the other opens it.
    let sealed = keys.encrypt("a.yaml", b"a: one\n", &recipient, &[]);
    let identities = holdfast::secrets::Identities::load(
        &holdfast::manifest::Identities {
            age_key_files: vec![keys.path("converted")],
            ssh_key_files: vec![],
            ..Default::default()
        },
        &holdfast::secrets::IdentityEnv::default(),
    );
    let document = holdfast::secrets::decrypt(&sealed, holdfast::manifest::SecretFormat::Yaml, &identities);
    assert!(document.is_ok());
    assert_ne!(recipient, keys.recipient(Form::Converted), "another key has another recipient");
}

#[test]
fn a_passphrase_is_asked_for_at_a_terminal_without_echo() {
    let keys = Keys::new();
    let public = ssh_key(&keys, "id", "correct horse");
    let command = format!("{} secrets keygen --ssh-key id", env!("CARGO_BIN_EXE_holdfast"));
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(keys.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script (util-linux) runs");
    let mut input = child.stdin.take().expect("stdin");
    // A line typed too early would be shown by the terminal itself, as anywhere.
    std::thread::sleep(Duration::from_millis(1500));
    input.write_all(b"correct horsX\x7fe\n").expect("typed");
    std::thread::sleep(Duration::from_millis(1500));
    drop(input);
    let output = child.wait_with_output().expect("ended");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains(&recipient_of(&public).expect("an age form")), "{shown}");
    assert!(shown.contains("Passphrase of id: ") && shown.contains("AGE-SECRET-KEY-1"), "{shown}");
    assert!(!shown.contains("correct"), "{shown}");
    // The same by a file descriptor, and a wrong one.
    for (passphrase, code) in [("correct horse", 0), ("wrong", 78)] {
        fs::write(keys.path("pass"), passphrase).expect("written");
        let script = format!("{command} --passphrase-fd 7 7<pass");
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .current_dir(keys.dir.path())
            .output()
            .expect("sh runs");
        let ran = Ran::new(&output).expect(code);
        assert!(!ran.err.contains(passphrase), "{}", ran.err);
    }
}
