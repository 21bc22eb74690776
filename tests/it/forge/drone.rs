//! A real Drone is signed in to through a real Gitea, made equal to what is declared of it, and stays so.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::peers::{ADMIN, DRONE_TOKEN, Drone, GITEAS, Gitea, RPC};
use super::relay::{Count, Hold, Relay};
use super::{repairs, steps};
use crate::support::world::World;

/// A host with nothing but what is declared of a Gitea and its Drone.
pub(super) struct Host {
    pub(super) world: World,
    pub(super) gitea: Gitea,
    pub(super) drone: Drone,
    relays: [Relay; 2],
    pub(super) count: Arc<Count>,
    /// A machine's token, and a secret of builds.
    secrets: [String; 2],
}

impl Host {
    pub(super) fn new(version: &str) -> Self {
        let gitea = Gitea::start(version);
        let address = Drone::address();
        let application = json!({
            "name": "drone", "redirect_uris": [format!("http://{address}/login")], "confidential_client": true
        });
        let (status, made) = gitea.call(ADMIN, "POST", "/user/applications/oauth2", &application);
        assert_eq!(status, 201, "{made}");
        let field = |name: &str| made[name].as_str().expect("a text");
        let drone = Drone::start(&address, &gitea, (field("client_id"), field("client_secret")));
        let count: Arc<Count> = Arc::default();
        let relays = [&gitea.url, &drone.url].map(|url| Relay::counting(url, &count));
        let secrets = ["c1c1c1c1c1c1c1c1".to_owned(), "key-1".to_owned()];
        let host = Self { world: World::new(), gitea, drone, relays, count, secrets };
        host.seal(ADMIN.1);
        host.declare(|_| {});
        host
    }

    fn seal(&self, password: &str) {
        let [ci, key] = &self.secrets;
        self.world
            .seal(&format!("t\nadmin: {password}\ndrone: {DRONE_TOKEN}\nci: {ci}\nkey: {key}\nrpc: {RPC}"));
    }

    fn declare(&self, change: impl FnOnce(&mut Value)) {
        self.world.edit(|manifest| {
            for section in ["stacks", "templates", "images", "networks", "gates"] {
                manifest[section] = json!({});
            }
            let secret = json!({ "file": "secrets.yaml" });
            manifest["secrets"] =
                json!({ "admin": secret, "drone": secret, "ci": secret, "key": secret, "rpc": secret });
            manifest["soak"] = json!("0s");
            manifest["forge"] = json!({
                "gitea": {
                    "url": self.gitea.url,
                    "connect": self.relays[0].address.to_string(),
                    "admin": { "username": ADMIN.0, "password": { "secret": "admin" } },
                    "organisations": { "team": {} },
                    "repositories": { "team/app": { "auto_init": true }, "team/lib": { "auto_init": true } },
                },
                "drone": {
                    "url": self.drone.url,
                    "connect": self.relays[1].address.to_string(),
                    "admin": {
                        "username": ADMIN.0, "token": { "secret": "drone" }, "password": { "secret": "admin" }
                    },
                    "users": { "ci": { "machine": true, "token": { "secret": "ci" } } },
                    "repositories": {
                        "team/app": {
                            "trusted": true, "protected": false, "timeout": "2h", "visibility": "internal",
                            "config_path": "ci.yml", "ignore_forks": true, "ignore_pull_requests": true,
                            "auto_cancel_pushes": true, "auto_cancel_pull_requests": false,
                            "secrets": { "KEY": { "value": { "secret": "key" }, "pull_request": false } },
                            "cron": { "nightly": { "expr": "0 0 2 * * *", "branch": "main" } }
                        },
                        "team/lib": {}
                    }
                }
            });
            change(&mut manifest["forge"]);
        });
    }

    pub(super) fn apply(&self) -> Vec<String> {
        steps(&self.world.apply_unproven(), "forge.drone")
    }

    /// What `verify` says of this gate: its verdict and its words.
    pub(super) fn gate(&self, gate: &Value) -> (String, String) {
        let text = std::fs::read_to_string(self.world.path("manifest.json")).expect("the manifest");
        let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
        manifest["gates"] = json!({ "asked": gate });
        self.world.write(&manifest);
        let record = self.world.run(&["verify", "--json"]).json();
        let results = record["gates"].as_array().expect("gates");
        let result = results.iter().find(|result| result["address"] == "gate.asked").expect("a result");
        let text = |key: &str| result[key].as_str().expect("a text").to_owned();
        (text("verdict"), text("summary"))
    }

