//! An older file, which was valid once and is valid for ever as far as sops can tell, is put back.

use std::fs;

use serde_json::{Value, json};

use super::Host;

const FILE: &str = "secrets.yaml";

fn secrets() -> Value {
    json!({ "token": { "file": FILE, "credentials": ["app.service"] } })
}

/// Seals a value later than all before: times in the files have whole seconds.
fn seal(host: &Host, file: &str, value: &str) -> Vec<u8> {
    std::thread::sleep(std::time::Duration::from_millis(1100));
    host.seal(file, &format!("token: {value}\n"))
}

/// The naive way: what opens is taken. The real sops opens the old file like any other.
fn sops_takes(host: &Host, value: &str) {
    let opened = host.keys.decrypt(FILE, &["--extract", "[\"token\"]"]);
    assert_eq!(String::from_utf8_lossy(&opened), value, "the attack does not work, so this shows nothing");
}

fn put(host: &Host, bytes: &[u8]) {
    fs::write(host.path(FILE), bytes).expect("written");
}

#[test]
fn an_older_file_is_not_installed_where_nothing_but_install_ever_ran() {
    let host = Host::new(&secrets());
    let old = seal(&host, FILE, "leaked-password");
    host.install().expect(0);
    seal(&host, FILE, "new-password");
    host.install().expect(0);
    put(&host, &old);
    sops_takes(&host, "leaked-password");

    let refused = host.install().expect(5);
    let said = refused.json()["secrets"][0].to_string();
    assert!(said.contains("older than that of") && said.contains("secrets.yaml"), "{said}");
    assert_eq!(refused.json()["secrets"][0]["kept"], true, "{said}");
    assert_eq!(host.installed("token").as_deref(), Some("new-password"), "the last good version is gone");
    // Nor does a look take it for wanted.
    host.run(&["secrets", "install", "--dry-run"]).expect(5);
    // Said in the manifest, it is taken, and is the mark from then on.
    host.write(&secrets(), &json!({ "allow_older": [FILE] }));
    host.install().expect(0);
    assert_eq!(host.installed("token").as_deref(), Some("leaked-password"));
    host.write(&secrets(), &json!({}));
    host.install().expect(0);
}

#[test]
fn an_older_file_is_not_installed_before_users_are_made() {
    let secrets = json!({ "hash": { "file": FILE, "key": "token", "needed_for_users": true } });
    let host = Host::new(&secrets);
    let install = |code| host.run(&["secrets", "install", "--for-users"]).expect(code);
    let old = seal(&host, FILE, "old-hash");
    install(0);
    seal(&host, FILE, "new-hash");
    install(0);
    put(&host, &old);
    sops_takes(&host, "old-hash");
    install(5);
    let file = host.path("run/secrets-for-users/hash");
    assert_eq!(fs::read_to_string(file).expect("the last good version"), "new-hash");
}

#[test]
fn an_older_file_is_not_handed_out_as_a_credential() {
    let host = Host::new(&secrets());
    let old = seal(&host, FILE, "leaked-password");
    host.install().expect(0);
    seal(&host, FILE, "new-password");
    host.install().expect(0);
    let serving = host.serve();
    let ask =
        |random: &str| String::from_utf8(host.ask(&format!("{random}/unit/app.service/token"))).unwrap();
    assert_eq!(ask("a"), "new-password");
    put(&host, &old);
    sops_takes(&host, "leaked-password");
    assert_eq!(ask("b"), "new-password", "the last good version");
    // Without one there is nothing to give.
    host.write(
        &json!({ "token": { "file": FILE, "credentials": ["app.service"], "install": false } }),
        &json!({}),
    );
    drop(serving);
    fs::remove_file(host.path("credentials.sock")).expect("removed");
    super::unmount_below(host.keys.dir.path());
    let serving = host.serve();
    assert_eq!(ask("c"), "new-password", "from the ciphertext that was installed last");
    fs::remove_dir_all(host.path("state/installed")).expect("removed");
    assert_eq!(ask("d"), "");
    let said = serving.end();
    assert!(said.contains("older than that of") && !said.contains("password"), "{said}");
}
