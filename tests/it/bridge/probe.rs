//! Proves: `probe` finds a hook's secret that somebody changed by hand, and the next `apply` mends it.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::attest::Host;
use super::sign_in::Browser;
use crate::forge::peers::{ADMIN, Gitea};
use crate::support::world::Ran;

/// No engine is asked: there is none at this address.
const PROBE: [&str; 4] = ["probe", "--json", "-H", "unix:///run/no-such-engine.sock"];

/// Address of each step that was planned, and the field that it changes.
fn steps(ran: &Ran) -> Vec<String> {
    let record = ran.json();
    let steps = record["plan"]["steps"].as_array().expect("steps").iter();
    let field = |step: &Value| step["diff"][0]["field"].as_str().unwrap_or_default().to_owned();
    steps.map(|step| format!("{} {}", step["address"].as_str().expect("an address"), field(step))).collect()
}

impl Host {
    fn probe(&self, more: &[&str], code: i32) -> Ran {
        self.world.run(&[&PROBE, more].concat()).expect(code)
    }

    fn apply(&self, code: i32) -> Vec<String> {
        steps(&self.world.run(&["apply", "--no-verify", "--json"]).expect(code))
    }

    fn hook(&self, repository: &str) -> Value {
        hook(&self.gitea, repository)
    }

    /// Gives a hook another secret in Gitea's own pages, where everything else stays as it is.
    fn change_secret_by_hand(&self, repository: &str) {
        let (hook, browser) = (self.hook(repository), Browser::signed_in(&self.gitea));
        let page = format!("{}/{repository}/settings/hooks/gitea/{}", self.gitea.url, hook["id"]);
        let url = format!("http://{}/hook", self.service.hook);
        let form = [
            ("payload_url", url.as_str()),
            ("http_method", "POST"),
            ("content_type", "1"),
            ("secret", "by-hand"),
            ("events", "choose_events"),
            ("push", "on"),
            ("pull_request_comment", "on"),
            ("active", "on"),
        ];
        let (status, to) = browser.open(&page, &form);
        assert!(status == 303 && to.contains("/settings/hooks"), "{status} {to}: {}", browser.page());
        let after = self.hook(repository);
        let told = |hook: &Value| {
            [&hook["id"], &hook["config"], &hook["active"], &hook["branch_filter"]].map(Value::clone)
        };
        assert_eq!(told(&hook), told(&after), "Gitea tells of the change");
    }

    fn make_again_by_hand(&self, repository: &str) {
        make_again_by_hand(&self.gitea, repository);
    }

    fn record(&self) -> String {
        fs::read_to_string(self.world.path("state/forge.json")).expect("a record")
    }
}

/// The one hook of a repository.
fn hook(gitea: &Gitea, repository: &str) -> Value {
    let (status, hooks) = gitea.get(&format!("/repos/{repository}/hooks"));
    assert!(status == 200 && hooks.as_array().is_some_and(|hooks| hooks.len() == 1), "{hooks}");
    hooks[0].clone()
}

/// Deletes the hook of a repository and makes it again with another secret.
pub(crate) fn make_again_by_hand(gitea: &Gitea, repository: &str) {
    let hook = hook(gitea, repository);
    let path = format!("/repos/{repository}/hooks");
    let one = format!("{path}/{}", hook["id"]);
    assert_eq!(gitea.call(ADMIN, "DELETE", &one, &Value::Null).0, 204);
    let body = json!({
        "type": "gitea", "active": true, "events": ["push", "pull_request_comment"],
        "config": { "url": hook["config"]["url"], "content_type": "json", "secret": "by-hand" }
    });
    assert_eq!(gitea.call(ADMIN, "POST", &path, &body).0, 201);
}

const LIB: &str = "forge.gitea/hook.lib";

