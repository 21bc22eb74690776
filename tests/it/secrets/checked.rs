//! Proves: `secrets check` finds every way in which a checkout does not keep its secrets, each alone, and nothing in a
//! sound one; and what it says to type next mends it.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::sops::{Form, Keys, OLD_VERSION, binary_of, run};
use crate::support::world::Ran;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

fn check(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(PROGRAM);
    command.args(["secrets", "check"]).args(args).current_dir(folder);
    command.env_clear().stdin(Stdio::null());
    Ran::new(&command.output().expect("the program runs"))
}

const RULES: &str = "- path_regex: ^vault/rule
    encrypted_regex: ^pass
    age: 'RECIPIENT'
  - path_regex: ^vault/
    age: 'RECIPIENT'
";

/// A checkout of sops files of every store, made by the real sops as its `.sops.yaml` says.
fn checkout() -> Keys {
    let keys = Keys::new();
    fs::create_dir(keys.path("vault")).expect("a folder");
    config(&keys, "");
    keys.encrypt_by_config(
        "vault/a.yaml",
        b"# a note\ndb:\n    password: hunter2\n    port: 5432\nlist:\n    - one\n",
    );
    keys.encrypt_by_config("vault/rule.yaml", b"name: seen\npassword: hunter2\n");
    keys.encrypt_by_config("vault/b.json", b"{\"a\": {\"b\": \"hunter2\"}}");
    keys.encrypt_by_config("vault/c.env", b"# note\nTOKEN=hunter2\n");
    keys.encrypt_by_config("vault/d.ini", b"[web]\npassword = hunter2\n");
    keys.encrypt_by_config("vault/e.bin", b"hunter2\x00\xff");
    fs::write(keys.path("README.md"), "`AGE-SECRET-KEY-1...` and `-----BEGIN PRIVATE KEY-----` are keys.\n")
        .expect("written");
    fs::remove_file(keys.path("age.txt")).expect("removed");
    fs::create_dir(keys.path("out")).expect("a folder");
    fs::rename(keys.path("ssh_host_ed25519_key"), keys.path("out/key")).expect("moved");
    fs::write(keys.path(".gitignore"), "/out\n").expect("written");
    keys
}

fn config(keys: &Keys, more: &str) {
    let rules = RULES.replace("RECIPIENT", &keys.recipient(Form::AgeFile));
    fs::write(keys.path(".sops.yaml"), format!("creation_rules:\n  {rules}{more}")).expect(".sops.yaml");
}

fn change(keys: &Keys, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(keys.path(file)).expect("a file");
    assert!(text.contains(from), "{file} holds no `{from}`:\n{text}");
    fs::write(keys.path(file), text.replacen(from, to, 1)).expect("written");
}

/// The value behind `key` in a YAML file, token or not.
fn value(keys: &Keys, file: &str, key: &str) -> String {
    let text = fs::read_to_string(keys.path(file)).expect("a file");
    let line = text.lines().find(|line| line.trim_start().starts_with(key)).expect("a line with the key");
    line.trim_start()[key.len()..].trim().to_owned()
}

