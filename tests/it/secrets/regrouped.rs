//! Proves: the readers of `.sops.yaml` come into a file as with the real sops, and who is removed is told what he knew.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::sops::{Form, Keys, binary, run};

fn holdfast(keys: &Keys, arguments: &[&str]) -> Command {
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    command.arg("secrets").args(arguments).stdin(Stdio::null());
    command
}

fn config(keys: &Keys, rule: &str) {
    fs::write(keys.path(".sops.yaml"), format!("creation_rules:\n  - {rule}\n")).expect("the config");
}

fn text(keys: &Keys, name: &str) -> String {
    fs::read_to_string(keys.path(name)).expect("the file")
}

/// What it prints, and that it ends so.
fn says(mut command: Command, exit: i32) -> String {
    let output = command.output().expect("holdfast starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    assert_eq!(output.status.code(), Some(exit), "{said}");
    said
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").arg("-C").arg(folder);
    command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgSign=false"]);
    run(command.args(arguments));
}

#[test]
fn who_is_added_gets_the_same_data_key_and_nothing_else_changes() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (mine, theirs) = (keys.recipient(Form::AgeFile), other.recipient(Form::AgeFile));
    config(&keys, &format!("age: '{mine}'"));
    let before = String::from_utf8(keys.encrypt_by_config("u.yaml", b"a: one\nb: [x, y]\n")).expect("text");
    assert!(says(holdfast(&keys, &["updatekeys", "u.yaml"]), 0).contains("up to date"));
    config(&keys, &format!("age: '{mine},{theirs}'"));
    assert!(says(holdfast(&keys, &["updatekeys", "u.yaml"]), 64).contains("--yes"), "nobody is there to ask");
    assert_eq!(text(&keys, "u.yaml"), before);
    let said = says(holdfast(&keys, &["updatekeys", "--yes", "u.yaml"]), 0);
    assert!(said.contains(&format!("+++ {theirs}")) && said.contains(&format!("    {mine}")), "{said}");
    let after = text(&keys, "u.yaml");
    let kept = before.lines().filter(|line| !after.lines().any(|other| other == *line)).count();
    assert_eq!(kept, 0, "every line of before is there, the wrap of the old reader among them");
    fs::write(other.path("u.yaml"), &after).expect("the file");
    assert_eq!(other.decrypt("u.yaml", &[]), keys.decrypt("u.yaml", &[]));
    let sops = keys.opening(binary()).args(["updatekeys", "-y", "u.yaml"]).output().expect("sops");
    assert!(String::from_utf8_lossy(&sops.stderr).contains("already up to date"));
}

#[test]
fn what_was_changed_outside_of_sops_is_not_handed_to_anybody() {
    let keys = Keys::new();
    let other = Keys::new().recipient(Form::AgeFile);
    config(&keys, &format!("age: '{}'", keys.recipient(Form::AgeFile)));
    keys.encrypt_by_config("u.yaml", b"a: one\nb_unencrypted: two\n");
    let tampered = text(&keys, "u.yaml").replace("two", "three");
    fs::write(keys.path("u.yaml"), &tampered).expect("the file");
    config(&keys, &format!("age: '{},{other}'", keys.recipient(Form::AgeFile)));
    assert!(says(holdfast(&keys, &["updatekeys", "-y", "u.yaml"]), 5).contains("MAC"));
    assert_eq!(text(&keys, "u.yaml"), tampered);
    run(keys.opening(binary()).args(["updatekeys", "-y", "u.yaml"]));
    assert!(text(&keys, "u.yaml").contains(&other), "sops itself hands it on, so this test can fail");
}

/// Edits a file by this script of sed.
fn editing(keys: &Keys, script: &str, name: &str) -> Command {
    let editor = keys.path("editor.sh");
    fs::write(&editor, format!("#!/bin/sh\nsed -i '{script}' \"$1\"\n")).expect("the editor");
    fs::set_permissions(&editor, Permissions::from_mode(0o755)).expect("a mode");
    let mut command = holdfast(keys, &["edit", "--clear-folder", "/dev/shm", name]);
    command.env("EDITOR", editor);
    command
}

/// A wrap of a kind that is not opened here, as sops writes it in YAML.
const PGP: &str = "pgp:
        - created_at: \"2026-01-01T00:00:00Z\"
          enc: |-
            -----BEGIN PGP MESSAGE-----

            aGVsbG8=
            -----END PGP MESSAGE-----
          fp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21
    ";

/// The file with another reader, of that kind.
fn with_pgp(keys: &Keys, name: &str, plain: &[u8]) -> String {
    let sealed = String::from_utf8(keys.encrypt_by_config(name, plain)).expect("text");
    let both = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("yaml") => sealed.replace("lastmodified:", &format!("{PGP}lastmodified:")),
        Some("json") => sealed.replace(
            "\"lastmodified\":",
            "\"pgp\": [{\"created_at\": \"2026-01-01T00:00:00Z\", \"enc\": \"aGVsbG8=\", \"fp\": \"85D77543\"}],\n\t\t\"lastmodified\":",
        ),
        Some("ini") => sealed + "pgp__list_0__map_created_at = 2026-01-01T00:00:00Z\npgp__list_0__map_enc = aGVsbG8=\npgp__list_0__map_fp = 85D77543\n",
        _ => sealed + "sops_pgp__list_0__map_created_at=2026-01-01T00:00:00Z\nsops_pgp__list_0__map_enc=aGVsbG8=\nsops_pgp__list_0__map_fp=85D77543\n",
    };
    fs::write(keys.path(name), &both).expect("the file");
    both
}

