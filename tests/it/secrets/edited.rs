//! Proves: one value of a sops file is set or removed, nothing else of the text changes, and the real sops reads it.

use std::fs;
use std::process::Command;

use jiff::Timestamp;

use crate::support::sops::{Form, Keys, run};
use holdfast::secrets::{Edited, Opener, SecretBytes, SecretError, format_of, parse_path, set, unset};

const PLAIN: &str = "# top\n\na: one # why\n\nnest:\n  # deep\n  b: two\n  c: 3\n\n\nlist:\n- x\n- y: 1\n  z: 2\nempty: {}\nnone: []\nlast: end\n# tail\n";

/// A file as a person keeps it: sops's own text with blank lines, other quotes and other indentation around it.
fn by_hand(sealed: &str) -> String {
    let lines = sealed.lines().map(|line| match line {
        "nest:" => "\nnest:   # by hand".to_owned(),
        line if line.starts_with("last: ") => format!("\n\n\"last\":   '{}'  # quoted", &line[6..]),
        line => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn changed(
    keys: &Keys,
    name: &str,
    bytes: &[u8],
    path: &str,
    value: Option<&str>,
) -> Result<Edited, SecretError> {
    let identities = keys.identities(Form::AgeFile);
    let opener = Opener::Identities(&identities);
    let file = (bytes, format_of(name.as_ref()));
    let path = parse_path(path).expect("a path");
    let now: Timestamp = "2030-01-02T03:04:05Z".parse().expect("a time");
    match value {
        Some(value) => set(file, &opener, &path, &SecretBytes::new(value.as_bytes().to_vec()), now),
        None => unset(file, &opener, &path, now),
    }
}

/// The lines that only one of both has.
fn differing(left: &str, right: &str) -> (Vec<String>, Vec<String>) {
    let only = |these: &str, others: &str| {
        let others: Vec<&str> = others.lines().collect();
        these.lines().filter(|line| !others.contains(line)).map(str::to_owned).collect()
    };
    (only(left, right), only(right, left))
}

/// What is set, what the real sops then extracts, and how many lines are gone and new beside `mac` and `lastmodified`.
type Change = (&'static str, Option<&'static str>, &'static str, (usize, usize));

const YAML_CHANGES: [Change; 15] = [
    (r#"["a"]"#, Some("\"new\""), "new", (1, 1)),
    (r#"["a"]"#, Some("\"l1\\nl2\\n\""), "l1\nl2\n", (1, 1)),
    (r#"["nest"]["b"]"#, Some("12"), "12", (1, 1)),
    (r#"["last"]"#, Some("true"), "true", (1, 1)),
    (r#"["nest"]["new"]"#, Some("\"n\""), "n", (0, 1)),
    (r#"["fresh"]["deep"]["er"]"#, Some("\"n\""), "n", (0, 3)),
    (r#"["list"][0]"#, Some("\"n\""), "n", (1, 1)),
    (r#"["list"][1]["z"]"#, Some("\"n\""), "n", (1, 1)),
    (r#"["list"][9]"#, Some("\"n\""), "", (0, 1)),
    (r#"["empty"]["k"]"#, Some("\"n\""), "n", (1, 1)),
    (r#"["none"][0]"#, Some("\"n\""), "n", (1, 1)),
    (r#"["a"]"#, None, "", (1, 0)),
    (r#"["nest"]["c"]"#, None, "", (1, 0)),
    (r#"["list"][0]"#, None, "", (1, 0)),
    (r#"["list"][1]["z"]"#, None, "", (1, 0)),
];

fn proves(keys: &Keys, name: &str, before: &str, change: Change) {
    let (path, value, extracted, lines) = change;
    let edited = changed(keys, name, before.as_bytes(), path, value)
        .unwrap_or_else(|error| panic!("{name} {path} {value:?}: {error}"));
    assert!(!edited.laid_out_anew, "{name} {path} {value:?}");
    let after = String::from_utf8(edited.bytes.expose().to_vec()).expect("text");
    let (gone, new) = differing(before, &after);
    let counted = (gone.len() - 2, new.len() - 2);
    assert_eq!(counted, lines, "{name} {path} {value:?}\n{gone:#?}\n{new:#?}");
    fs::write(keys.path(name), &after).expect("the file");
    let clear = keys.decrypt(name, &[]);
    assert!(!clear.is_empty());
    if !extracted.is_empty() {
        let found = keys.decrypt(name, &["--extract", path]);
        assert_eq!(String::from_utf8_lossy(&found).trim_end(), extracted.trim_end(), "{name} {path}");
    }
}

#[test]
fn in_yaml_only_the_lines_of_the_value_change_and_sops_reads_it() {
    let keys = Keys::new();
    let sealed = keys.encrypt("e.yaml", PLAIN.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let before = by_hand(&String::from_utf8(sealed).expect("text"));
    for change in YAML_CHANGES {
        proves(&keys, "e.yaml", &before, change);
    }
}

#[test]
fn in_json_only_the_lines_of_the_value_change_and_sops_reads_it() {
    let keys = Keys::new();
    let plain = r#"{"a": "one", "nest": {"b": 2, "c": [1, "x", {"d": null}]}, "empty": {}, "last": true}"#;
    let sealed = keys.encrypt("e.json", plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let before = String::from_utf8(sealed).expect("text").replace("\t\"nest\"", "\n\n\t\"nest\"");
    let changes: [Change; 8] = [
        (r#"["a"]"#, Some("\"new\""), "new", (1, 1)),
        (r#"["nest"]["b"]"#, Some("3"), "3", (1, 1)),
        (r#"["nest"]["c"][1]"#, Some("\"y\""), "y", (1, 1)),
        // What was last gets a comma, and so another line that is there already or not.
        (r#"["nest"]["c"][9]"#, Some("\"y\""), "", (0, 2)),
        (r#"["nest"]["new"]"#, Some("\"n\""), "n", (1, 1)),
        (r#"["fresh"]"#, Some("\"n\""), "n", (0, 1)),
        // The blank lines up to the next key go with the first one.
        (r#"["a"]"#, None, "", (3, 0)),
        (r#"["nest"]["b"]"#, None, "", (1, 0)),
    ];
    for change in changes {
        proves(&keys, "e.json", &before, change);
    }
}

#[test]
fn sops_goes_on_with_what_was_set_and_untouched_tokens_stay() {
    let keys = Keys::new();
    let sealed = keys.encrypt("e.yaml", PLAIN.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let edited = changed(&keys, "e.yaml", &sealed, r#"["nest"]["b"]"#, Some("\"mine\"")).expect("set");
    fs::write(keys.path("e.yaml"), edited.bytes.expose()).expect("the file");
    run(keys.sops().arg("set").arg(keys.path("e.yaml")).args([r#"["nest"]["c"]"#, "\"theirs\""]));
    let after = fs::read(keys.path("e.yaml")).expect("the file");
    let line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().find(|line| line.starts_with("last:")).expect("the line").to_owned()
    };
    assert_eq!(line(&after), line(&sealed), "an untouched token went through both");
    let again = changed(&keys, "e.yaml", &after, r#"["nest"]["b"]"#, None).expect("unset");
    fs::write(keys.path("e.yaml"), again.bytes.expose()).expect("the file");
    assert_eq!(keys.decrypt("e.yaml", &["--extract", r#"["nest"]["c"]"#]), b"theirs");
}

#[test]
fn every_form_can_be_changed() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    for (name, plain, path) in [
        ("e.env", "# c\nA=one\nB=two\n", r#"["B"]"#),
        ("e.ini", "; c\n[s]\na = one\nb = two\n", r#"["s"]["b"]"#),
        ("two.yaml", "a: 1\nb: 2\n---\nc: 3\n", r#"["b"]"#),
    ] {
        let sealed = keys.encrypt(name, plain.as_bytes(), &recipient, &[]);
        let edited = changed(&keys, name, &sealed, path, Some("\"new\""))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        fs::write(keys.path(name), edited.bytes.expose()).expect("the file");
        let clear = String::from_utf8(keys.decrypt(name, &[])).expect("text");
        assert!(clear.contains("new") && !clear.contains("two"), "{name}: {clear}");
    }
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let keys = Keys::new();
    let sealed = keys.encrypt("e.yaml", PLAIN.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let says = |path: &str, value: Option<&str>, bytes: &[u8]| {
        changed(&keys, "e.yaml", bytes, path, value).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (path, value, expected) in [
        (r#"["gone"]"#, None, "is not in the file"),
        (r#"["list"][7]"#, None, "is not in the file"),
        (r#"["list"]["k"]"#, Some("1"), "names a key in a list"),
        (r#"["nest"][0]"#, Some("1"), "names a position in a map"),
        (r#"["a"]"#, Some("plain"), "the new value is no JSON"),
        (r#"["a"]"#, Some("1, \"b\": 2"), "the new value is no JSON"),
        (r#"["a:b"]"#, Some("1"), "colon"),
    ] {
        let found = says(path, value, &sealed);
        assert!(found.contains(expected), "{path}: {found:?}");
        assert!(!found.contains("plain"), "the value is not told");
    }
    let tampered =
        String::from_utf8(sealed).expect("text").replace("empty: {}", "empty: {}\nextra_unencrypted: x");
    assert!(says(r#"["a"]"#, Some("1"), tampered.as_bytes()).contains("MAC"), "the MAC is verified first");
}

#[test]
fn the_commands_replace_the_file() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", PLAIN.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(["secrets", args[0]]).arg(keys.path("e.yaml")).args(&args[1..]);
        command.arg("--age-key-file").arg(keys.path("age.txt")).env("HOME", keys.dir.path());
        command
    };
    let value = keys.path("value.json");
    fs::write(&value, "\"from a file\"").expect("a value");
    let file = value.to_str().expect("text");
    run(&mut command(&["set", r#"["a"]"#, "--value-file", file]));
    assert_eq!(keys.decrypt("e.yaml", &["--extract", r#"["a"]"#]), b"from a file");
    run(&mut command(&["unset", r#"["nest"]"#]));
    assert!(!String::from_utf8_lossy(&keys.decrypt("e.yaml", &[])).contains("nest"));
}

#[test]
fn a_file_that_is_not_there_is_refused_with_the_command_that_makes_one() {
    let keys = Keys::new();
    for (verb, args) in [("set", &["[\"a\"]"][..]), ("unset", &["[\"a\"]"]), ("rotate", &["-i"])] {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        let output = command.args(["secrets", verb, "none.yaml"]).args(args).output().expect("holdfast runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{verb}: {said}");
        let hint = "hint: `holdfast secrets edit FILE` makes one";
        assert!(said.contains("`none.yaml`: is not there") && said.contains(hint), "{verb}: {said}");
        assert!(!keys.path("none.yaml").exists(), "{verb}");
    }
}
