//! Proves: what is taken out of a file, how it is indented, and what a set touches are those of the real sops.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::support::sops::{Form, Keys, OLD_VERSION, binary_of, run};

const YAML: &str = "# head\na: one\nb: 2\nf: 1.50\nt: true\nn: null\nnest:\n    # deep\n    x: 1\n    y:\n        - p\n        - q: r\n          s:\n            - 1\n            - 2\n    # foot\nlist:\n    - one\n    # in the list\n    - two: 2 # behind\n      three:\n        - x\n    - - 1\n      - 2\n    - |\n      l1\n      l2\nempty: []\nnone: {}\n---\nsecond: doc\nlist:\n    - other\n";
const JSON: &str = r#"{"a": "one", "b": 2, "f": 1.5, "t": true, "n": null, "nest": {"x": 1, "y": ["p", {"q": "r", "s": [1, 2]}]}, "list": ["one", {"two": 2, "three": ["<x>"]}, [1, 2], "l1\nl2\n"], "empty": [], "none": {}}"#;
const PATHS: [&str; 26] = [
    r#"["a"]"#,
    r#"["b"]"#,
    r#"["f"]"#,
    r#"["t"]"#,
    r#"["n"]"#,
    r#"["nest"]"#,
    r#"["nest"]["x"]"#,
    r#"["nest"]["y"]"#,
    r#"["nest"]["y"][0]"#,
    r#"["nest"]["y"][1]"#,
    r#"["nest"]["y"][1]["s"]"#,
    r#"["list"]"#,
    r#"["list"][0]"#,
    r#"["list"][2]"#,
    r#"["list"][2]["three"]"#,
    r#"["list"][3]"#,
    r#"["list"][3][1]"#,
    r#"["list"][4]"#,
    r#"["list"][9]"#,
    r#"["empty"]"#,
    r#"["none"]"#,
    r#"["second"]"#,
    r#"["gone"]"#,
    r#"["data"]"#,
    r"['s']['k']",
    r#"["s"]"#,
];

/// One file of each form that has nested lines.
const STORES: [&str; 3] = ["e.yaml", "e.json", "e.bin"];

/// What a program prints, or nothing where it refuses.
fn printed(command: &mut Command) -> Option<Vec<u8>> {
    let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().expect("the program starts");
    status.success().then_some(stdout)
}

