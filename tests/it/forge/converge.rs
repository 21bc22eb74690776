//! A real Gitea is made equal to what is declared of it, and stays so.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::peers::{ADMIN, GITEAS, Gitea};
use crate::support::world::World;

/// A relay in front of a forge that counts what is no `GET`.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    writes: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
    /// First lines of the writes, for whoever wonders.
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    /// A write that begins like this is answered by nobody, though it was carried out.
    held: Arc<Mutex<Option<String>>>,
    /// True once such a write was held.
    pub(super) holds: Arc<AtomicBool>,
}

impl Relay {
    pub(super) fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let relay = Self {
            address,
            writes: Arc::default(),
            reads: Arc::default(),
            lines: Arc::default(),
            held: Arc::default(),
            holds: Arc::default(),
        };
        let (writes, reads, lines) =
            (Arc::clone(&relay.writes), Arc::clone(&relay.reads), Arc::clone(&relay.lines));
        let (held, holds) = (Arc::clone(&relay.held), Arc::clone(&relay.holds));
        let server = url.trim_start_matches("http://").to_owned();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (writes, reads, lines) = (Arc::clone(&writes), Arc::clone(&reads), Arc::clone(&lines));
                let server = server.clone();
                let (held, holds) = (Arc::clone(&held), Arc::clone(&holds));
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut byte = [0; 1];
                    while !seen.ends_with(b"\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                        seen.push(byte[0]);
                    }
                    let line = String::from_utf8_lossy(&seen).trim().to_owned();
                    if line.starts_with("GET ") {
                        reads.fetch_add(1, Ordering::SeqCst);
                    } else {
                        writes.fetch_add(1, Ordering::SeqCst);
                        lines.lock().expect("a lock").push(line.clone());
                    }
                    let mut held = held.lock().expect("a lock");
                    let is_held = held.take_if(|held| line.starts_with(held.as_str())).is_some();
                    drop(held);
                    let Ok(mut upstream) = TcpStream::connect(&server) else { return };
                    drop(upstream.write_all(&seen));
                    let (mut from, mut to) =
                        (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
                    thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                    if is_held {
                        // It was carried out once it is answered.
                        drop(upstream.read(&mut byte));
                        holds.store(true, Ordering::SeqCst);
                        thread::park();
                    }
                    drop(std::io::copy(&mut upstream, &mut client));
                    drop(client.shutdown(std::net::Shutdown::Both));
                });
            }
        });
        relay
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Holds the answer of the next write that begins like this: `POST /api/v1/users/`.
    pub(super) fn hold(&self, begin: &str) {
        self.holds.store(false, Ordering::SeqCst);
        *self.held.lock().expect("a lock") = Some(begin.to_owned());
    }
}

/// A host with nothing but what is declared of a Gitea.
struct Host {
    world: World,
    gitea: Gitea,
    relay: Relay,
    secrets: [String; 3],
}

impl Host {
    fn new(version: &str) -> Self {
        let gitea = Gitea::start(version);
        let relay = Relay::to(&gitea.url);
        let secrets = ["hook-secret-1".to_owned(), "bot~password-1".to_owned(), ADMIN.1.to_owned()];
        let host = Self { world: World::new(), gitea, relay, secrets };
        host.seal();
        host.declare(|_| {});
        host
    }

    fn seal(&self) {
        let [hook, bot, admin] = &self.secrets;
        self.world.seal(&format!("t\nhook: {hook}\nbot_password: {bot}\nadmin_password: {admin}"));
    }

    fn declare(&self, change: impl FnOnce(&mut Value)) {
        self.world.edit(|manifest| {
            for section in ["stacks", "templates", "images", "networks", "gates"] {
                manifest[section] = json!({});
            }
            let secret = json!({ "file": "secrets.yaml" });
            manifest["secrets"] = json!({ "hook": secret, "bot_password": secret, "admin_password": secret });
            manifest["forge"] = json!({ "gitea": {
                "url": self.gitea.url,
                "connect": self.relay.address.to_string(),
                "admin": { "username": ADMIN.0, "password": { "secret": "admin_password" } },
                "users": {
                    "bot": {
                        "email": "bot@example.org", "full_name": "Bot", "restricted": false,
                        "visibility": "limited", "password": { "secret": "bot_password" }
                    },
                    "chief": { "email": "chief@example.org", "admin": true },
                },
                "organisations": { "team": { "full_name": "Team", "description": "builds", "visibility": "private" } },
                "repositories": {
                    "team/app": {
                        "description": "the app", "private": true, "default_branch": "main", "auto_init": true,
                        "collaborators": { "bot": "write", "chief": "read" }
                    },
                    "chief/own": { "auto_init": false },
                },
                "webhooks": { "bridge": {
                    "repository": "team/app", "url": "http://127.0.0.1:9/hook",
                    "events": ["push", "pull_request_comment", "issues"], "secret": { "secret": "hook" },
                    "branch_filter": "ma*"
                } }
            } });
            change(&mut manifest["forge"]["gitea"]);
        });
    }

