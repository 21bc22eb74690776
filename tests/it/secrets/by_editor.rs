//! Proves: a file in an editor loses nothing, leaves no clear text behind, and the real sops reads what comes out.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::sops::{Form, Keys, binary, run};

const PLAIN: &str =
    "# top\na: one # why\n\nnest:\n    # deep\n    b: two\n    c: 3\nlist:\n    - x\n    - y: 1\nlast: end\n";

/// Keys, an editor that is a line of shell with the file as `$1`, and a folder for clear text.
struct Desk {
    keys: Keys,
    clear: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { keys: Keys::new(), clear: tempfile::tempdir_in("/dev/shm").expect("a folder in memory") }
    }

    fn sealed(&self, name: &str, plain: &str) -> String {
        let sealed = self.keys.encrypt(name, plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
        String::from_utf8(sealed).expect("text")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.keys.path(name)).expect("the file")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>, editor: &str) -> Command {
        let script = self.keys.path("editor.sh");
        fs::write(&script, format!("#!/bin/sh\n{editor}\n")).expect("the editor");
        fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a mode");
        let mut command = self.keys.opening(program);
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
        command.env("EDITOR", "/bin/false").env("SOPS_EDITOR", format!("'{}' --", script.display()));
        command
    }

    fn edit(&self, name: &str, editor: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_holdfast"), &format!("shift\n{editor}"));
        command.args(["secrets", "edit", "--clear-folder"]).arg(self.clear.path()).arg(name);
        command.stdin(Stdio::null());
        command
    }

    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.clear.path()).expect("the folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// What it says, and that it ends so.
fn says(command: &mut Command, exit: i32) -> String {
    let output = command.output().expect("holdfast starts");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    assert_eq!(output.status.code(), Some(exit), "{said}");
    said
}

/// Lines that are not in the file any more; the time may be the same.
fn lines_gone(before: &str, after: &str) -> usize {
    let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line));
    gone.filter(|line| !line.contains("lastmodified")).count()
}

