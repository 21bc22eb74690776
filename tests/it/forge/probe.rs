//! Proves: `probe` has a real runner build anew, and keeps Drone's sign-in alive or does it again.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use super::drone::Host;
use super::peers::{GITEAS, Runner};
use super::steps;
use super::trial::{builds, commit, pipeline};
use crate::bridge::sign_in::Browser;

const SIGN_IN: &str = "update forge.drone/sign_in";

impl Host {
    /// Probes; what it planned, what it wrote to both forges, and its record.
    fn probe(&self, code: i32) -> (Vec<String>, Vec<String>, Value) {
        let before = self.count.writes();
        let record = self.world.run(&["probe", "--json"]).expect(code).json();
        let mut writes = self.count.lines().split_off(before);
        writes.sort();
        writes.dedup();
        (steps(&record, "forge."), writes, record)
    }

    /// What `verify` says of the gate of this name: its verdict and its words.
    fn proven(&self, name: &str) -> (String, String) {
        let record = self.world.run(&["verify", "--only", name, "--json"]).json();
        let text = |key: &str| record["gates"][0][key].as_str().expect("a text").to_owned();
        (text("verdict"), text("summary"))
    }

    fn signed_in(&self, change: impl FnOnce(&mut Value)) -> String {
        let path = self.world.path("state/forge.json");
        let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
        change(&mut record["signed_in"]);
        fs::write(&path, record.to_string()).expect("a record");
        record["signed_in"].as_str().expect("a time").to_owned()
    }
}

#[test]
fn a_probe_builds_anew_and_signs_in_where_gitea_lets_drone_in_no_more() {
    let mut host = Host::new(GITEAS[0]);
    host.apply();
    let first = commit(&host, "POST", &pipeline("echo hello"), &json!({}));
    let text = fs::read_to_string(host.world.path("manifest.json")).expect("the manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    let runner = json!({ "repository": "team/lib", "within": "1h" });
    manifest["gates"] = json!({
        "oauth": { "oauth": {}, "deadline": "5s" }, "builds": { "runner": runner, "deadline": "60s" }
    });
    host.world.write(&manifest);
    let runner = Runner::start(&host.drone);
    for number in 1..=2 {
        let (planned, writes, record) = host.probe(0);
        assert_eq!(planned, [""; 0], "the sign-in holds");
        assert!(writes.len() == 1 && writes[0].starts_with("POST /api/repos/team/lib/builds"), "{writes:?}");
        assert_eq!(record["gates"].as_array().map(Vec::len), Some(2));
        assert_eq!(builds(&host), number, "a build of an hour ago is no new proof");
        let (verdict, words) = host.proven("gate.builds");
        assert!(verdict == "pass" && words.contains("by an earlier run"), "{verdict}: {words}");
        assert_eq!(builds(&host), number, "what a probe has proven is built once more");
    }
    sign_ins(&host);
    failures(&mut host, runner, &first);
}

/// Revoked by hand in Gitea's own pages, dead, and old.
fn sign_ins(host: &Host) {
    let browser = Browser::signed_in(&host.gitea);
    let before = host.signed_in(|_| {});
    let page = format!("{}/user/settings/applications/oauth2/1/revoke/1", host.gitea.url);
    assert_eq!(browser.open(&page, &[("id", "1")]).0, 200, "{}", browser.page());
    assert_eq!(host.proven("gate.oauth").0, "fail", "it was not revoked");
    assert_eq!(host.probe(0).0, [SIGN_IN]);
    assert_ne!(host.signed_in(|_| {}), before);
    assert_eq!(host.proven("gate.oauth").0, "pass");
    host.drone.forget_tokens();
    assert_eq!(host.probe(0).0, [SIGN_IN]);
    assert_eq!(host.probe(0).0, [""; 0]);
    host.signed_in(|at| *at = json!("2026-01-01T00:00:00Z"));
    let (planned, _, record) = host.probe(0);
    assert_eq!(planned, [SIGN_IN]);
    assert!(record["plan"].to_string().contains("days ago"), "{record}");
    assert_ne!(host.signed_in(|_| {}), "2026-01-01T00:00:00Z");
}

/// What fails is told, and takes back what an older build proved.
fn failures(host: &mut Host, mut runner: Runner, first: &str) {
    commit(host, "PUT", &pipeline("exit 3"), &json!({ "sha": first }));
    let (_, _, record) = host.probe(3);
    assert!(record["gates"].to_string().contains("ended as `failure`"), "{record}");
    let (verdict, words) = host.proven("gate.builds");
    assert!(verdict == "fail" && words.contains("ended as `failure`"), "{verdict}: {words}");
    runner.kill();
    host.drone.kill();
    let (_, _, record) = host.probe(75);
    assert!(record["steps"].to_string().contains("see whether it runs"), "{record}");
}