/// The only finding; nothing that the files hold is in it.
fn one(keys: &Keys) -> Value {
    let ran = check(keys.dir.path(), &["--json"]).expect(78);
    assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{}", ran.out);
    let found = ran.json()["findings"].as_array().expect("findings").clone();
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn expect(keys: &Keys, file: &str, path: &str, cause: &str, next: &str) {
    let found = one(keys);
    let is = |name: &str| found[name].as_str().expect("a text").to_owned();
    assert_eq!((is("file"), is("path")), (format!("./{file}"), path.to_owned()), "{found:#}");
    assert!(is("cause").contains(cause) && is("next").contains(next), "{cause}, {next}: {found:#}");
}

#[test]
fn a_sound_checkout_has_no_findings_and_links_and_ignored_folders_are_not_followed() {
    let keys = checkout();
    std::os::unix::fs::symlink("out/key", keys.path("link")).expect("a link");
    let ran = check(keys.dir.path(), &[]).expect(0);
    assert!(ran.out.starts_with("ok: ") && ran.out.contains(", 6 of them sops files"), "{}", ran.out);
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    check(own, &["secrets"]).expect(0);
}

#[test]
fn clear_values_and_damaged_tokens_are_found_by_their_place() {
    const RESTORE: &str = "git log -p -- ./vault/";
    let keys = checkout();
    let sound = |file: &str| fs::read(keys.path(file)).expect("a file");
    let before = [sound("vault/a.yaml"), sound("vault/rule.yaml")];
    let token = value(&keys, "vault/a.yaml", "password:");
    let comment = value(&keys, "vault/a.yaml", "#");
    let password = value(&keys, "vault/rule.yaml", "password:");
    let cut = |token: &str| token.replace(",tag:", ",tag:A");
    let cases: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("vault/a.yaml", &token, "hunter2", "db/password", "is clear", RESTORE),
        ("vault/a.yaml", &token, "7", "db/password", "is clear", RESTORE),
        ("vault/a.yaml", &token, &cut(&token), "db/password", "`tag` is not 16 bytes", RESTORE),
        ("vault/a.yaml", &comment, "ENC[AES256_GCM,data:", "", "comment whose token is damaged", RESTORE),
        (
            "vault/a.yaml",
            &comment,
            " hunter2",
            "",
            "has a clear comment",
            "holdfast secrets rotate -i ./vault/a.yaml",
        ),
        ("vault/rule.yaml", "seen", &password, "name", "is a token, though", RESTORE),
        ("vault/rule.yaml", &password, "hunter2", "password", "is clear", RESTORE),
        ("vault/rule.yaml", "    mac: ENC", "    mac: XNC", "sops/mac", "is not encrypted", RESTORE),
    ];
    for (file, from, to, path, cause, next) in cases {
        change(&keys, file, from, to);
        expect(&keys, file, path, cause, next);
        fs::write(keys.path("vault/a.yaml"), &before[0]).expect("written");
        fs::write(keys.path("vault/rule.yaml"), &before[1]).expect("written");
    }
    change(&keys, "vault/a.yaml", "db:", "db: {");
    expect(&keys, "vault/a.yaml", "", "line", RESTORE);
}

#[test]
fn files_that_should_be_encrypted_and_private_keys_are_found_unless_a_rule_says_why_not() {
    let keys = checkout();
    fs::write(keys.path("vault/new.yaml"), "password: hunter2\n").expect("written");
    expect(&keys, "vault/new.yaml", "", "is not encrypted", "holdfast secrets encrypt -i ./vault/new.yaml");
    fs::write(keys.path("vault/new.yaml"), "password: [hunter2\n").expect("written");
    expect(&keys, "vault/new.yaml", "", "line", "");
    fs::write(keys.path("vault/new.yaml"), "password: hunter2\n").expect("written");
    let mut encrypt = Command::new(PROGRAM);
    run(encrypt.args(["secrets", "encrypt", "-i", "vault/new.yaml"]).current_dir(keys.dir.path()));
    check(keys.dir.path(), &[]).expect(0);
    assert_eq!(keys.decrypt("vault/new.yaml", &[]), b"password: hunter2\n");

    fs::create_dir(keys.path("tests")).expect("a folder");
    fs::copy(keys.path("out/key"), keys.path("tests/key")).expect("copied");
    expect(&keys, "tests/key", "line 1", "holds a private key", "git rm --cached ./tests/key");
    config(&keys, "holdfast:\n  clear:\n    - path_regex: ^tests/\n");
    let ran = check(keys.dir.path(), &[]).expect(78);
    assert!(ran.out.starts_with("./.sops.yaml: entry 1 of `holdfast.clear` has no `reason`"), "{}", ran.out);
    config(&keys, "holdfast:\n  clear:\n    - path_regex: ^tests/\n      reason: for tests only\n");
    check(keys.dir.path(), &[]).expect(0);
    // The real sops reads a `.sops.yaml` with it.
    keys.encrypt_by_config("vault/again.yaml", b"a: hunter2\n");
    check(keys.dir.path(), &[]).expect(0);
}