    /// Applies once more, and fails unless nothing but questions was sent.
    fn settled(&self, about: &str) {
        let before = self.count.writes();
        let record = self.world.apply_unproven();
        assert_eq!(record["plan"]["steps"], json!([]), "{about}");
        assert_eq!(self.count.writes(), before, "{about}: {:?}", self.count.lines());
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.drone.send(DRONE_TOKEN, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    fn hooks(&self, repository: &str) -> Vec<Value> {
        let (status, hooks) = self.gitea.get(&format!("/repos/{repository}/hooks"));
        assert_eq!(status, 200, "{hooks}");
        hooks.as_array().expect("hooks").clone()
    }

    /// Everything that can be declared, as Drone and Gitea tell it.
    fn state(&self) -> Value {
        let of = |object: &Value, names: &[&str]| -> Value {
            names.iter().map(|name| object[*name].clone()).collect::<Vec<_>>().into()
        };
        let app = self.get("/api/repos/team/app");
        let settings = [
            "active",
            "trusted",
            "protected",
            "timeout",
            "visibility",
            "config_path",
            "ignore_forks",
            "ignore_pull_requests",
            "auto_cancel_pushes",
            "auto_cancel_pull_requests",
        ];
        let list = |path: &str, names: &[&str]| -> Vec<Value> {
            self.get(path).as_array().expect("a list").iter().map(|one| of(one, names)).collect()
        };
        json!({
            "app": of(&app, &settings),
            "lib": self.get("/api/repos/team/lib")["active"],
            "secrets": list("/api/repos/team/app/secrets", &["name", "pull_request"]),
            "cron": list("/api/repos/team/app/cron", &["name", "expr", "branch", "disabled"]),
            "ci": of(&self.get("/api/users/ci"), &["admin", "machine", "active"]),
            "hooks": [self.hooks("team/app").len(), self.hooks("team/lib").len()],
            "called": [self.hooks("team/app")[0]["active"], self.hooks("team/lib")[0]["active"]],
        })
    }
}

const APP: &str = r#"forge.drone/repository."team/app""#;
const LIB: &str = r#"forge.drone/repository."team/lib""#;
const NIGHTLY: &str = r#"forge.drone/cron."team/app/nightly""#;
const KEY: &str = r#"forge.drone/secret."team/app/KEY""#;

/// One thing that hands can do: a call, of Gitea where it is about a hook, and what a run then has to do.
struct Drift(&'static str, String, Value, String);

/// What hands can do to it, in rounds; each thing on its own object, so that a round is as good as each alone.
fn rounds(host: &Host) -> Vec<Vec<Drift>> {
    let drift = |method, path: &str, body, repair: String| Drift(method, path.to_owned(), body, repair);
    let settings = json!({
        "trusted": false, "protected": true, "timeout": 5, "visibility": "public", "config_path": ".other.yml",
        "ignore_forks": false, "ignore_pull_requests": false, "auto_cancel_pushes": false,
        "auto_cancel_pull_requests": true
    });
    let mut fields: Vec<&String> = settings.as_object().unwrap().keys().collect();
    fields.sort();
    let fields = fields.into_iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let (app, key, nightly) =
        ("/api/repos/team/app", "/api/repos/team/app/secrets/KEY", "/api/repos/team/app/cron/nightly");
    let second = json!({
        "type": "gitea", "active": true, "events": ["push"],
        "config": { "url": host.hooks("team/lib")[0]["config"]["url"], "content_type": "json" }
    });
    vec![
        vec![
            drift("PATCH", key, json!({ "pull_request": true }), format!("update {KEY} pull_request")),
            drift("PATCH", nightly, json!({ "branch": "other" }), format!("update {NIGHTLY} branch")),
            drift(
                "PATCH",
                "/api/users/ci",
                json!({ "admin": true }),
                "update forge.drone/user.ci admin".to_owned(),
            ),
            drift("PATCH", app, settings.clone(), format!("update {APP} {fields}")),
            // Its hook is there twice.
            drift("POST", "/repos/team/lib/hooks", second, format!("update {LIB}")),
        ],
        vec![
            drift("DELETE", key, Value::Null, format!("create {KEY}")),
            drift("PATCH", nightly, json!({ "disabled": true }), format!("update {NIGHTLY} disabled")),
            drift("DELETE", "/api/users/ci", Value::Null, "create forge.drone/user.ci".to_owned()),
            drift("DELETE", app, Value::Null, format!("create {APP}")),
        ],
        vec![
            drift("DELETE", nightly, Value::Null, format!("create {NIGHTLY}")),
            drift("DELETE", "/repos/team/app/hooks/", Value::Null, format!("update {APP}")),
            drift(
                "PATCH",
                "/repos/team/lib/hooks/",
                json!({ "active": false, "events": ["push"] }),
                format!("update {LIB}"),
            ),
        ],
    ]
}

impl Host {
    /// Does it; what a run has to do about it.
    fn drift(&self, Drift(method, path, body, repair): Drift) -> String {
        if path.starts_with("/api/") {
            self.ask(method, &path, &body);
            return repair;
        }
        let repository = path.split('/').skip(2).take(2).collect::<Vec<_>>().join("/");
        let path =
            if path.ends_with('/') { format!("{path}{}", self.hooks(&repository)[0]["id"]) } else { path };
        let (status, answer) = self.gitea.call(ADMIN, method, &path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        repair
    }

    /// Does all of it, and expects a repair for each, as it was, and nothing else.
    fn repaired(&self, round: Vec<Drift>) {
        let mut wanted_repairs: Vec<String> = round.into_iter().map(|drift| self.drift(drift)).collect();
        wanted_repairs.sort();
        assert_eq!(repairs(&self.world.apply_unproven(), "forge.drone"), wanted_repairs);
        assert_eq!(self.state(), wanted(), "{wanted_repairs:?}");
    }
}

/// What was declared, as it has to be read back.
fn wanted() -> Value {
    json!({
        "app": [true, true, false, 120, "internal", "ci.yml", true, true, true, false],
        "lib": true,
        "secrets": [["KEY", null]],
        "cron": [["nightly", "0 0 2 * * *", "main", false]],
        "ci": [false, true, true],
        "hooks": [1, 1],
        "called": [true, true],
    })
}

#[test]
fn a_drone_is_signed_in_to_made_equal_repaired_field_by_field_and_left_alone() {
    let host = Host::new(GITEAS[0]);
    let made = host.apply();
    let first = "update forge.drone/sign_in";
    assert!(made.len() == 6 && made[0] == first, "{made:?}");
    assert_eq!(host.state(), wanted());
    host.settled("after the first run");
    for round in rounds(&host) {
        host.repaired(round);
    }
    host.settled("after every change");
    assert_eq!(gates(&host, DEFAULT), ["pass", "pass"]);
    host.drone.forget_tokens();
    let seen = gates(&host, DEFAULT);
    assert!(seen[0] == "pass" && seen[1].contains("Gitea does not let Drone in"), "{seen:?}");
    let plan = host.world.run(&["plan", "--json"]).json();
    assert_eq!(steps(&plan, "forge.drone"), [first]);
    assert!(plan["plan"].to_string().contains("Gitea does not let Drone in"), "{plan}");
    assert_eq!(host.apply(), [first]);
    host.settled("after Drone was let in again");
    assert_eq!(gates(&host, DEFAULT), ["pass", "pass"]);
    rotate(host);
}

/// The Drone that is declared, and the secret that it shares with runners.
const DEFAULT: fn() -> Value = || json!({ "runner_secret": { "secret": "rpc" } });

/// What `verify` says of the gates `drone` and `oauth`: that they hold, or why not. It writes nothing.
fn gates(host: &Host, drone: impl FnOnce() -> Value) -> [String; 2] {
    let text = std::fs::read_to_string(host.world.path("manifest.json")).expect("the manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    manifest["gates"] = json!({
        "drone": { "drone": drone(), "deadline": "3s" }, "oauth": { "oauth": {}, "deadline": "3s" }
    });
    host.world.write(&manifest);
    let before = host.count.writes();
    let record = host.world.run(&["verify", "--json"]).json();
    let pings =
        host.count.lines().iter().skip(before).filter(|line| !line.starts_with("POST /rpc/v2/ping")).count();
    assert_eq!(pings, 0, "{:?}", host.count.lines());
    ["gate.drone", "gate.oauth"].map(|address| {
        let results = record["gates"].as_array().expect("gates");
        let result = results.iter().find(|result| result["address"] == address).expect("a result");
        let verdict = result["verdict"].as_str().expect("a verdict");
        if verdict == "pass" { verdict.to_owned() } else { format!("{verdict}: {}", result["summary"]) }
    })
}

/// Answers like a Drone behind something that redirects runners.
fn redirecting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut seen = [0; 4096];
            let read = client.read(&mut seen).unwrap_or_default();
            let (status, body) = match String::from_utf8_lossy(&seen[..read]).as_ref() {
                asked if asked.starts_with("POST /rpc") => ("301 Moved", ""),
                asked if asked.starts_with("GET /version") => ("200 OK", r#"{"version":"1.10.1"}"#),
                _ => ("200 OK", "{}"),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nlocation: /\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            drop(client.write_all(answer.as_bytes()));
        }
    });
    format!("http://{address}")
}

#[test]
fn the_gate_drone_tells_what_would_keep_a_runner_out() {
    let mut host = Host::new(GITEAS[0]);
    // The swarm alone: its own gate would be waited for.
    host.declare(|forge| *forge = json!({}));
    assert_eq!(host.apply(), [""; 0]);
    host.declare(|_| {});
    let fails = |host: &Host, gate: Value, words: &str| {
        let [drone, _] = gates(host, || gate);
        assert!(drone.starts_with("fail: ") && drone.contains(words), "{words}: {drone}");
    };
    let [drone, oauth] = gates(&host, DEFAULT);
    assert!(drone == "pass" && oauth.contains("no sign-in from here is recorded"), "{drone} {oauth}");
    fails(&host, json!({ "runner_secret": { "secret": "key" } }), "another one than the server's");
    let elsewhere = |url: &str| json!({ "url": url, "runner_secret": { "secret": "rpc" } });
    fails(&host, elsewhere(&host.gitea.url), "`GET /healthz` was answered with 404");
    fails(&host, elsewhere(&redirecting()), "redirected (301)");
    fails(&host, elsewhere("http://127.0.0.1:9"), "refused the connection");
    host.drone.forget_runners();
    fails(&host, DEFAULT(), "has no `DRONE_RPC_SECRET`");
    assert_eq!(gates(&host, || json!({}))[0], "pass", "nobody asked about runners");
    host.drone.kill();
    let [drone, oauth] = gates(&host, DEFAULT);
    assert!(drone.starts_with("fail: ") && oauth.starts_with("fail: "), "{drone} {oauth}");
}

/// Other values are written; what left goes, and nothing else.
fn rotate(mut host: Host) {
    host.secrets = ["c2c2c2c2c2c2c2c2".to_owned(), "key-2".to_owned()];
    host.seal(ADMIN.1);
    let mut steps = host.apply();
    steps.sort();
    assert_eq!(steps, [format!("update {KEY}"), "update forge.drone/user.ci".to_owned()]);
    assert_eq!(host.drone.send("c2c2c2c2c2c2c2c2", "GET", "/api/user", &Value::Null).1["login"], "ci");
    assert_eq!(host.drone.send("c1c1c1c1c1c1c1c1", "GET", "/api/user", &Value::Null).0, 401);
    host.settled("after the rotation");
    host.ask("POST", "/api/repos/team/app/secrets", &json!({ "name": "OTHER", "data": "x" }));
    let foreign = json!({
        "type": "gitea", "active": true, "events": ["push"],
        "config": { "url": "http://127.0.0.1:9/hook", "content_type": "json" }
    });
    assert_eq!(host.gitea.call(ADMIN, "POST", "/repos/team/lib/hooks", &foreign).0, 201);
    host.settled("with what somebody else made");
    host.declare(|forge| {
        forge["drone"]["users"] = json!({});
        forge["drone"]["repositories"] = json!({ "team/app": {} });
    });
    let mut steps = host.apply();
    steps.sort();
    let gone = [
        format!("delete {NIGHTLY}"),
        format!("delete {LIB}"),
        format!("delete {KEY}"),
        "delete forge.drone/user.ci".to_owned(),
    ];
    assert_eq!(steps, gone);
    assert_eq!(host.get("/api/repos/team/lib")["active"], false);
    let left = host.hooks("team/lib");
    assert!(left.len() == 1 && left[0]["config"]["url"] == "http://127.0.0.1:9/hook", "{left:?}");
    let secrets = host.get("/api/repos/team/app/secrets");
    assert!(secrets.as_array().unwrap().len() == 1 && secrets[0]["name"] == "OTHER", "{secrets}");
    host.settled("after what left has gone");
    refusals(&host);
}

/// What a person has to do is told, and no password is in any word of it.
fn refusals(host: &Host) {
    host.drone.forget_tokens();
    let edit = |body: &Value| {
        let path = format!("/admin/users/{}", ADMIN.0);
        let (status, answer) = host.gitea.call(ADMIN, "PATCH", &path, body);
        assert_eq!(status, 200, "{answer}");
    };
    // A second administrator asks Gitea, so that only the sign-in meets the other's troubles.
    let chief = json!({
        "username": "chief", "email": "chief@example.org", "password": "chief~pass", "must_change_password": false
    });
    assert_eq!(host.gitea.call(ADMIN, "POST", "/admin/users", &chief).0, 201);
    let admin = json!({ "login_name": "chief", "source_id": 0, "admin": true });
    assert_eq!(host.gitea.call(ADMIN, "PATCH", "/admin/users/chief", &admin).0, 200);
    host.world
        .seal(&format!("t\nadmin: wrong~pass\ndrone: {DRONE_TOKEN}\nci: x\nkey: chief~pass\nrpc: {RPC}"));
    host.declare(|forge| {
        forge["drone"]["users"] = json!({});
        forge["drone"]["repositories"] = json!({ "team/app": {} });
        forge["gitea"]["admin"] = json!({ "username": "chief", "password": { "secret": "key" } });
    });
    let ran = host.world.run(&["apply", "--no-verify", "--json"]);
    let text = ran.json()["steps"].to_string();
    assert!(ran.code == 5 && text.contains("the name or the password is wrong"), "{} {text}", ran.code);
    assert!(!text.contains("wrong~pass"), "{text}");
    edit(&json!({ "login_name": ADMIN.0, "source_id": 0, "must_change_password": true }));
    host.world
        .seal(&format!("t\nadmin: {}\ndrone: {DRONE_TOKEN}\nci: x\nkey: chief~pass\nrpc: {RPC}", ADMIN.1));
    let ran = host.world.run(&["apply", "--no-verify", "--json"]);
    let text = ran.json()["steps"].to_string();
    assert!(ran.code == 5 && text.contains("wants its password changed first"), "{} {text}", ran.code);
}

#[test]
fn older_giteas_let_drone_in_without_a_browser_too() {
    for version in &GITEAS[1..] {
        let host = Host::new(version);
        assert_eq!(host.apply().len(), 6, "{version}");
        assert_eq!(host.state(), wanted(), "{version}");
        host.settled(version);
        host.drone.forget_tokens();
        assert_eq!(host.apply(), ["update forge.drone/sign_in"], "{version}");
        host.settled(version);
    }
}

#[test]
fn kill_9_at_any_write_to_gitea_or_drone_costs_nothing() {
    let host = Host::new(GITEAS[0]);
    let mut killed = 0;
    'writes: for number in 1.. {
        for hold in [Hold::Before, Hold::After] {
            host.count.hold(number, hold);
            let mut command = host.world.command(&["apply", "--no-verify"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            let ended = loop {
                if host.count.has_held() {
                    break None;
                }
                if let Some(status) = child.try_wait().expect("a status") {
                    break Some(status);
                }
                thread::sleep(Duration::from_millis(10));
            };
            if let Some(status) = ended {
                assert!(status.success(), "write {number}, {hold:?}: {status}");
                break 'writes;
            }
            child.kill().expect("kill -9");
            child.wait().expect("it ended");
            killed += 1;
        }
        assert!(number < 40, "it never comes to an end");
    }
    host.count.let_go();
    assert!(killed >= 8, "killed {killed} times only");
    host.apply();
    assert_eq!(host.state(), wanted());
    host.settled("after all of it");
}
