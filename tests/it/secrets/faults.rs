//! Proves: what goes wrong on a host ends with exit 5 or 78, names its object, and leaves what was good.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::attacks::Host;
use crate::support::sops::{Form, Keys, run};
use crate::support::world::Ran;

fn host(bad: &Value) -> Host {
    let host = Host::new(&json!({ "bad": bad, "good": { "file": "a.yaml" } }));
    host.seal("a.yaml", "bad: one\ngood: one\n");
    host
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}

#[test]
fn an_owner_that_is_gone_leaves_the_file_to_the_one_before() {
    let secret = |owner: &str| json!({ "file": "a.yaml", "owner": owner, "mode": "0440" });
    let host = host(&secret("1234"));
    host.install().expect(0);
    let write =
        |owner: &str| host.write(&json!({ "bad": secret(owner), "good": { "file": "a.yaml" } }), &json!({}));
    write("no-such-user");
    host.seal("a.yaml", "bad: two\ngood: two\n");
    let ran = host.install().expect(5);
    let told = ran.json()["secrets"].to_string();
    assert!(
        told.contains("secret.bad") && told.contains("no-such-user") && told.contains("\"kept\":true"),
        "{told}"
    );
    assert_eq!(
        (host.installed("bad").as_deref(), host.installed("good").as_deref()),
        (Some("two"), Some("two"))
    );
    let meta = fs::metadata(host.path("run/secrets/bad")).expect("the file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 1234);
    // Said again, it is said again, and nothing is written.
    let steps = |ran: &Ran| ran.json()["steps"].clone();
    assert_eq!(steps(&host.install().expect(5)), json!([]));
    // Where no owner ever was there is no file.
    fs::remove_file(host.path("run/secrets")).expect("the link");
    host.install().expect(5);
    assert_eq!((host.installed("bad"), host.installed("good").as_deref()), (None, Some("two")));
}

#[test]
fn a_full_memory_file_system_is_named_and_keeps_the_last_generation() {
    let host = host(&json!({ "file": "a.yaml" }));
    fs::create_dir_all(host.path("run/secrets.d")).expect("the mount point");
    let mut mount = Command::new("mount");
    run(mount
        .args(["-t", "tmpfs", "-o", "noswap,size=64k,mode=0751", "holdfast"])
        .arg(host.path("run/secrets.d")));
    host.install().expect(0);
    host.seal("a.yaml", &format!("bad: {}\ngood: two\n", "CANARY".repeat(20_000)));
    let full = host.install().expect(5);
    let text = said(&full);
    assert!(text.contains("run/secrets.d") && text.contains("No space left"), "{text}");
    assert!(!text.contains("CANARY"), "{text}");
    assert_eq!(
        (host.installed("bad").as_deref(), host.installed("good").as_deref()),
        (Some("one"), Some("one"))
    );
    host.seal("a.yaml", "bad: three\ngood: three\n");
    host.install().expect(0);
    assert_eq!(host.installed("bad").as_deref(), Some("three"));
}

/// A disk without room for another byte.
struct FullDisk(PathBuf);

impl FullDisk {
    fn new(path: PathBuf, files: &[(&str, &[u8])]) -> Self {
        fs::create_dir(&path).expect("the mount point");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=32k", "holdfast-test"]).arg(&path));
        let disk = Self(path);
        for (name, bytes) in files {
            fs::write(disk.0.join(name), bytes).expect("a file");
        }
        let mut rest = fs::File::create(disk.0.join("rest")).expect("a file");
        while rest.write_all(&[0; 512]).is_ok() {}
        disk
    }

    /// Everything on it.
    fn files(&self) -> BTreeMap<OsString, Vec<u8>> {
        let entries = fs::read_dir(&self.0).expect("the disk").flatten();
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("a file"))).collect()
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.0));
    }
}

#[test]
fn a_full_disk_keeps_every_file_and_gets_no_part_of_another() {
    let keys = Keys::new();
    let recipient = keys.recipient(Form::AgeFile);
    let sealed = keys.encrypt("e.yaml", b"a: one\nb: two\n", &recipient, &[]);
    let disk = FullDisk::new(keys.path("disk"), &[("e.yaml", &sealed)]);
    let before = disk.files();
    let editor = keys.path("editor.sh");
    fs::write(&editor, "#!/bin/sh\necho c: 3 >>\"$1\"\n").expect("the editor");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("the mode");
    let clear = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let clear = clear.path().to_str().expect("text");
    for arguments in [
        &["set", "disk/e.yaml", "[\"a\"]", "\"x\""][..],
        &["unset", "disk/e.yaml", "[\"a\"]"],
        &["rotate", "-i", "disk/e.yaml"],
        &["decrypt", "-i", "disk/e.yaml"],
        &["decrypt", "--output", "disk/clear.yaml", "disk/e.yaml"],
        &["edit", "--clear-folder", clear, "disk/e.yaml"],
        &["edit", "--age", &recipient, "--clear-folder", clear, "disk/new.yaml"],
    ] {
        let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
        command.env("PATH", std::env::var_os("PATH").expect("PATH is set")).env("EDITOR", &editor);
        let output = command.arg("secrets").args(arguments).stdin(Stdio::null()).output().expect("holdfast");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("No space left"), "{arguments:?}: {said}");
        assert!(disk.files() == before, "{arguments:?}: {:?}", disk.files().keys());
    }
}

#[test]
fn who_may_not_mount_is_told_where_and_what_to_do() {
    let host = host(&json!({ "file": "a.yaml" }));
    crate::support::copy_program(env!("CARGO_BIN_EXE_holdfast"), host.path("holdfast"));
    for name in ["", "holdfast", "age.txt", "a.yaml", "manifest.json"] {
        chown(host.path(name), Some(65534), Some(65534)).expect("the owner");
    }
    fs::set_permissions(host.path("holdfast"), fs::Permissions::from_mode(0o755)).expect("the mode");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(host.path("holdfast"));
    command.args(["secrets", "install"]).arg(host.path("manifest.json")).stdin(Stdio::null());
    let ran = Ran::new(&command.env_remove("SOPS_AGE_KEY").output().expect("setpriv")).expect(5);
    let text = said(&ran);
    assert!(text.contains("run/secrets.d") && text.contains("mount"), "{text}");
    assert!(fs::metadata(host.path("run/secrets")).is_err(), "something was installed in the open");
}
