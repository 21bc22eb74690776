//! Proves: a command gets the values that it gets from the real sops, no key, and its own exit code comes back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::sops::{Form, Keys, binary, run};

fn with_path(mut command: Command) -> Command {
    command.env("PATH", std::env::var_os("PATH").expect("PATH is set"));
    command
}

fn exec(keys: &Keys, arguments: &[&str]) -> Output {
    let mut command = with_path(keys.opening(env!("CARGO_BIN_EXE_holdfast")));
    command.arg("--run-dir").arg(keys.path("run")).args(["secrets", "exec"]).args(arguments);
    let output = command.output().expect("holdfast starts");
    nothing_is_mounted(keys);
    output
}

/// What root mounts for clear text goes with the command.
fn nothing_is_mounted(keys: &Keys) {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
    let run = keys.path("run");
    assert!(!table.contains(run.to_str().expect("text")), "{table}");
    assert!(!run.join("clear").exists());
}

fn sops(keys: &Keys, arguments: &[&str]) -> Vec<u8> {
    run(with_path(keys.opening(binary())).args(arguments))
}

#[test]
fn variables_are_those_of_sops() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    let plain = "# c\ntext: \"l1\\nl2 $HOME 'q'\"\nint: 7\nfloat: 1.50\nlarge: 1e300\nyes: true\nnothing: null\nempty: \"\"\ntime: 2024-01-02T03:04:05.5Z\nodd-key.x: y\n";
    keys.encrypt("e.yaml", plain.as_bytes(), &recipient, &[]);
    keys.encrypt("e.env", b"A=one\nB= two \n", &recipient, &[]);
    keys.encrypt("e.json", b"{\"a\": 1.0, \"b\": false, \"c\": 9007199254740993}", &recipient, &[]);
    for name in ["e.yaml", "e.env", "e.json"] {
        let ours = exec(&keys, &["env", "--pristine", name, "env -0 | sort -z"]);
        let theirs = sops(&keys, &["exec-env", "--pristine", name, "env -0 | sort -z"]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "\n");
        assert_eq!(text(&ours.stdout), text(&theirs), "{name}");
        assert!(ours.stdout.len() > 20);
    }
    let direct = exec(&keys, &["env", "e.env", "--", "printenv", "B"]);
    assert_eq!(direct.stdout, b" two \n");
}

#[test]
fn what_no_variable_holds_is_refused_before_the_command_runs() {
    let keys = Keys::new();
    for (name, plain, says) in [
        ("map.yaml", "a: x\nnest:\n    b: canary\n", "`nest` is a map or list"),
        ("list.yaml", "a: [canary]\n", "`a` is a map or list"),
        ("name.yaml", "\"a=b\": canary\n", "`a=b` is no name"),
        ("zero.yaml", "a: \"x\\0canary\"\n", "`a` holds a zero byte"),
    ] {
        keys.encrypt(name, plain.as_bytes(), &keys.recipient(Form::AgeFile), &[]);
        let output = exec(&keys, &["env", name, "echo ran"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says) && !said.contains("canary"), "{said}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), &b""[..]));
    }
}

#[test]
fn a_file_can_be_read_again_and_has_the_bytes_that_sops_gives() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", b"# c\na: one\nnest:\n    b: [1, 2]\n", &keys.recipient(Form::AgeFile), &[]);
    let theirs = sops(&keys, &["exec-file", "e.yaml", "cat {}"]);
    for arguments in [
        &["file", "e.yaml", "cat {}; cat {} >&2"][..],
        &[
            "file",
            "--no-fifo",
            "--filename",
            "x.yaml",
            "e.yaml",
            "cat {}; cat {} >&2; [ $(basename {}) = x.yaml ]",
        ],
    ] {
        let ours = exec(&keys, arguments);
        assert_eq!((&ours.stdout, &ours.stderr), (&theirs, &theirs), "{arguments:?}");
        assert!(ours.status.success());
    }
    let json = sops(&keys, &["exec-file", "--output-type", "json", "e.yaml", "cat {}"]);
    assert_eq!(exec(&keys, &["file", "--output-type", "json", "e.yaml", "cat", "{}"]).stdout, json);
    let written = exec(&keys, &["file", "e.yaml", "echo x >> {}"]);
    assert!(!written.status.success(), "nobody changes what others read");
    let path = exec(&keys, &["file", "--no-fifo", "e.yaml", "echo {}"]);
    let path = String::from_utf8(path.stdout).expect("text");
    assert!(path.contains("holdfast-clear-") && !std::path::Path::new(path.trim()).exists(), "{path}");
}

