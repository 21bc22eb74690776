//! Proves: under every rule of what is encrypted, what Holdfast rotates and edits is what the real sops reads; and a file
//! that is replaced in its place stays its owner's; and a device is no file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::process::{Command, Stdio};

use super::oracle::RULES;
use crate::support::sops::{Form, Keys, run};

const PLAIN: [(&str, &str); 5] = [
    (
        "w.yaml",
        "# head\nsecret: one\n# hide\nclear: two # show\nnest:\n    # show\n    deep:\n        key: value # behind\n        int: 7\n    empty: \"\"\n    nil: null\nlist:\n    - x\n    - x\n    - y: 1.50\nmulti: |\n    l1\n      l2\n# foot\n",
    ),
    ("two.yaml", "# hide\nsecret: one\nclear: two\n---\n# show\nsecret: three\nnest:\n    a: b\n"),
    (
        "w.json",
        "{\"secret\": \"one\", \"clear\": \"two\", \"nest\": {\"a\": 1, \"b\": [true, null, 1.5]}, \"list\": [\"x\", {}]}",
    ),
    ("w.env", "# head\nsecret=one\n# hide\nclear=two\n# show\nnest=three\nempty=\n"),
    ("w.ini", "; head\n[nest]\n; hide\nsecret = one\nclear = two\n\n[list]\n; show\na = b\n"),
];

#[test]
fn rotated_and_edited_under_every_rule() {
    let keys = Keys::new();
    let editor = keys.path("editor.sh");
    fs::write(&editor, "#!/bin/sh\nsed -i 's/one/1st/; s/two/2nd/' \"$1\"\n").expect("the editor");
    fs::set_permissions(&editor, Permissions::from_mode(0o755)).expect("a mode");
    let holdfast = |arguments: &[&str]| {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("EDITOR", &editor);
        run(command.arg("secrets").args(arguments).stdin(Stdio::null()));
    };
    for rule in RULES {
        let config = format!("creation_rules:\n  - age: '{}'\n    {rule}\n", keys.recipient(Form::AgeFile));
        fs::write(keys.path(".sops.yaml"), config).expect("the config");
        for (name, plain) in PLAIN {
            let sealed = keys.encrypt_by_config(name, plain.as_bytes());
            let clear = keys.decrypt(name, &[]);
            holdfast(&["rotate", "-i", name]);
            assert!(fs::read(keys.path(name)).expect("the file") != sealed, "{name} under `{rule}`");
            assert_eq!(keys.decrypt(name, &[]), clear, "{name} under `{rule}`");
            holdfast(&["edit", "--clear-folder", "/dev/shm", name]);
            let wanted = String::from_utf8(clear).expect("text").replace("one", "1st").replace("two", "2nd");
            let found = String::from_utf8(keys.decrypt(name, &[])).expect("text");
            assert_eq!(found, wanted, "{name} under `{rule}`");
        }
    }
}

#[test]
fn what_is_replaced_in_its_place_keeps_owner_mode_and_link() {
    const OWNER: u32 = 4711;
    let keys = Keys::new();
    let (file, link) = (keys.path("o.yaml"), keys.path("link.yaml"));
    fs::write(&file, "a: one\n").expect("the file");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("a mode");
    chown(&file, Some(OWNER), Some(OWNER)).expect("an owner (needs root)");
    std::os::unix::fs::symlink("o.yaml", &link).expect("a link");
    let recipient = keys.recipient(Form::AgeFile);
    for arguments in [
        &["encrypt", "--age", &recipient, "-i", "link.yaml"][..],
        &["set", "link.yaml", "[\"a\"]", "\"2nd\""],
        &["rotate", "-i", "link.yaml"],
        &["decrypt", "-i", "link.yaml"],
    ] {
        run(keys.opening(env!("CARGO_BIN_EXE_holdfast")).arg("secrets").args(arguments).stdin(Stdio::null()));
        let found = fs::metadata(&file).expect("the file");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (OWNER, OWNER, 0o640), "{arguments:?}");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink(), "{arguments:?}");
    }
    assert_eq!(fs::read(&file).expect("the file"), b"a: 2nd\n");
    let beside = fs::read_dir(keys.dir.path()).expect("the folder").flatten();
    let left: Vec<_> =
        beside.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains("new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn output_goes_into_a_device_a_pipe_or_a_link_and_takes_the_place_of_none() {
    let keys = Keys::new();
    keys.encrypt("d.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    let decrypt = |output: &str| {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        run(command.args(["secrets", "decrypt", "--output", output, "d.yaml"]).stdin(Stdio::null()))
    };
    // As `/dev/null` and `/dev/stdout` are.
    run(Command::new("mknod").arg(keys.path("null")).args(["c", "1", "3"]));
    std::os::unix::fs::symlink("/proc/self/fd/1", keys.path("stdout")).expect("a link");
    std::os::unix::fs::symlink("file", keys.path("link")).expect("a link");
    assert_eq!(decrypt("null"), b"");
    assert!(fs::symlink_metadata(keys.path("null")).expect("the device").file_type().is_char_device());
    assert_eq!(decrypt("stdout"), b"a: one\n");
    for before in [None, Some("another one, and longer\n")] {
        if let Some(text) = before {
            fs::write(keys.path("file"), text).expect("the file");
        }
        assert_eq!(decrypt("link"), b"");
        assert_eq!(fs::read(keys.path("file")).expect("the file"), b"a: one\n");
    }
    for link in ["stdout", "link"] {
        assert!(fs::symlink_metadata(keys.path(link)).expect("the link").is_symlink(), "{link}");
    }
}