#[test]
fn a_secret_that_hands_changed_is_found_by_a_probe_and_mended_by_the_next_apply() {
    let host = Host::new(&[("bridge", "team/app"), ("lib", "team/lib")]);
    host.apply(0);
    assert_eq!(host.apply(0), [""; 0]);
    twice(&host);
    for by_hand in [Host::change_secret_by_hand, Host::make_again_by_hand] {
        by_hand(&host, "team/lib");
        assert_eq!(host.apply(0), [""; 0], "a look alone shows it");
        host.gate(0);
        let ran = host.probe(&[], 4);
        // Both hooks call one receiver: the one that is right must not stand for the other.
        let outcomes: Vec<Value> = ran.json()["steps"].as_array().unwrap().clone();
        let failed: Vec<&Value> = outcomes.iter().filter(|step| !step["error"].is_null()).collect();
        assert!(outcomes.len() == 2 && failed.len() == 1 && failed[0]["address"] == LIB, "{outcomes:?}");
        let told = failed[0].to_string();
        assert!(
            told.contains("with the right signature was counted") && told.contains("holdfast apply"),
            "{told}"
        );
        let before = host.hook("team/lib")["id"].clone();
        assert!(host.gate(3).contains("`holdfast apply` mends it"));
        host.probe(&["--only", "forge.gitea/hook.bridge"], 0);
        let repairs = host.apply(0);
        assert_eq!(repairs, [format!("{LIB} secret"), format!("{LIB} attested")]);
        assert_ne!(host.hook("team/lib")["id"], before, "it was not made anew");
        host.gate(0);
        host.probe(&[], 0);
    }
    troubles(host);
}

/// A second probe does what the first did: test deliveries and nothing else, and its record is the same.
fn twice(host: &Host) {
    for _ in 0..2 {
        let (pushes, writes, record) = (host.pushes(), host.relay.count.writes(), host.record());
        let ran = host.probe(&[], 0);
        assert_eq!(steps(&ran), ["forge.gitea/hook.bridge attested", "forge.gitea/hook.lib attested"]);
        assert_eq!((host.pushes(), host.record()), (pushes + 2, record));
        let mut lines = host.relay.count.lines().split_off(writes);
        lines.sort();
        let test = |line: &String| line.starts_with("POST /api/v1/repos/team/") && line.contains("/tests");
        assert!(lines.len() == 2 && lines.iter().all(test), "{lines:?}");
    }
}

/// What says nothing of a secret takes no proof away, and who holds the lock is told.
fn troubles(mut host: Host) {
    host.relay.count.hold_answer("POST /api/v1/repos/team/app/hooks/");
    let mut command = host.world.command(&PROBE);
    let mut first = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !host.relay.count.has_held() {
        assert!(Instant::now() < until, "it asked for no delivery");
        sleep(Duration::from_millis(20));
    }
    let second = host.probe(&[], 6);
    assert!(second.err.contains(&format!("holdfast probe (pid {}", first.id())), "{}", second.err);
    first.kill().expect("kill -9");
    first.wait().expect("it ended");
    host.gate(0);
    host.probe(&["--lock-wait", "10s"], 0);
    let nothing = host.probe(&["--only", "stack.web"], 8);
    assert!(nothing.err.contains("`stack.web` covers nothing that is probed"), "{}", nothing.err);
    let record = host.record();
    host.service.kill();
    let ran = host.probe(&[], 75);
    let told = ran.json()["steps"].to_string();
    assert!(told.contains("see whether it runs"), "{told}");
    assert_eq!(host.record(), record, "a receiver that is away has refuted a hook");
    host.service.again();
    host.probe(&[], 0);
}

#[test]
fn without_anything_to_probe_that_is_said_and_a_bad_command_line_is_told() {
    let host = Host::new(&[]);
    let ran = host.world.run(&["probe"]).expect(0);
    assert!(ran.err.contains("the manifest declares nothing that is probed"), "{}", ran.err);
    assert!(ran.out.contains("Probe complete: nothing to do"), "{}", ran.out);
    host.world.edit(|manifest| manifest["forge"] = json!({ "gitea": { "ulr": "http://127.0.0.1:9" } }));
    assert!(host.world.run(&["probe"]).expect(78).err.contains("ulr"));
    host.world.run(&["probe", "--lock-wait", "soon"]).expect(64);
}
