//! Error texts that repeat what they stumbled over: in a journal, a password is found by whoever reads journals.

use std::fs;
use std::process::Output;

use serde_json::json;

use super::Host;

const CANARY: &str = "CANARY-b7d1";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A file with a change that real sops and Holdfast both refuse.
fn both_refuse(host: &Host, file: &str, changed: &str) -> [String; 2] {
    host.write(&json!({ "pw": { "file": file } }), &json!({}));
    fs::write(host.path(file), changed).expect("written");
    let sops = host.keys.sops().arg("decrypt").arg(host.path(file)).output().expect("sops");
    assert!(!sops.status.success(), "sops takes it: {}", said(&sops));
    let ours = host.install().expect(5);
    [said(&sops), format!("{}{}", ours.out, ours.err)]
}

#[test]
fn a_line_that_is_no_assignment_is_not_repeated() {
    let host = Host::new(&json!({}));
    let sealed = String::from_utf8(host.seal("a.env", "pw=hunter2\n")).expect("text");
    let [sops, ours] = both_refuse(&host, "a.env", &format!("{CANARY}\n{sealed}"));
    assert!(sops.contains(CANARY), "the attack does not work: {sops}");
    assert!(!ours.contains(CANARY), "{ours}");
    assert!(ours.contains("line 1"), "{ours}");
}

#[test]
fn a_value_that_was_forgotten_in_the_clear_is_not_repeated() {
    let host = Host::new(&json!({}));
    let sealed = String::from_utf8(host.seal("a.yaml", "pw: hunter2\n")).expect("text");
    let rest = sealed.split_once('\n').expect("lines").1;
    let [sops, ours] = both_refuse(&host, "a.yaml", &format!("pw: {CANARY}\n{rest}"));
    assert!(sops.contains(CANARY), "the attack does not work: {sops}");
    assert!(!ours.contains(CANARY), "{ours}");
    assert!(ours.contains("`pw`"), "{ours}");
}