#[test]
fn a_reader_of_another_kind_stays_where_a_file_is_laid_out_anew_and_is_gone_once_he_is_removed() {
    let keys = Keys::new();
    let mine = keys.recipient(Form::AgeFile);
    config(&keys, &format!("age: '{mine}'"));
    for (name, plain) in [
        ("k.yaml", "# old\na: one\nb: two\n"),
        ("k.json", "{\"a\": \"one\", \"b\": \"two\"}"),
        ("k.ini", "[s]\n; old\na = one\nb = two\n"),
        ("k.env", "# old\na=one\nb=two\n"),
    ] {
        with_pgp(&keys, name, plain.as_bytes());
        says(editing(&keys, "s/[;#] old/# new\\n# other/; s/two/2nd/", name), 0);
        let after = text(&keys, name);
        assert_eq!(
            after.matches("recipient").count(),
            1,
            "{name}: nobody of another kind is an age reader: {after}"
        );
        assert_eq!(
            (after.matches("aGVsbG8=").count(), after.matches("85D77543").count()),
            (1, 1),
            "{name}: {after}"
        );
        let clear = String::from_utf8(keys.decrypt(name, &[])).expect("text");
        assert!(clear.contains("2nd"), "{name}: {clear}");

        assert!(says(holdfast(&keys, &["updatekeys", "-y", name]), 0).contains("--- pgp 85D77543"), "{name}");
        let after = text(&keys, name);
        assert!(!after.contains("pgp") && !after.contains("aGVsbG8="), "{name}: {after}");
        assert!(says(holdfast(&keys, &["updatekeys", "-y", name]), 0).contains("up to date"), "{name}");
        let sops = keys.opening(binary()).args(["updatekeys", "-y", name]).output().expect("sops");
        assert!(String::from_utf8_lossy(&sops.stderr).contains("already up to date"), "{name}");
        assert_eq!(keys.decrypt(name, &[]), clear.as_bytes(), "{name}");
    }
}

#[test]
fn a_group_of_another_kind_keeps_its_share() {
    let (keys, third) = (Keys::new(), Keys::new().recipient(Form::AgeFile));
    let all = [keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh), third.clone()];
    let groups: Vec<_> = all.iter().map(|one| format!("\n      - age: ['{one}']")).collect();
    config(&keys, &format!("shamir_threshold: 2\n    key_groups:{}", groups.concat()));
    let sealed = String::from_utf8(keys.encrypt_by_config("g.yaml", b"# old\na: one\n")).expect("text");
    // The third group is one of PGP: its share is wrapped in the same place, under another name.
    let (before, own) = sealed.rsplit_once("- age:").expect("three groups");
    let made = "created_at: \"2026-01-01T00:00:00Z\"";
    let own = own.replace("recipient:", &format!("{made}\n              fp:"));
    fs::write(keys.path("g.yaml"), format!("{before}- pgp:{own}")).expect("the file");
    let share = |text: &str| {
        let (_, group) = text.rsplit_once("- pgp:").expect("the group");
        let (group, _) = group.split_once("hc_vault").expect("its end");
        group.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let wanted = share(&text(&keys, "g.yaml"));
    assert!(wanted.contains(&third) && wanted.len() > 6, "{wanted:?}");
    assert!(says(editing(&keys, "s/# old/# new/; s/one/1st/", "g.yaml"), 0).contains("laid out anew"));
    assert_eq!(share(&text(&keys, "g.yaml")), wanted);
    assert_eq!(run(keys.opening(binary()).args(["decrypt", "g.yaml"])), b"# new\na: 1st\n");
}