fn holdfast(keys: &Keys) -> Command {
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("secrets");
    command
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    bytes.map_or_else(|| "(refused)".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn what_is_taken_out_of_a_file_is_printed_byte_for_byte_as_by_sops() {
    let keys = Keys::new();
    let age = keys.recipient(Form::AgeFile);
    // Comments stay clear, because sops does not open those that it encrypts in lists.
    let clear = ["--encrypted-regex", "^(x|three|second|k)$"];
    keys.encrypt("e.yaml", YAML.as_bytes(), &age, &clear);
    keys.encrypt("e.json", JSON.as_bytes(), &age, &[]);
    keys.encrypt("e.env", b"a=one\nb=l1\\nl2\n", &age, &[]);
    keys.encrypt("e.ini", b"[s]\nk = one\n[t]\na = 1\n", &age, &[]);
    keys.encrypt("e.bin", b"any\x00bytes\n", &age, &[]);
    let (mut same, mut refused) = (0, 0);
    for (name, types) in [
        ("e.yaml", &["yaml", "json"][..]),
        ("e.json", &["json"]),
        ("e.env", &["dotenv"]),
        ("e.ini", &["ini"]),
        ("e.bin", &["binary"]),
    ] {
        for (kind, path) in types.iter().flat_map(|kind| PATHS.map(|path| (kind, path))) {
            // The flat forms have no lists and no depth.
            if !matches!(*kind, "yaml" | "json") && path.matches('[').count() > 1 && !path.contains('k') {
                continue;
            }
            let args = ["decrypt", "--output-type", kind, "--extract", path, name];
            let theirs = printed(keys.sops().args(args));
            let ours = printed(holdfast(&keys).args(args));
            assert_eq!(text(ours.as_ref()), text(theirs.as_ref()), "{name} as {kind} at {path}");
            *(if theirs.is_some() { &mut same } else { &mut refused }) += 1;
        }
    }
    eprintln!("--extract: {same} the same, {refused} refused by both");
    assert!(same > 50, "{same}");
}

#[test]
fn indentation_is_that_of_the_configuration_or_the_flag_as_sops_takes_it() {
    let keys = Keys::new();
    let age = keys.recipient(Form::AgeFile);
    for (name, plain) in STORES.iter().zip([YAML, JSON, "any\n"]) {
        fs::write(keys.path(&format!("plain-{name}")), plain).expect("the clear text");
        // Sops itself does not open what it encrypts in this list.
        let flags: &[&str] = if *name == "e.yaml" { &["--encrypted-regex", "^x$"] } else { &[] };
        keys.encrypt(name, plain.as_bytes(), &age, flags);
    }
    let mut refused = 0;
    for (yaml, json) in [("2", "0"), ("1", "2"), ("9", "-1"), ("12", "1"), ("-1", "-2")] {
        let config = format!(
            "stores:\n  yaml:\n    indent: {yaml}\n  json:\n    indent: {json}\n  json_binary:\n    indent: {json}\n  dotenv: {{}}\n  ini: {{}}\n"
        );
        fs::write(keys.path(".sops.yaml"), config).expect("a configuration");
        refused += indented_alike(&keys, &age, &[]);
    }
    // The flag counts, and not the configuration that is still there.
    for indent in ["0", "2", "3", "9", "12", "-1", "-2"] {
        refused += indented_alike(&keys, &age, &["--indent", indent]);
    }
    assert_eq!(refused, 3 + 4, "indentations that sops refuses");
}

/// sops 3.9.4 takes the flag where no command is named.
#[test]
fn the_flag_of_indentation_means_what_it_means_to_sops_3_9_4() {
    let keys = Keys::new();
    let age = keys.recipient(Form::AgeFile);
    let mut refused = 0;
    for (name, plain) in STORES.iter().zip([YAML, JSON, "any\n"]) {
        let flags: &[&str] = if *name == "e.yaml" { &["--encrypted-regex", "^x$"] } else { &[] };
        keys.encrypt(name, plain.as_bytes(), &age, flags);
        fs::write(keys.path(&format!("plain-{name}")), plain).expect("the clear text");
        for indent in ["0", "2", "3", "9", "12", "-1", "-2"] {
            let sops = || keys.opening(binary_of(OLD_VERSION));
            let old = |args: &[&str]| printed(sops().args(["--indent", indent]).args(args));
            let ours = |args: &[&str]| printed(holdfast(&keys).args(args).args(["--indent", indent]));
            let (theirs, opened) = (old(&["-d", name]), ours(&["decrypt", name]));
            assert_eq!(blanks(opened.as_ref()), blanks(theirs.as_ref()), "{name} {indent}");
            let plain = format!("plain-{name}");
            let rest = ["--age", &age, "--encrypted-regex", "^x$", &plain];
            // The metadata of the old one are in another order.
            let outside = |bytes: Vec<u8>| {
                let end = bytes.windows(6).position(|part| part == b"\nsops:" || part == b"\"sops\"");
                bytes[..end.expect("metadata")].to_vec()
            };
            let theirs = old(&[&["-e"], &rest[..]].concat()).map(outside);
            refused += usize::from(theirs.is_none());
            let ours = ours(&[&["encrypt"], &rest[..]].concat()).map(outside);
            assert_eq!(blanks(ours.as_ref()), blanks(theirs.as_ref()), "{name} {indent}");
        }
    }
    assert_eq!(refused, 4, "indentations that sops refuses");
}

/// How many blanks are before the lines of a text, each number once where it stands several times in a row: the armor of
/// a wrapped key is not always as long.
fn blanks(bytes: Option<&Vec<u8>>) -> Option<Vec<usize>> {
    let text = String::from_utf8_lossy(bytes?);
    let mut blanks: Vec<usize> = text.lines().map(|line| line.len() - line.trim_start().len()).collect();
    blanks.dedup();
    Some(blanks)
}

/// Decrypts and encrypts in each form by both tools, with a flag of both; counts what sops refuses to encrypt.
fn indented_alike(keys: &Keys, age: &str, flag: &[&str]) -> usize {
    let mut refused = 0;
    let both = |args: &[&str]| {
        // sops 3.9.4 takes it in front of its commands only, and 3.13.2 there too.
        let theirs = printed(keys.sops().args(flag).args(args));
        (theirs, printed(holdfast(keys).args(args).args(flag)))
    };
    for name in STORES {
        let (theirs, ours) = both(&["decrypt", name]);
        assert_eq!(text(ours.as_ref()), text(theirs.as_ref()), "{name} {flag:?}");
        if name != "e.bin" {
            let (theirs, ours) = both(&["decrypt", "--extract", r#"["list"]"#, name]);
            assert_eq!(text(ours.as_ref()), text(theirs.as_ref()), "{name} {flag:?}");
        }
        // What is encrypted has tokens that differ, so only the blanks before each line are compared.
        let plain = format!("plain-{name}");
        let (theirs, ours) = both(&["encrypt", "--age", age, "--encrypted-regex", "^x$", &plain]);
        refused += usize::from(theirs.is_none());
        assert_eq!(blanks(ours.as_ref()), blanks(theirs.as_ref()), "{name} {flag:?}");
    }
    refused
}

#[test]
fn a_set_touches_what_sops_touches_in_several_documents_and_in_lists_with_comments() {
    let keys = Keys::new();
    let clear = ["--encrypted-regex", "^(x|three|second|k)$"];
    let sealed = keys.encrypt("e.yaml", YAML.as_bytes(), &keys.recipient(Form::AgeFile), &clear);
    let clear = |name: &str| String::from_utf8(keys.decrypt(name, &[])).expect("text");
    for (path, value) in [
        (r#"["a"]"#, Some("\"new\"")),
        (r#"["second"]"#, Some("\"in the first\"")),
        (r#"["list"][2]["three"][0]"#, Some("\"new\"")),
        (r#"["list"][3][1]"#, Some("{\"k\": \"v\"}")),
        (r#"["list"][9]"#, Some("\"last\"")),
        (r#"["none"]"#, Some("{\"k\": [\"v\"]}")),
        (r#"["list"][0]"#, None),
        (r#"["list"][4]"#, None),
        (r#"["nest"]["x"]"#, None),
        (r#"["list"]"#, None),
    ] {
        let command = if value.is_some() { "set" } else { "unset" };
        fs::write(keys.path("theirs.yaml"), &sealed).expect("the file");
        fs::write(keys.path("ours.yaml"), &sealed).expect("the file");
        run(keys.sops().args([command, "theirs.yaml", path]).args(value));
        run(holdfast(&keys).args([command, "ours.yaml", path]).args(value));
        assert_eq!(clear("ours.yaml"), clear("theirs.yaml"), "{command} {path}");
    }
}

#[test]
fn a_key_that_ini_cannot_write_is_refused_and_not_lost() {
    let keys = Keys::new();
    let age = keys.recipient(Form::AgeFile);
    for key in ["#hash", ";semicolon", "\u{feff}mark"] {
        let clear = format!("\"{key}\" =\nkept = 1\n");
        fs::write(keys.path("odd.ini"), &clear).expect("the file");
        // sops writes it, and it is gone.
        let theirs = run(keys.sops().args(["encrypt", "--age", &age, "odd.ini"]));
        fs::write(keys.path("theirs.ini"), theirs).expect("the file");
        let theirs = text(Some(&keys.decrypt("theirs.ini", &[])));
        assert!(theirs.contains("kept") && !theirs.contains(key), "{theirs}");

        let mut ours = holdfast(&keys);
        let Output { status, stdout, stderr } =
            ours.args(["encrypt", "--age", &age, "odd.ini"]).output().expect("the program starts");
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success() && stdout.is_empty(), "{key}: {said}");
        assert!(
            said.contains("cannot be written in this form")
                && said.contains(key.trim_start_matches(['#', ';', '\u{feff}'])),
            "{key}: {said}"
        );
    }
}
