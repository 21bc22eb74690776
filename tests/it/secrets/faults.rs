//! Proves: what goes wrong on a host ends with exit 5 or 78, names its object, and leaves what was good.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::attacks::Host;
use crate::support::sops::run;
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