#[test]
fn the_end_of_the_command_is_the_end() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    for form in [&["env"][..], &["file"], &["file", "--no-fifo"]] {
        let code = |command: &[&str]| exec(&keys, &[form, &["e.yaml"], command].concat()).status;
        assert_eq!(code(&["exit 7"]).code(), Some(7), "{form:?}");
        assert_eq!(code(&["true"]).code(), Some(0), "{form:?}");
        assert_eq!(code(&["/nowhere/at/all", "x"]).code(), Some(127), "{form:?}");
        let killed = code(&["kill -TERM $$"]);
        assert!(killed.signal() == Some(15) || killed.code() == Some(143), "{form:?}: {killed}");
    }
}

#[test]
fn a_sigterm_goes_on_to_the_command_and_no_clear_text_stays() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    let started = |script: &str| {
        fs::remove_file(keys.path("place")).ok();
        let mut command = with_path(keys.opening(env!("CARGO_BIN_EXE_holdfast")));
        command.arg("--run-dir").arg(keys.path("run"));
        let ready =
            format!("{script}; echo {{}} > place.new; mv place.new place; while :; do sleep 0.05; done");
        let command = command.args(["secrets", "exec", "file", "--no-fifo", "e.yaml", &ready]);
        let child = command.spawn().expect("holdfast starts");
        let place = wait_for(|| fs::read_to_string(keys.path("place")).ok());
        assert!(fs::read(place.trim()).is_ok_and(|clear| clear == b"a: one\n"), "{place}");
        (child, place)
    };
    for (script, signal, code) in [
        // It says what its end is.
        ("trap 'exit 9' TERM", "TERM", 9),
        // It is ended by the signal.
        ("true", "TERM", 143),
        ("true", "HUP", 129),
        // It does not mind one that a terminal gives to both; the next one ends it.
        ("true", "INT", 143),
    ] {
        let (mut child, place) = started(script);
        run(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]));
        if signal == "INT" {
            std::thread::sleep(Duration::from_millis(200));
            assert!(child.try_wait().expect("its state").is_none(), "ended by {signal}");
            run(Command::new("kill").args(["-TERM", &child.id().to_string()]));
        }
        let ended = wait_for(|| child.try_wait().expect("its state"));
        assert_eq!(ended.code(), Some(code), "{script} {signal}");
        assert!(!Path::new(place.trim()).exists(), "{place}");
        nothing_is_mounted(&keys);
    }
}

/// What is there at last.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(Instant::now() < until, "nothing comes"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_sees_no_key_and_no_service_manager() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    let look = "env; for fd in /proc/$$/fd/*; do case $(readlink $fd) in /memfd:*) cat $fd;; esac; done";
    let theirs = String::from_utf8(sops(&keys, &["exec-env", "e.yaml", "env"])).expect("text");
    assert!(theirs.contains("AGE-SECRET-KEY"), "sops hands it on, so this test can fail");
    for form in ["env", "file"] {
        let mut command = with_path(keys.opening(env!("CARGO_BIN_EXE_holdfast")));
        command.env("SOPS_AGE_KEY_FILE", keys.path("age.txt")).env("NOTIFY_SOCKET", "/run/systemd/notify");
        let output =
            command.args(["secrets", "exec", form, "e.yaml", look]).output().expect("holdfast starts");
        let seen = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(seen.contains("HOME="), "{seen}");
        for hidden in ["AGE-SECRET-KEY", "SOPS_AGE", "NOTIFY_SOCKET"] {
            assert!(!seen.contains(hidden), "{seen}");
        }
    }
}

#[test]
fn git_sees_no_service_manager() {
    let keys = Keys::new();
    keys.encrypt("e.yaml", b"a: one\n", &keys.recipient(Form::AgeFile), &[]);
    let git = keys.path("bin/git");
    fs::create_dir(keys.path("bin")).expect("a folder");
    fs::write(&git, format!("#!/bin/sh\nenv >{}\nexit 1\n", keys.path("seen").display())).expect("a script");
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    command.env("PATH", format!("{}:/usr/bin:/bin", keys.path("bin").display()));
    command.env("NOTIFY_SOCKET", "/run/systemd/notify").args(["secrets", "diff", "e.yaml"]);
    assert!(command.output().expect("holdfast starts").status.success());
    let seen = fs::read_to_string(keys.path("seen")).expect("git was asked");
    assert!(seen.contains("PATH=") && !seen.contains("NOTIFY_SOCKET"), "{seen}");
}
