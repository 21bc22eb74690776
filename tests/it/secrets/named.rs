//! Proves: who can read which file is told by name, from manifests, from `.sops.yaml` and from SSH keys.

use std::fs;

use crate::support::sops::{Form, Keys, run};

fn recipients(keys: &Keys, arguments: &[&str]) -> String {
    let mut command = keys.opening(env!("CARGO_BIN_EXE_holdfast"));
    String::from_utf8(run(command.args(["secrets", "recipients"]).args(arguments))).expect("text")
}

#[test]
fn files_and_their_readers_by_name() {
    let (keys, third) = (Keys::new(), Keys::new().recipient(Form::AgeFile));
    let (age, ssh) = (keys.recipient(Form::AgeFile), keys.recipient(Form::Ssh));
    let converted = keys.recipient(Form::Converted);
    let config = format!(
        "keys:\n  - &alice {age}\ncreation_rules:\n  - path_regex: two\n    shamir_threshold: 2\n    key_groups:\n      - age: [*alice]\n      - age: ['{converted}']\n      - age:\n          - {third} # the safe\n  - age: '{age},{ssh}'\n"
    );
    fs::write(keys.path(".sops.yaml"), config).expect("the config");
    fs::create_dir(keys.path("hosts")).expect("a folder");
    keys.encrypt_by_config("one.yaml", b"a: one\n");
    keys.encrypt_by_config("hosts/two.json", b"{\"a\": 1}");
    let manifest = format!(
        "{{\"version\": 1, \"host\": {{\"name\": \"web-1\"}}, \"identities\": {{\"public_keys\": [\"{ssh} root@web\"]}}}}"
    );
    fs::write(keys.path("manifest.json"), manifest).expect("the manifest");

    let table = recipients(&keys, &["--manifest", "manifest.json"]);
    assert_eq!(table, "hosts/two.json  2 of [alice] [web-1] [the safe]\none.yaml        alice, web-1\n");
    let turned = recipients(&keys, &["--by-reader", "--manifest", "manifest.json", "."]);
    assert_eq!(
        turned,
        "alice     hosts/two.json, one.yaml\nthe safe  hosts/two.json\nweb-1     hosts/two.json, one.yaml\n"
    );
    assert!(
        recipients(&keys, &["one.yaml"]).contains(&format!("alice, {ssh}")),
        "who has no name has his key"
    );
    let json = recipients(&keys, &["--json", "hosts"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["files"][0]["threshold"], 2);
    assert_eq!(json["files"][0]["groups"][2][0]["names"][0], "the safe");
    assert_eq!(json["files"][0]["groups"][1][0]["recipient"], converted.as_str());

    let none = keys
        .opening(env!("CARGO_BIN_EXE_holdfast"))
        .args(["secrets", "recipients", "manifest.json"])
        .output();
    let none = none.expect("holdfast starts");
    assert_eq!(none.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no sops file"));
}
