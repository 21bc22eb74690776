//! The MAC covers values in their order, and neither keys nor nesting, nor what is empty.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::json;

use super::Host;

fn one(file: &str) -> Host {
    Host::new(&json!({ "pw": { "file": file } }))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// Puts a changed file in place and gives what the real sops makes of it.
fn sops_reads(host: &Host, file: &str, changed: &str) -> String {
    fs::write(host.path(file), changed).expect("written");
    text(host.keys.decrypt(file, &[]))
}

fn refused(host: &Host, says: &str) {
    let ran = host.install().expect(5);
    let said = ran.json()["secrets"].to_string();
    assert!(said.contains(says) && said.contains("secret.pw"), "{said}");
    assert_eq!(host.installed("pw"), None);
}

#[test]
fn a_key_a_second_time_in_json_does_not_empty_a_password() {
    let host = one("a.json");
    let sealed = text(host.seal("a.json", r#"{"pw": "hunter2", "other": "x"}"#));
    let twice = sealed.replacen("\t\"sops\":", "\t\"pw\": \"\",\n\t\"sops\":", 1);
    // sops lets it pass, MAC and all, and every reader of JSON takes the last.
    let read = sops_reads(&host, "a.json", &twice);
    let naive: serde_json::Value = serde_json::from_str(&read).expect("JSON");
    assert_eq!(naive.get("pw"), Some(&json!("")), "the attack does not work: {read}");
    refused(&host, "stands there twice");
}

#[test]
fn a_key_a_second_time_in_a_later_yaml_document_does_not_pass() {
    let host = Host::new(&json!({ "pw": { "file": "a.yaml", "key": "" } }));
    let sealed = text(host.seal("a.yaml", "first: 1\n---\npw: hunter2\n"));
    let (head, tail) = sealed.rsplit_once("sops:").expect("metadata in the last document");
    let read = sops_reads(&host, "a.yaml", &format!("{head}pw: \"\"\nsops:{tail}"));
    let last = read.lines().rfind(|line| line.starts_with("pw:")).expect("a line").to_owned();
    assert_eq!(last, "pw: \"\"", "the attack does not work: {read}");
    refused(&host, "a second time");
}

#[test]
fn what_is_added_empty_is_no_password() {
    for added in ["\"\"", "null", "{}", "[]"] {
        let host = one("a.yaml");
        let sealed = text(host.seal("a.yaml", "other: hunter2\n"));
        let read = sops_reads(&host, "a.yaml", &format!("pw: {added}\n{sealed}"));
        assert!(read.starts_with("pw: "), "the attack does not work: {read}");
        let said = host.install().expect(5).json()["secrets"].to_string();
        assert!(said.contains("secret.pw") && said.contains("`pw`"), "{said}");
        assert_eq!(host.installed("pw"), None, "{added}");
    }
}

/// Keys of clear values are in no MAC, and where one value ends and the next begins is not either: that cannot be seen,
/// so it is said of each clear value that is used.
#[test]
fn clear_values_that_changed_places_are_not_taken_in_silence() {
    let host = Host::new(&json!({ "pw": { "file": "a.yaml", "key": "admin_unencrypted" } }));
    let plain = "admin_unencrypted: alice\nguest_unencrypted: mallory\npw: hunter2\n";
    let sealed = text(host.seal("a.yaml", plain));
    let swapped = sealed.replace("admin_", "@").replace("guest_", "admin_").replace('@', "guest_");
    let read = sops_reads(&host, "a.yaml", &swapped);
    assert!(read.contains("admin_unencrypted: mallory"), "the attack does not work: {read}");
    let parted = sealed.replace(": alice", ": alicema").replace(": mallory", ": llory");
    let read = sops_reads(&host, "a.yaml", &parted);
    assert!(read.contains("admin_unencrypted: alicema"), "the attack does not work: {read}");

    let warnings = host.install().expect(0).json()["warnings"].to_string();
    assert!(warnings.contains("admin_unencrypted") && warnings.contains("clear"), "{warnings}");
    assert!(!warnings.contains("alicema"), "{warnings}");
    // An encrypted value has its key in its protection, and nothing is to be said of it.
    let sealed = host.seal("a.yaml", "admin_unencrypted: x\npw: hunter2\n");
    fs::write(host.path("a.yaml"), sealed).expect("written");
    host.write(&json!({ "pw": { "file": "a.yaml" } }), &json!({}));
    let warnings = host.install().expect(0).json()["warnings"].to_string();
    assert!(!warnings.contains("clear"), "{warnings}");
}