#[test]
fn only_what_was_edited_changes_and_sops_reads_it() {
    let desk = Desk::new();
    let sealed = desk.sealed("e.yaml", PLAIN).replace("nest:", "\n\nnest:   # by hand");
    fs::write(desk.keys.path("e.yaml"), &sealed).expect("the file");
    says(&mut desk.edit("e.yaml", r#"sed -i 's/two/2nd "&"/; s/c: 3/c: "3"/; $ a new: [1, two]' "$1""#), 0);
    let after = desk.text("e.yaml");
    // Both values and the MAC.
    assert_eq!(lines_gone(&sealed, &after), 3, "{after}");
    let clear = String::from_utf8(desk.keys.decrypt("e.yaml", &[])).expect("text");
    assert!(
        clear.contains("b: 2nd \"two\"") && clear.contains("c: \"3\"") && clear.contains("new:"),
        "{clear}"
    );

    // Comments are laid out anew; every token of what stays stays.
    says(&mut desk.edit("e.yaml", r#"sed -i 's/# top/# other/; /y: 1/d' "$1""#), 0);
    let laid_out = desk.text("e.yaml");
    let clear = String::from_utf8(desk.keys.decrypt("e.yaml", &[])).expect("text");
    assert!(clear.starts_with("# other\n") && !clear.contains("y: 1"), "{clear}");
    let token = |text: &str, key: &str| {
        text.lines().find(|line| line.trim_start().starts_with(key)).map(|line| line.trim().to_owned())
    };
    for key in ["b: ENC", "c: ENC", "last: ENC", "- ENC"] {
        assert_eq!(token(&after, key), token(&laid_out, key), "{key}");
    }
    assert_eq!(desk.left(), Vec::<PathBuf>::new(), "no clear text is left");
}

#[test]
fn every_store_can_be_edited() {
    let desk = Desk::new();
    for (name, plain) in [
        ("e.json", "{\"a\": \"one\", \"b\": [1, 2]}"),
        ("e.env", "# c\nA=one\nB=two\n"),
        ("e.ini", "[s]\na = one\nb = two\n"),
        ("e.bin", "one\u{1}\n"),
        ("two.yaml", "a: one\n---\nb: two\n"),
    ] {
        desk.sealed(name, plain);
        says(&mut desk.edit(name, r#"sed -i 's/one/1st/' "$1""#), 0);
        let clear = String::from_utf8(desk.keys.decrypt(name, &[])).expect("text");
        assert!(clear.contains("1st") && !clear.contains("one"), "{name}: {clear}");
    }
}

#[test]
fn what_was_not_changed_is_not_written_and_the_code_is_that_of_sops() {
    let desk = Desk::new();
    let sealed = desk.sealed("e.yaml", PLAIN);
    assert!(says(&mut desk.edit("e.yaml", "touch \"$1\""), 200).contains("nothing was changed"));
    // Another layout of the same values is no change.
    says(&mut desk.edit("e.yaml", r#"sed -i 's/^last: end/last:   "end"/' "$1""#), 200);
    assert_eq!(desk.text("e.yaml"), sealed);
    let sops = desk.command(binary(), "true").args(["edit", "e.yaml"]).output().expect("sops");
    assert_eq!(sops.status.code(), Some(200));
}

#[test]
fn a_text_that_cannot_be_read_comes_back_and_one_that_is_given_up_is_kept() {
    let desk = Desk::new();
    let sealed = desk.sealed("e.yaml", PLAIN);
    let twice = r#"if [ -e once ]; then sed -i 's/"canary-broken/canary-good/' "$1"; else touch once; sed -i 's/two/"canary-broken/' "$1"; fi"#;
    let mut child = desk
        .edit("e.yaml", twice)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("holdfast starts");
    child.stdin.take().expect("its stdin").write_all(b"\n").expect("an answer");
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("line ") && !said.contains("canary"), "{said}");
    assert_eq!(desk.keys.decrypt("e.yaml", &["--extract", r#"["nest"]["b"]"#]), b"canary-good");

    fs::write(desk.keys.path("e.yaml"), &sealed).expect("the file");
    let said = says(&mut desk.edit("e.yaml", r#"sed -i 's/two/"canary-broken/' "$1""#), 5);
    assert_eq!(desk.text("e.yaml"), sealed);
    let [kept] = &desk.left()[..] else { panic!("one folder is kept: {said}") };
    assert!(said.contains(kept.to_str().expect("text")), "{said}");
    assert!(fs::read_to_string(kept.join("e.yaml")).expect("the text").contains("canary-broken"));
    says(&mut desk.edit("e.yaml", "true"), 200);
    assert!(kept.exists(), "what is kept on purpose is not swept away");
    fs::remove_dir_all(kept).expect("removed");

    let said = says(&mut desk.edit("e.yaml", r#"sed -i 's/two/changed/' "$1"; exit 3"#), 1);
    assert!(said.contains("exit status: 3") && desk.left().len() == 1, "{said}");
    let meanwhile =
        desk.edit("e.yaml", r#"sed -i 's/two/changed/' "$1"; echo >> "$HOME/e.yaml""#).output().expect("it");
    assert!(String::from_utf8_lossy(&meanwhile.stderr).contains("meanwhile"));
    assert_eq!((desk.text("e.yaml"), desk.left().len()), (sealed + "\n", 2));
}

#[test]
fn a_new_file_is_for_the_readers_of_its_creation_rule() {
    let desk = Desk::new();
    assert!(says(&mut desk.edit("new.yaml", "true"), 78).contains("nobody is named"));
    let rule = format!("creation_rules:\n  - age: '{}'\n", desk.keys.recipient(Form::AgeFile));
    fs::write(desk.keys.path(".sops.yaml"), rule).expect("the config");
    says(&mut desk.edit("new.yaml", "true"), 200);
    assert!(!desk.keys.path("new.yaml").exists());
    for (name, text) in [("new.yaml", "a: 1\n"), ("new.json", "{\n\t\"a\": 1\n}\n"), ("new.env", "a=1\n")] {
        let text_of = text.replace('\n', "\\n").replace('\t', "\\t");
        says(&mut desk.edit(name, &format!("printf '{text_of}' > \"$1\"")), 0);
        assert_eq!(String::from_utf8_lossy(&desk.keys.decrypt(name, &[])), text, "{name}");
    }
}

#[test]
fn a_kill_leaves_no_clear_text_behind_for_longer_than_the_editor_lives() {
    let desk = Desk::new();
    desk.sealed("e.yaml", PLAIN);
    let mut killed =
        desk.edit("e.yaml", "echo $$ > pid.new; mv pid.new pid; sleep 600").spawn().expect("holdfast starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !desk.keys.path("pid").exists() {
        assert!(Instant::now() < until, "the editor does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    killed.kill().expect("killed");
    killed.wait().expect("its end");
    let [left] = &desk.left()[..] else { panic!("one folder") };
    assert!(left.join("e.yaml").exists(), "a kill alone removes nothing, so this test can fail");
    says(&mut desk.edit("e.yaml", "true"), 200);
    assert!(left.exists(), "its editor still lives");
    let editor = fs::read_to_string(desk.keys.path("pid")).expect("a number");
    // The shell, and the program that it waits for.
    run(Command::new("pkill").args(["-KILL", "-P", editor.trim()]));
    let gone = || !Path::new("/proc").join(editor.trim()).exists();
    while !gone() {
        Command::new("kill").args(["-KILL", editor.trim()]).stderr(Stdio::null()).status().expect("kill");
        std::thread::sleep(Duration::from_millis(10));
    }
    says(&mut desk.edit("e.yaml", "true"), 200);
    assert_eq!(desk.left(), Vec::<PathBuf>::new());
}

#[test]
fn the_editor_sees_no_key_and_its_file_is_in_memory_for_its_owner_alone() {
    let desk = Desk::new();
    desk.sealed("e.yaml", PLAIN);
    let run_dir = tempfile::tempdir().expect("a folder");
    let look = r#"env > env; stat -c %a "$1" "$(dirname "$1")" > modes; stat -f -c %T "$1" > kind; grep -l '' "$(dirname "$1")"/* > names"#;
    let mut command = desk.command(env!("CARGO_BIN_EXE_holdfast"), &format!("shift\n{look}"));
    command.env("SOPS_AGE_KEY_FILE", desk.keys.path("age.txt")).env("NOTIFY_SOCKET", "/run/systemd/notify");
    command.args(["secrets", "edit", "e.yaml", "--run-dir"]).arg(run_dir.path());
    says(&mut command, 200);
    let env = desk.text("env");
    assert!(env.contains("HOME="), "{env}");
    for hidden in ["AGE-SECRET-KEY", "SOPS_AGE", "NOTIFY_SOCKET"] {
        assert!(!env.contains(hidden), "{env}");
    }
    assert_eq!(desk.text("modes"), "600\n700\n");
    assert!(matches!(desk.text("kind").trim(), "tmpfs" | "ramfs"), "{}", desk.text("kind"));
    assert!(desk.text("names").trim().ends_with("/e.yaml"));
    assert!(!run_dir.path().join("clear").exists(), "nothing stays mounted");
}

/// Mounts below a folder.
fn mounts(below: &Path) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
    table.lines().filter(|line| line.contains(below.to_str().expect("text"))).count()
}

#[test]
fn nothing_stays_mounted_whatever_becomes_of_the_editor_while_nobody_else_needs_it() {
    let desk = Desk::new();
    desk.sealed("e.yaml", PLAIN);
    let run_dir = tempfile::tempdir().expect("a folder");
    let edit = |editor: &str| {
        let mut command = desk.command(env!("CARGO_BIN_EXE_holdfast"), &format!("shift\n{editor}"));
        command.args(["secrets", "edit", "e.yaml", "--run-dir"]).arg(run_dir.path()).stdin(Stdio::null());
        command
    };
    let count = format!("grep -c '{}' /proc/self/mountinfo > mounts", run_dir.path().display());
    says(&mut edit(&count), 200);
    assert_eq!(desk.text("mounts"), "1\n", "it is mounted meanwhile, so this test can fail");
    assert_eq!(mounts(run_dir.path()), 0);
    says(&mut edit("kill -KILL $$"), 1);
    assert_eq!(mounts(run_dir.path()), 0, "the editor is killed");

    // A second one at the same time; then the first one is told to end.
    let mut first =
        edit("trap 'exit 3' TERM; : > ready; while :; do sleep 0.05; done").spawn().expect("holdfast");
    let until = Instant::now() + Duration::from_secs(60);
    while !desk.keys.path("ready").exists() {
        assert!(Instant::now() < until, "the editor does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    says(&mut edit("true"), 200);
    assert_eq!(mounts(run_dir.path()), 1, "the other one still needs it");
    run(Command::new("kill").args(["-TERM", &first.id().to_string()]));
    assert_eq!(first.wait().expect("its end").code(), Some(1));
    assert_eq!(mounts(run_dir.path()), 0, "holdfast is told to end");

    // What is kept on purpose is not unmounted.
    let said = says(&mut edit(r#"sed -i 's/two/changed/' "$1"; kill -KILL $$"#), 1);
    assert_eq!(mounts(run_dir.path()), 1, "{said}");
    let kept =
        fs::read_dir(run_dir.path().join("clear")).expect("the folder").next().expect("one").expect("one");
    assert!(said.contains(kept.path().to_str().expect("text")), "{said}");
    says(&mut edit("true"), 200);
    fs::remove_dir_all(kept.path()).expect("removed");
    says(&mut edit("true"), 200);
    assert_eq!(mounts(run_dir.path()), 0, "the next one takes it away");
}
