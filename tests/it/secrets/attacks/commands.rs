//! A command that prints keys is a way to run something else, or to be handed what it should not have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::Host;

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a script");
}

struct Setting {
    host: Host,
    evil: PathBuf,
    pwned: PathBuf,
}

impl Setting {
    fn new() -> Self {
        let host = Host::new(&serde_json::json!({}));
        host.seal("a.yaml", "pw: hunter2\n");
        let (evil, pwned) = (host.path("evil"), host.path("pwned"));
        fs::create_dir(&evil).expect("a folder");
        script(
            &evil.join("print-keys"),
            &format!("touch {}; cat {}", pwned.display(), host.path("age.txt").display()),
        );
        Self { host, evil, pwned }
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.evil.display())
    }

    fn decrypt(&self, command: &str) -> Output {
        let mut holdfast = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        holdfast.args(["secrets", "decrypt"]).arg(self.host.path("a.yaml")).env_clear();
        holdfast
            .env("PATH", self.path())
            .env("SOPS_AGE_KEY_CMD", command)
            .env("UNRELATED_TOKEN", "CANARY-e3");
        holdfast.env("SOPS_AGE_KEY", "AGE-SECRET-KEY-1CANARY").output().expect("the program runs")
    }

    /// Whether the attacker's program ran; forgets it.
    fn ran(&self) -> bool {
        fs::remove_file(&self.pwned).is_ok()
    }
}

#[test]
fn a_program_of_that_name_earlier_in_the_path_is_not_run() {
    let setting = Setting::new();
    let mut naive = Command::new("/bin/sh");
    naive.args(["-c", "print-keys"]).env("PATH", setting.path()).output().expect("sh");
    assert!(setting.ran(), "the attack does not work");
    let refused = setting.decrypt("print-keys");
    assert_eq!(refused.status.code(), Some(5));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`print-keys` is not an absolute path"), "{said}");
    assert!(!setting.ran());
}

#[test]
fn no_shell_reads_the_command() {
    let setting = Setting::new();
    let key = setting.host.path("age.txt").display().to_string();
    let marked = setting.pwned.display();
    for tail in [
        format!("; touch {marked}"),
        format!("| tee {marked}"),
        format!("$(touch {marked})"),
        format!("> {marked}"),
    ] {
        let command = format!("/bin/cat {key} {tail}");
        Command::new("/bin/sh").args(["-c", &command]).output().expect("sh");
        assert!(setting.ran(), "the attack does not work: {command}");
        setting.decrypt(&command);
        assert!(!setting.ran(), "{command}");
    }
    assert_eq!(setting.decrypt(&format!("/bin/cat {key}")).stdout, b"pw: hunter2\n");
}

#[test]
fn what_is_in_the_environment_is_not_handed_to_it() {
    let setting = Setting::new();
    let seen = setting.host.path("seen");
    let (program, key) = (setting.host.path("keys"), setting.host.path("age.txt"));
    script(&program, &format!("env >{}; cat {}", seen.display(), key.display()));
    let mut naive = Command::new("/bin/sh");
    naive.arg("-c").arg(&program).env("SOPS_AGE_KEY", "AGE-SECRET-KEY-1CANARY").output().expect("sh");
    assert!(fs::read_to_string(&seen).expect("seen").contains("CANARY"), "the attack does not work");
    let opened = setting.decrypt(&program.display().to_string());
    assert_eq!(opened.stdout, b"pw: hunter2\n", "{}", String::from_utf8_lossy(&opened.stderr));
    let seen = fs::read_to_string(&seen).expect("seen");
    assert!(!seen.contains("CANARY") && !seen.contains("HOLDFAST"), "{seen}");
    assert!(seen.contains("SOPS_AGE_RECIPIENT="), "{seen}");
}