#[test]
fn what_disagrees_with_its_creation_rule_is_found_and_mended_by_the_command_that_is_named() {
    let (keys, other) = (checkout(), Keys::new().recipient(Form::AgeFile));
    let rules = fs::read_to_string(keys.path(".sops.yaml")).expect(".sops.yaml");
    let own = keys.recipient(Form::AgeFile);
    // One more recipient for all but the first rule, then one for nobody.
    let second = rules.rfind(&own).expect("a recipient");
    let more = format!("{}{own},{other}{}", &rules[..second], &rules[second + own.len()..]);
    fs::write(keys.path(".sops.yaml"), &more).expect(".sops.yaml");
    let found = check(keys.dir.path(), &["--json"]).expect(78).json()["findings"].clone();
    let found = found.as_array().expect("findings");
    assert_eq!(found.len(), 5, "{found:#?}");
    for finding in found {
        let cause = finding["cause"].as_str().expect("a cause");
        assert!(cause.contains(&other) && cause.contains("is not encrypted for"), "{cause}");
        let next = finding["next"].as_str().expect("a command");
        let file = next.strip_prefix("holdfast secrets updatekeys ").expect("the command");
        run(keys.sops().args(["updatekeys", "-y", file]));
    }
    check(keys.dir.path(), &[]).expect(0);
    fs::write(keys.path(".sops.yaml"), &rules).expect(".sops.yaml");
    let ran = check(keys.dir.path(), &["vault/a.yaml"]).expect(78);
    assert!(ran.out.contains(&format!("vault/a.yaml: is encrypted for `{other}`, whom")), "{}", ran.out);
    fs::write(keys.path(".sops.yaml"), more).expect(".sops.yaml");

    change(&keys, ".sops.yaml", "^pass", "^(pass|name)");
    let (text, next) =
        (one(&keys)["cause"].to_string(), one(&keys)["next"].as_str().expect("text").to_owned());
    assert!(text.contains("`encrypted_regex: ^pass`") && text.contains("^(pass|name)"), "{text}");
    let script = next.replace("holdfast", PROGRAM);
    run(keys.opening("/bin/sh").args(["-c", &script]));
    check(keys.dir.path(), &[]).expect(0);
    assert_eq!(keys.decrypt("vault/rule.yaml", &[]), b"name: seen\npassword: hunter2\n");
}

#[test]
fn key_groups_thresholds_and_rules_that_cannot_be_are_compared_too() {
    let keys = Keys::new();
    let (age, ssh, other) =
        (keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh), Keys::new().recipient(Form::AgeFile));
    for name in ["age.txt", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        fs::remove_file(keys.path(name)).expect("removed");
    }
    let config = |threshold: u8, groups: &[&str]| {
        let group = |who: &&str| format!("      - age: ['{who}']\n");
        let groups = groups.iter().map(group).collect::<Vec<_>>().concat();
        let text = format!(
            "creation_rules:\n  - path_regex: yaml$\n    shamir_threshold: {threshold}\n    key_groups:\n{groups}"
        );
        fs::write(keys.path(".sops.yaml"), text).expect(".sops.yaml");
    };
    let says = |cause: &str| {
        let found = one(&keys);
        assert!(found["cause"].as_str().expect("a cause").contains(cause), "{cause}: {found:#}");
    };
    config(2, &[&age, &ssh, &other]);
    keys.encrypt_by_config("a.yaml", b"a: hunter2\n");
    check(keys.dir.path(), &[]).expect(0);
    config(3, &[&age, &ssh, &other]);
    says("opens with 2 key groups, its creation rule says 3");
    config(2, &[&age, &ssh]);
    says("has 3 key groups, its creation rule 2");
    config(2, &[&age, &ssh, &age]);
    let ran = check(keys.dir.path(), &[]).expect(78);
    assert!(ran.out.contains("in key group 3, whom") && ran.err.starts_with("2 findings"), "{}", ran.out);

    let write = |text: &str| fs::write(keys.path(".sops.yaml"), text).expect(".sops.yaml");
    write("creation_rules:\n  - path_regex: json$\n    age: age1x\n");
    says("falls under no creation rule");
    write("creation_rules:\n  - path_regex: (\n    age: age1x\n");
    says("`path_regex` of its creation rule 1 is no regular expression");
    write("creation_rules:\n  - path_regex: yaml$\n    pgp: ABCD\n");
    says("`pgp`");
    write("creation_rules: [\n");
    says("line ");
    write(&format!(
        "creation_rules:\n  - key_groups:\n{}",
        [&age, &ssh, &other].map(|who| format!("      - age: ['{who}']\n")).concat()
    ));
    says("opens with 2 key groups");
    fs::write(keys.path("notes.txt"), "words\n").expect("written");
    let ran = check(keys.dir.path(), &[]).expect(78);
    assert!(ran.out.contains("without `path_regex`") && ran.out.contains("`./notes.txt`"), "{}", ran.out);
}

