//! What a real Gitea makes and tells once: kept, used by a stack of the same run, repaired, and never left lying about.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::forge::gitea::Api;
use holdfast::forge::http::Client;
use serde_json::{Value, json};

use super::peers::{ADMIN, GITEAS, Gitea};
use super::relay::Relay;
use super::steps;
use crate::support::engine::connect;
use crate::support::world::{Ran, World};

const TOKEN: &str = "forge.gitea/token.bridge";
const DRONE: &str = "forge.gitea/oauth_application.drone";
const TOKENS: &str = "/users/bot/tokens";
const APPLICATIONS: &str = "/user/applications/oauth2";

/// Serves what it was given, so that a test can read it.
const CI: &str = r"
services:
  app:
    image: holdfast.invalid/app
    entrypoint: [/bin/httpd, -f, -p, '8080', -h, /run/secrets]
    networks: [proxy]
    secrets: [drone_id, drone_env]
    stop_grace_period: 1s
    deploy:
      endpoint_mode: dnsrr
    ports:
      - { target: 8080, published: 8080, protocol: tcp, mode: host }
secrets:
  drone_id:
    external: true
  drone_env:
    external: true
networks:
  proxy:
    external: true
";

/// A host with what a Gitea makes for a bot.
struct Host {
    world: World,
    gitea: Gitea,
    relay: Relay,
}

impl Host {
    fn new(version: &str) -> Self {
        let gitea = Gitea::start(version);
        let relay = Relay::to(&gitea.url);
        let host = Self { world: World::new(), gitea, relay };
        host.world
            .encrypt("secrets.yaml", &format!("admin_password: {}\nbot_password: bot~password-1\n", ADMIN.1));
        fs::write(host.world.path("ci.yml"), CI).expect("ci.yml");
        host.declare(|_| {});
        host
    }

    fn declare(&self, change: impl FnOnce(&mut Value)) {
        let recipient = self.world.recipient();
        self.world.edit(|manifest| {
            for section in ["stacks", "templates", "gates"] {
                manifest[section] = json!({});
            }
            manifest["identities"]["public_keys"] = json!([recipient]);
            manifest["identities"]["admins"] = json!([recipient]);
            let secret = json!({ "file": "secrets.yaml" });
            let by = |of: &str| {
                let generator = json!({ "forge": { "of": format!("gitea.{of}") }, "where": "host" });
                json!({ "file": "secrets.yaml", "generator": generator })
            };
            manifest["secrets"] = json!({
                "bot_password": secret, "admin_password": secret,
                "bridge_token": by("tokens.bridge"),
                "drone_id": by("oauth_applications.drone.client_id"),
                "drone_secret": by("oauth_applications.drone.client_secret"),
            });
            manifest["templates"] = json!({ "drone_env": { "content": "ID={{ drone_id }}\nSECRET={{ drone_secret }}\n" } });
            manifest["forge"] = json!({ "gitea": {
                "url": self.gitea.url,
                "connect": self.relay.address.to_string(),
                "admin": { "username": ADMIN.0, "password": { "secret": "admin_password" } },
                "users": { "bot": { "email": "bot@example.org", "password": { "secret": "bot_password" } } },
                "tokens": { "bridge": { "user": "bot", "scopes": ["write:issue", "read:user"] } },
                "oauth_applications": { "drone": { "owner": "bot", "redirect_uris": ["https://ci.example.org/login", "http://127.0.0.1:9/login"] } },
            } });
            change(manifest);
        });
    }

    /// Applies; what was planned of the forge, a step a line.
    fn apply(&self) -> Vec<String> {
        let ran = self.world.run(&["apply", "--no-verify", "--json"]).expect(0);
        self.says_nothing(&ran);
        steps(&ran.json(), "forge.")
    }

    /// Applies once more, and fails unless nothing but questions was sent.
    fn settled(&self, about: &str) {
        let before = self.relay.count.writes();
        let record = self.world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
        assert_eq!(record["plan"]["steps"], json!([]), "{about}");
        assert_eq!(record["writes"], 0, "{about}");
        assert_eq!(self.relay.count.writes(), before, "{about}: {:?}", self.relay.count.lines());
    }

    /// Fails where a run has printed a value.
    fn says_nothing(&self, ran: &Ran) {
        for name in ["bridge_token", "drone_id", "drone_secret"] {
            let value = self.value(name);
            assert!(
                !ran.out.contains(&value) && !ran.err.contains(&value),
                "the value of {name} was printed"
            );
        }
    }