#[test]
fn thresholds_come_out_as_with_sops() {
    let keys = Keys::new();
    let third = Keys::new().recipient(Form::AgeFile);
    let all = [keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh), third];
    let rule = |count: usize, threshold: usize| {
        let groups: Vec<_> = all[..count].iter().map(|one| format!("\n      - age: ['{one}']")).collect();
        let groups = groups.concat();
        format!("shamir_threshold: {threshold}\n    key_groups:{groups}")
    };
    for (from, to) in [((3, 2), (2, 0)), ((2, 2), (3, 3)), ((1, 0), (3, 2))] {
        config(&keys, &rule(from.0, from.1));
        let sealed = keys.encrypt_by_config("ours.yaml", b"a: one\n");
        fs::write(keys.path("theirs.yaml"), sealed).expect("the file");
        config(&keys, &rule(to.0, to.1));
        run(keys.opening(binary()).args(["updatekeys", "-y", "theirs.yaml"]));
        says(holdfast(&keys, &["updatekeys", "-y", "ours.yaml"]), 0);
        let threshold = |name: &str| {
            let text = text(&keys, name);
            let line = text
                .lines()
                .find(|line| line.contains("shamir_threshold"))
                .map(|line| line.trim().to_owned());
            line.unwrap_or_default()
        };
        let theirs = threshold("theirs.yaml");
        // Where sops states none, it takes all groups.
        let wanted = if theirs.is_empty() { format!("shamir_threshold: {}", to.0) } else { theirs };
        assert_eq!(threshold("ours.yaml"), wanted, "{from:?} to {to:?}");
        // There are keys for two groups.
        if wanted.ends_with('2') {
            let clear = run(keys.opening(binary()).args(["decrypt", "ours.yaml"]));
            assert_eq!(clear, b"a: one\n", "{from:?} to {to:?}");
        }
    }
}

#[test]
fn who_is_removed_loses_the_data_key_and_the_history_says_what_he_could_read() {
    const VALUES: [&str; 4] = ["canary-in-use", "canary-before", "canary-gone", "canary-later"];
    let (keys, other) = (Keys::new(), Keys::new());
    let (mine, theirs) = (keys.recipient(Form::AgeFile), other.recipient(Form::AgeFile));
    git(keys.dir.path(), &["init", "-q"]);
    let commit = |message: &str| {
        git(keys.dir.path(), &["add", "-A", "--", "*.yaml"]);
        git(keys.dir.path(), &["commit", "-q", "-m", message]);
    };
    config(&keys, &format!("age: '{mine},{theirs}'"));
    let plain =
        format!("stays: {}\nchanges: {}\ngoes: {}\nopen_unencrypted: 1\n", VALUES[0], VALUES[1], VALUES[2]);
    keys.encrypt_by_config("old.yaml", plain.as_bytes());
    commit("one");
    git(keys.dir.path(), &["mv", "old.yaml", "u.yaml"]);
    commit("another name");
    run(keys.sops().args(["set", "u.yaml", r#"["changes"]"#, "\"other\""]));
    run(keys.sops().args(["unset", "u.yaml", r#"["goes"]"#]));
    // What comes after he is gone is none of his.
    config(&keys, &format!("age: '{mine}'"));
    let said = says(holdfast(&keys, &["updatekeys", "-y", "u.yaml"]), 0);
    assert!(said.contains(&format!("--- {theirs}")), "{said}");
    for (path, fate) in
        [("stays", "in use: replace it"), ("changes", "in use: replace it"), ("goes", "removed since")]
    {
        let line = said.lines().find(|line| line.trim_start().starts_with(path)).unwrap_or_default();
        assert!(line.ends_with(fate), "{path}: {said}");
    }
    assert!(said.contains("3 values in 2 versions"), "{said}");
    assert!(!said.contains("open_unencrypted"), "what everybody reads is no finding: {said}");
    fs::write(other.path("u.yaml"), text(&keys, "u.yaml")).expect("the file");
    assert!(!other.sops().args(["decrypt", "u.yaml"]).output().expect("sops").status.success());
    commit("removed");
    run(keys.sops().args(["set", "u.yaml", r#"["stays"]"#, &format!("\"{}\"", VALUES[3])]));
    commit("replaced");

    // Back and away again: now the first value is replaced, and the last one was never his.
    config(&keys, &format!("age: '{mine},{theirs}'"));
    keys.encrypt_by_config("v.yaml", b"x: y\n");
    let json = says(holdfast(&keys, &["rotate", "--rm-age", &theirs, "v.yaml"]), 0);
    assert!(json.contains("1 value in 1 version") && json.contains("x  in use"), "{json}");
    let both = says(holdfast(&keys, &["updatekeys", "--json", "-y", "u.yaml"]), 0);
    assert!(both.contains("\"rotated\": false") && both.contains(&theirs), "{both}");
    for value in VALUES {
        assert!(!said.contains(value) && !json.contains(value) && !both.contains(value), "{value}");
    }
}

#[test]
fn each_of_several_files_stands_for_itself() {
    let (keys, other) = (Keys::new(), Keys::new().recipient(Form::AgeFile));
    let mine = keys.recipient(Form::AgeFile);
    config(&keys, &format!("age: '{mine},{other}'"));
    keys.encrypt_by_config("one.yaml", b"a: one\n");
    keys.encrypt_by_config("two.json", b"{\"a\": \"two\"}");
    fs::write(keys.path("none.yaml"), "a: clear\n").expect("a file");
    config(&keys, &format!("age: '{mine}'"));
    let said = says(holdfast(&keys, &["updatekeys", "-y", "one.yaml", "none.yaml", "two.json"]), 5);
    assert!(said.contains("`none.yaml`") && said.contains("git repository"), "{said}");
    for name in ["one.yaml", "two.json"] {
        assert!(!text(&keys, name).contains(&other), "{name}");
        keys.decrypt(name, &[]);
    }
}