#[test]
fn a_binary_file_that_an_older_sops_left_in_the_clear_is_found_and_opened_all_the_same() {
    let keys = Keys::new();
    let age = keys.recipient(Form::AgeFile);
    let rule = format!("creation_rules:\n  - age: '{age}'\n    encrypted_regex: ^secret\n");
    fs::write(keys.path(".sops.yaml"), rule).expect(".sops.yaml");
    fs::write(keys.path("password.bin"), "hunter2\n").expect("written");
    run(keys.opening(binary_of(OLD_VERSION)).args(["encrypt", "-i", "password.bin"]));
    for name in ["age.txt", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"] {
        fs::remove_file(keys.path(name)).expect("removed");
    }
    let found = one(&keys);
    let cause = found["cause"].as_str().expect("a cause");
    assert!(cause.contains("in the clear, by its rule `encrypted_regex: ^secret`"), "{cause}");
    assert_eq!(run(keys.opening(PROGRAM).args(["secrets", "decrypt", "password.bin"])), b"hunter2\n");
    let script = found["next"].as_str().expect("a command").replace("holdfast", PROGRAM);
    run(keys.opening("/bin/sh").args(["-c", &script]));
    check(keys.dir.path(), &[]).expect(0);
}

#[test]
fn each_manifest_is_judged_by_its_own_host() {
    let (keys, other) = (checkout(), Keys::new());
    let manifest = |name: &str, public: &[&str]| {
        let manifest = json!({
            "version": 1, "host": { "name": format!("{name}.example.org") }, "identities": { "public_keys": public },
            "secrets": { "password": { "file": "vault/a.yaml", "key": "db/password" } },
        });
        fs::write(keys.path(&format!("{name}.json")), manifest.to_string()).expect("written");
    };
    manifest("web", &[&keys.recipient(Form::AgeFile)]);
    manifest("db", &[&other.recipient(Form::Ssh)]);
    manifest("new", &[]);
    check(keys.dir.path(), &["--manifest", "web.json"]).expect(0);
    let all = ["--manifest", "web.json", "--manifest", "db.json", "--manifest", "new.json"];
    let ran = check(keys.dir.path(), &all).expect(78);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.out);
    assert!(
        lines[0].starts_with("db.json: `secrets/password` the host `db.example.org` cannot open"),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains("next: holdfast secrets updatekeys "), "{}", lines[0]);
    assert!(
        lines[1].starts_with("new.json: `identities/public_keys` names no key of the host"),
        "{}",
        lines[1]
    );
    // What was compiled says the same: it is all that there is on a host.
    for (name, code) in [("web", 0), ("new", 78)] {
        let mut compile = Command::new(PROGRAM);
        compile.args(["compile", "-o", name, &format!("{name}.json")]).current_dir(keys.dir.path());
        run(&mut compile);
        check(keys.dir.path(), &["--manifest", name]).expect(code);
    }
    fs::write(keys.path("db.json"), "{").expect("written");
    assert!(check(keys.dir.path(), &["--manifest", "db.json"]).expect(78).out.contains("db.json: `line 1`"));
}