    /// What is installed.
    fn value(&self, name: &str) -> String {
        fs::read_to_string(self.world.run_dir().join("secrets").join(name)).expect("it is installed")
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let bot = ("bot", "bot~password-1");
        let (status, body) = self.gitea.call(bot, "GET", path, &Value::Null);
        assert_eq!(status, 200, "{body}");
        body.as_array().expect("a list").clone()
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.gitea.call(("bot", "bot~password-1"), method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// One token and one application are there, and what is installed opens Gitea and names the application.
    fn holds(&self, about: &str) {
        let (tokens, applications) = (self.list(TOKENS), self.list(APPLICATIONS));
        assert_eq!((tokens.len(), applications.len()), (1, 1), "{about}: {tokens:?} {applications:?}");
        let scopes: Vec<&str> =
            tokens[0]["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(scopes.contains(&"write:issue"), "{about}: {scopes:?}");
        assert_eq!(self.opens(&self.value("bridge_token")), 200, "{about}");
        assert_eq!(applications[0]["client_id"], json!(self.value("drone_id")), "{about}");
        assert_eq!(self.takes(), [true, false, false], "{about}");
        let env = format!("ID={}\nSECRET={}\n", self.value("drone_id"), self.value("drone_secret"));
        assert_eq!(self.value("rendered/drone_env"), env, "{about}");
    }

    /// What Gitea answers to a token.
    fn opens(&self, token: &str) -> u16 {
        self.gitea.ask(&["-H", &format!("authorization: token {token}")], "/api/v1/user").0
    }

    /// Whether Gitea takes the client secret that is kept, another one, and that of an application that is not there.
    fn takes(&self) -> [bool; 3] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let api = Api::anonymous(Client::new(&self.gitea.url, None, None).expect("a client"));
        let (id, secret) = (self.value("drone_id"), self.value("drone_secret"));
        let nobody = "00000000-0000-0000-0000-000000000000";
        [(id.as_str(), secret.as_str()), (&id, "gto_other"), (nobody, &secret)]
            .map(|(id, secret)| runtime.block_on(api.takes(id, secret)).expect("an answer"))
    }
}

/// From nothing to values that work; what hands and losses can do to them; nothing left at the end.
fn story(version: &str) {
    let host = Host::new(version);
    let made = host.apply();
    assert_eq!(made, ["create forge.gitea/user.bot", &format!("create {TOKEN}"), &format!("create {DRONE}")]);
    host.holds("at first");
    host.settled("after the first run");
    drifts(&host);
    losses(&host);
    killed(&host);
    host.declare(|manifest| {
        manifest["templates"] = json!({});
        for name in ["bridge_token", "drone_id", "drone_secret"] {
            manifest["secrets"].as_object_mut().unwrap().remove(name);
        }
        manifest["forge"]["gitea"]["tokens"] = json!({});
        manifest["forge"]["gitea"]["oauth_applications"] = json!({});
    });
    host.call("POST", TOKENS, &json!({ "name": "own", "scopes": ["read:user"] }));
    let record = host.world.apply_unproven();
    let mut gone = steps(&record, "forge.");
    gone.sort();
    assert_eq!(gone, [format!("delete {DRONE}"), format!("delete {TOKEN}")]);
    assert_eq!(host.list(TOKENS).len(), 1, "somebody's own token is gone");
    assert_eq!(host.list(APPLICATIONS), [] as [Value; 0]);
}

fn drifts(host: &Host) {
    let old = host.value("bridge_token");
    host.declare(|manifest| {
        manifest["forge"]["gitea"]["tokens"]["bridge"]["scopes"] =
            json!(["write:issue", "read:user", "read:repository"]);
    });
    assert_eq!(host.apply(), [format!("update {TOKEN}")]);
    host.holds("with other scopes");
    assert_eq!(host.opens(&old), 401, "the old token is alive");
    host.settled("after other scopes");
    host.declare(|_| {});
    host.apply();
    let application = |host: &Host| format!("{APPLICATIONS}/{}", host.list(APPLICATIONS)[0]["id"]);
    let (id, secret) = (host.value("drone_id"), host.value("drone_secret"));
    let other = json!({ "name": "drone", "redirect_uris": ["https://other.example.org/"], "confidential_client": true });
    host.call("PATCH", &application(host), &other);
    assert_eq!(host.apply(), [format!("update {DRONE}")]);
    host.holds("with the redirect URIs again");
    assert_eq!(host.value("drone_id"), id, "the application is another one");
    assert_ne!(host.value("drone_secret"), secret);
    host.call("POST", APPLICATIONS, &other);
    assert_eq!(host.apply(), [format!("delete {DRONE}")]);
    host.holds("without a second application");
    host.call("DELETE", &application(host), &Value::Null);
    host.call("DELETE", &format!("{TOKENS}/{}", host.list(TOKENS)[0]["id"]), &Value::Null);
    assert_eq!(host.apply(), [format!("create {TOKEN}"), format!("create {DRONE}")]);
    host.holds("after both were deleted by hand");
    host.settled("after every change");
}

fn losses(host: &Host) {
    let secret = host.value("drone_secret");
    let minted = host.world.path("state/minted");
    fs::remove_dir_all(&minted).expect("removed");
    assert_eq!(host.apply(), [""; 0], "what a generation has kept is not made anew");
    assert_eq!(host.value("drone_secret"), secret);
    fs::remove_dir_all(&minted).expect("removed");
    fs::remove_dir_all(host.world.path("state/generations")).expect("removed");
    let (writes, lost) = (host.relay.count.writes(), host.apply());
    assert_eq!(lost, [format!("update {TOKEN}"), format!("update {DRONE}")]);
    assert_eq!(host.relay.count.writes() - writes, 3, "a token made, one deleted, an application changed");
    host.holds("after a loss");
    assert_ne!(host.value("drone_secret"), secret);
    host.settled("after a loss");
    let (path, writes) = (minted.join("bridge_token.json"), host.relay.count.writes());
    let kept = fs::read(&path).expect("a file");
    fs::remove_dir_all(host.world.path("state/generations")).expect("removed");
    fs::write(&path, "{}").expect("written");
    let record = host.world.run(&["apply", "--no-verify", "--json"]).expect(5).json();
    assert!(record["secrets"].to_string().contains("bridge_token.json"), "{record:#}");
    assert_eq!(
        host.relay.count.writes(),
        writes,
        "a file that does not open is no reason to make another value"
    );
    fs::write(&path, kept).expect("written");
    host.settled("with its file again");
}

/// Killed when Gitea has made something and nobody has heard what.
fn killed(host: &Host) {
    for write in
        ["POST /api/v1/users/bot/tokens", "POST /api/v1/user/applications", "PATCH /api/v1/user/applications"]
    {
        if write.starts_with("PATCH") {
            let other = json!({ "name": "drone", "redirect_uris": ["https://other.example.org/"], "confidential_client": true });
            host.call("PATCH", &format!("{APPLICATIONS}/{}", host.list(APPLICATIONS)[0]["id"]), &other);
        } else {
            for path in [TOKENS, APPLICATIONS] {
                host.call("DELETE", &format!("{path}/{}", host.list(path)[0]["id"]), &Value::Null);
            }
        }
        host.relay.count.hold_answer(write);
        let mut command = host.world.command(&["apply", "--no-verify"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
        let began = Instant::now();
        while !host.relay.count.has_held() {
            assert!(began.elapsed() < Duration::from_secs(60), "{write} was not sent");
            thread::sleep(Duration::from_millis(20));
        }
        run.kill().expect("killed");
        run.wait().expect("ended");
        host.apply();
        host.holds(write);
        host.settled(write);
    }
}

#[test]
fn what_the_newest_gitea_makes_is_kept_repaired_and_removed() {
    story(GITEAS[0]);
}

#[test]
fn what_older_giteas_make_is_kept_repaired_and_removed() {
    for version in &GITEAS[1..] {
        story(version);
    }
}

#[test]
fn a_stack_that_needs_what_a_gitea_makes_is_deployed_by_the_same_apply() {
    let host = Host::new(GITEAS[0]);
    let ip = host.world.engine.ip.clone();
    host.declare(|manifest| {
        manifest["stacks"] =
            json!({ "ci": { "compose": ["ci.yml"], "images": { "app": "app" }, "deadline": "3m" } });
        manifest["soak"] = json!("0s");
    });
    let plan = host.world.run(&["plan"]).expect(0);
    for wanted in [
        "drone_id (known after apply)",
        "(known after apply)  # from forge.gitea/oauth_application.drone",
        "bridge_token: (known after apply)",
    ] {
        assert!(plan.out.contains(wanted), "{wanted} is not in\n{}", plan.out);
    }
    let plan = host.world.run(&["plan", "--json"]).expect(0).json();
    let stage = |address: &str| {
        let steps = plan["plan"]["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["address"] == address && step["verb"] == "create");
        step.unwrap_or_else(|| panic!("{address}"))["stage"].as_u64().expect("a number")
    };
    assert!(stage("stack.ci/secret.drone_id") > stage(DRONE), "{plan:#}");
    assert!(stage("stack.ci/service.app") > stage("stack.ci/secret.drone_id"));
    host.apply();
    host.holds("beside a stack");
    assert_eq!(served(&ip, "drone_id"), host.value("drone_id"));
    host.settled("with a stack");
    let number = generations(&host);
    host.settled("once more");
    assert_eq!(generations(&host), number, "a run without changes is a new generation");
    // Another value of an application in use: rotated through the stack in one run.
    let old = served(&ip, "drone_env");
    let other = json!({ "name": "drone", "redirect_uris": ["https://other.example.org/"], "confidential_client": true });
    host.call("PATCH", &format!("{APPLICATIONS}/{}", host.list(APPLICATIONS)[0]["id"]), &other);
    host.apply();
    let env = served(&ip, "drone_env");
    assert!(env != old && env.contains(&host.value("drone_secret")), "the service has an old value");
    host.settled("after a rotation");
    // A part that is no forge's asks none: everything it needs is known.
    let calls = host.relay.count.calls();
    for command in [&["plan"][..], &["apply", "--no-verify"], &["verify"]] {
        host.world.run(&[command, &["--only", "stack.ci"]].concat()).expect(0);
    }
    assert_eq!(host.relay.count.calls(), calls, "a forge was asked");
    host.settled("as a whole");
    assert!(host.relay.count.calls() > calls, "nobody would have been asked anyway");
}

fn generations(host: &Host) -> usize {
    fs::read_dir(host.world.path("state/generations")).expect("generations").count()
}

/// What the service answers.
fn served(ip: &str, name: &str) -> String {
    let mut stream = connect(ip, 8080);
    write!(stream, "GET /{name} HTTP/1.0\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}