    /// Applies; what was planned, a step a line.
    fn apply(&self) -> Vec<String> {
        let record = self.world.apply_unproven();
        let steps = record["plan"]["steps"].as_array().expect("steps");
        let forge =
            steps.iter().filter(|step| step["address"].as_str().is_some_and(|a| a.starts_with("forge.")));
        forge
            .map(|step| format!("{} {}", step["verb"].as_str().unwrap(), step["address"].as_str().unwrap()))
            .collect()
    }

    /// Applies once more, and fails unless nothing but questions was sent.
    fn settled(&self, about: &str) {
        let before = self.relay.writes();
        assert_eq!(self.apply(), [""; 0], "{about}");
        let lines = self.relay.lines.lock().expect("a lock");
        assert_eq!(self.relay.writes(), before, "{about}: {lines:?}");
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.gitea.call(ADMIN, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.admin("GET", path, &Value::Null)
    }

    fn hooks(&self) -> Vec<Value> {
        self.get("/repos/team/app/hooks").as_array().expect("hooks").clone()
    }

    /// Everything that can be declared, as Gitea tells it.
    fn state(&self) -> Value {
        let hooks: Vec<Value> = self
            .hooks()
            .into_iter()
            .map(|hook| {
                let mut events: Vec<String> = serde_json::from_value(hook["events"].clone()).expect("events");
                events.sort();
                json!([
                    hook["config"]["url"],
                    hook["config"]["content_type"],
                    events,
                    hook["active"],
                    hook["branch_filter"]
                ])
            })
            .collect();
        let user = self.get("/users/bot");
        let org = self.get("/orgs/team");
        let repository = self.get("/repos/team/app");
        let access = |user: &str| {
            self.get(&format!("/repos/team/app/collaborators/{user}/permission"))["permission"].clone()
        };
        json!({
            "user": [user["email"], user["full_name"], user["is_admin"], user["restricted"], user["visibility"]],
            "chief": self.get("/users/chief")["is_admin"],
            "org": [org["full_name"], org["description"], org["visibility"], org["website"]],
            "repository": [repository["description"], repository["private"], repository["default_branch"]],
            "own": self.get("/repos/chief/own")["private"],
            "access": access("bot"),
            "hooks": hooks,
        })
    }
}

/// What hands can do to it: a call, and the one thing that a run has to do about it.
fn drifts(host: &Host) -> Vec<(&'static str, String, Value, &'static str)> {
    let hook = format!("/repos/team/app/hooks/{}", host.hooks()[0]["id"]);
    let user = |field: &str, value: Value| {
        let mut body = json!({ "login_name": "bot", "source_id": 0 });
        body[field] = value;
        ("PATCH", "/admin/users/bot".to_owned(), body, "update forge.gitea/user.bot")
    };
    let repository =
        |body| ("PATCH", "/repos/team/app".to_owned(), body, r#"update forge.gitea/repository."team/app""#);
    let events = json!(["push", "pull_request_comment", "issues"]);
    let change = |body: Value| ("PATCH", hook.clone(), body, "update forge.gitea/hook.bridge");
    vec![
        user("email", json!("other@example.org")),
        user("full_name", json!("Other")),
        user("restricted", json!(true)),
        user("visibility", json!("public")),
        (
            "PATCH",
            "/orgs/team".to_owned(),
            json!({ "full_name": "Team", "description": "x", "visibility": "private", "website": "https://example.org" }),
            "update forge.gitea/organisation.team",
        ),
        repository(json!({ "description": "x" })),
        repository(json!({ "private": false })),
        (
            "PUT",
            "/repos/team/app/collaborators/bot".to_owned(),
            json!({ "permission": "admin" }),
            r#"update forge.gitea/collaborator."team/app/bot""#,
        ),
        (
            "DELETE",
            "/repos/team/app/collaborators/bot".to_owned(),
            Value::Null,
            r#"create forge.gitea/collaborator."team/app/bot""#,
        ),
        change(json!({ "events": ["push"], "branch_filter": "ma*" })),
        change(json!({ "events": events, "branch_filter": "" })),
        change(json!({ "events": events, "branch_filter": "ma*", "active": false })),
        change(
            json!({ "events": events, "branch_filter": "ma*", "config": { "content_type": "form", "url": "http://127.0.0.1:9/hook" } }),
        ),
        (
            "POST",
            "/repos/team/app/hooks".to_owned(),
            json!({ "type": "gitea", "config": { "url": "http://127.0.0.1:9/hook", "content_type": "json" }, "events": ["push"] }),
            "delete forge.gitea/hook.bridge",
        ),
        ("DELETE", hook.clone(), Value::Null, "create forge.gitea/hook.bridge"),
    ]
}

/// From an empty Gitea to what is declared; by every hand's change one repair; a second run asks only.
fn story(version: &str, all: bool) {
    let host = Host::new(version);
    let made = host.apply();
    assert_eq!(made.len(), 8, "{made:?}");
    let state = host.state();
    assert_eq!(state["user"], json!(["bot@example.org", "Bot", false, false, "limited"]));
    assert_eq!(
        (&state["chief"], &state["own"], &state["access"]),
        (&json!(true), &json!(true), &json!("write"))
    );
    assert_eq!(state["repository"], json!(["the app", true, "main"]));
    assert_eq!(host.gitea.call(("bot", "bot~password-1"), "GET", "/user", &Value::Null).0, 200);
    host.settled("after the first run");
    let drifts = drifts(&host);
    let count = drifts.len();
    for (at, (method, path, body, repair)) in drifts.into_iter().enumerate() {
        if !all && at % 3 != 1 && at + 2 < count {
            continue;
        }
        host.admin(method, &path, &body);
        assert_eq!(host.apply(), [repair], "{method} {path} {body}");
        let mut now = host.state();
        // What is not declared stays as somebody made it.
        now["org"][3] = state["org"][3].clone();
        assert_eq!(now, state, "{method} {path} {body}");
    }
    host.settled("after every change");
    if all {
        assert_eq!(
            host.get("/orgs/team")["website"],
            "https://example.org",
            "the repair emptied what nobody declared"
        );
    }
    rotate(host);
}

/// Another secret is another hook; another password is written; what left goes, and nothing else.
fn rotate(mut host: Host) {
    let old = host.hooks()[0]["id"].clone();
    "hook-secret-2".clone_into(&mut host.secrets[0]);
    "bot~password-2".clone_into(&mut host.secrets[1]);
    host.seal();
    let mut steps = host.apply();
    steps.sort();
    assert_eq!(steps, ["update forge.gitea/hook.bridge", "update forge.gitea/user.bot"]);
    let hooks = host.hooks();
    assert!(hooks.len() == 1 && hooks[0]["id"] != old, "{hooks:?}");
    assert_eq!(host.gitea.call(("bot", "bot~password-2"), "GET", "/user", &Value::Null).0, 200);
    host.settled("after the rotation");
    let foreign = json!({ "type": "gitea", "active": true, "config": { "url": "http://127.0.0.1:9/other", "content_type": "json" }, "events": ["push"] });
    host.admin("POST", "/repos/team/app/hooks", &foreign);
    host.settled("with somebody else's hook");
    host.declare(|gitea| {
        gitea["users"].as_object_mut().unwrap().remove("bot");
        gitea["repositories"] = json!({ "team/app": {} });
        gitea["webhooks"] = json!({});
    });
    let mut steps = host.apply();
    steps.sort();
    let wanted = [
        r#"delete forge.gitea/collaborator."team/app/bot""#,
        r#"delete forge.gitea/collaborator."team/app/chief""#,
        "delete forge.gitea/hook.bridge",
        "delete forge.gitea/user.bot",
    ];
    assert_eq!(steps, wanted);
    let hooks = host.hooks();
    assert!(hooks.len() == 1 && hooks[0]["config"]["url"] == "http://127.0.0.1:9/other", "{hooks:?}");
    assert_eq!(host.gitea.get("/users/bot").0, 404);
    assert_eq!(host.gitea.get("/repos/chief/own").0, 200, "a repository was deleted");
    host.settled("after what left has gone");
}

#[test]
fn the_newest_gitea_is_made_equal_repaired_field_by_field_and_left_alone() {
    story(GITEAS[0], true);
}

#[test]
fn older_giteas_are_made_equal_and_repaired_too() {
    for version in &GITEAS[1..] {
        story(version, false);
    }
}

#[test]
fn a_gitea_that_starts_late_is_waited_for_and_a_wrong_password_is_told_at_once() {
    let mut host = Host::new(GITEAS[0]);
    host.gitea.kill();
    let plan = host.world.run(&["plan", "--json"]).json();
    let steps = plan["plan"]["steps"].to_string();
    assert!(steps.contains("forge.gitea") && steps.contains("known after apply"), "{steps}");
    thread::scope(|scope| {
        let late = scope.spawn(|| host.world.apply_unproven());
        thread::sleep(Duration::from_secs(3));
        assert!(!late.is_finished(), "it did not wait");
        host.gitea.resume();
        let record = late.join().expect("it ends well");
        let steps = record["plan"]["steps"].as_array().expect("steps");
        assert!(
            steps.iter().any(|step| step["verb"] == "await" && step["address"] == "forge.gitea"),
            "{steps:?}"
        );
    });
    host.settled("after the wait");
    "wrong".clone_into(&mut host.secrets[2]);
    host.seal();
    let ran = host.world.run(&["apply", "--no-verify", "--json"]);
    assert_eq!(ran.code, 5, "{}\n{}", ran.out, ran.err);
    let record = ran.json();
    let text = record["steps"].to_string();
    assert!(text.contains("401") && text.contains("check the secret"), "{text}");
    assert!(!ran_holds(&record, "wrong"), "a password is in the record");
}

fn ran_holds(record: &Value, word: &str) -> bool {
    record.to_string().contains(&format!(":{word}@")) || record.to_string().contains(&format!("\"{word}\""))
}
