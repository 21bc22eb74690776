//! What a pull request brings and what it is called, and hooks that are lost in silence: on the real programs.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bridge::lab::{Lab, MAINTAINER, OUTSIDER, made};
use crate::bridge::scripted::wait;
use crate::bridge::sign_in;
use crate::forge::peers::{ADMIN, GITEAS, Gitea};
use crate::support::machine::program;

/// A check that fails and says what a page would obey.
const LOUD: &str = "printf '%s\\n' '```' '@carol ![x](https://example.org/x.png)' '<img src=x>'\nexit 3\n";

/// A branch that git takes, and a shell obeys.
const BRANCH: &str = "x;echo${IFS}obeyed-$((40+2))";
/// The same in an address.
const ENCODED: &str = "x%3Becho%24%7BIFS%7Dobeyed-%24((40%2B2))";

/// A pipeline of a team that pastes a name into its commands, as others have it.
fn pipeline(name: &str) -> String {
    format!(
        "kind: pipeline\ntype: exec\nname: {name}\nplatform: {{os: linux, arch: amd64}}\ntrigger: {{event: [custom]}}\n\
         steps:\n- name: check\n  commands:\n  - echo testing ${{BRANCH_NAME}}\n"
    )
}

impl Lab {
    /// Puts a pipeline on a branch of a repository; the commit.
    fn replace(&self, repository: &str, branch: &str, text: &str) -> String {
        let path = format!("/repos/{repository}/contents/.drone.yml");
        let now = made(self.gitea.get(&format!("{path}?ref={branch}")), &path);
        let body = json!({
            "content": STANDARD.encode(text), "message": "pipeline", "branch": branch, "sha": now["sha"],
        });
        let made = made(self.gitea.call(ADMIN, "PUT", &path, &body), &path);
        made["commit"]["sha"].as_str().unwrap().to_owned()
    }

    /// What a naive bot asks Drone for; the build at its end.
    fn naive(&self, query: &str) -> Value {
        let path = "/api/repos/team/app/builds";
        let build = made(self.drone.call("POST", &format!("{path}?{query}")), path);
        self.build(&build["number"])
    }

    /// A build, once it is over.
    fn build(&self, number: &Value) -> Value {
        let path = format!("/api/repos/team/app/builds/{number}");
        let mut build = Value::Null;
        wait("the end of a build", || {
            build = made(self.drone.call("GET", &path), &path);
            !matches!(build["status"].as_str(), Some("pending" | "running"))
        });
        build
    }

    /// What the step of a build has said.
    fn said(&self, number: &Value) -> Vec<String> {
        let path = format!("/api/repos/team/app/builds/{number}/logs/1/2");
        let log = made(self.drone.call("GET", &path), &path);
        let lines = log.as_array().unwrap().iter();
        lines.map(|line| line["out"].as_str().unwrap().trim().to_owned()).collect()
    }
}

#[test]
fn a_pull_request_brings_no_markup_no_pipeline_and_no_command() {
    let lab = Lab::start();
    loud(&lab);
    let mut evil = lab.pull("evil", "true\n");
    evil.head = lab.replace(&format!("{OUTSIDER}/app"), "evil", &pipeline("evil"));
    lab.replace("team/app", "main", &pipeline("team"));
    let path = format!("/repos/team/app/pulls/{}", evil.number);
    wait("the push to the pull request", || lab.gitea.get(&path).1["head"]["sha"] == evil.head.as_str());
    let named = lab.pull(BRANCH, "true\n");

    let comments = [&evil, &named].map(|pull| lab.comment(MAINTAINER, pull, "!testme"));
    for comment in comments {
        assert_eq!(lab.end(comment).result.as_deref(), Some("success"));
        let build = lab.builds(comment).remove(0);
        assert_eq!(lab.build(&build["number"])["stages"][0]["name"], "team");
        let said = lab.said(&build["number"]);
        assert!(!said.iter().any(|line| line.contains("obeyed")), "{said:?}");
    }

    let twin = lab.naive(&format!("branch=main&commit={}&REF={0}", evil.head));
    assert_eq!(twin["stages"][0]["name"], "evil", "the twin stands, so this proves nothing: {twin}");
    let twin = lab.naive(&format!("branch=main&REF={}&BRANCH_NAME={ENCODED}", named.head));
    let said = lab.said(&twin["number"]);
    assert!(said.contains(&"obeyed-42".to_owned()), "the twin stands, so this proves nothing: {said:?}");
}

/// The log of a build is text to Gitea's own reader of comments.
fn loud(lab: &Lab) {
    let pull = lab.pull("loud", LOUD);
    let comment = lab.comment(MAINTAINER, &pull, "!testme");
    assert_eq!(lab.end(comment).result.as_deref(), Some("failure"));
    let shown = |text: &str| {
        let login = format!("{}:{}", ADMIN.0, ADMIN.1);
        let args = ["-u", &login, "-H", "content-type: text/plain", "--data-binary", text];
        let (status, shown) = lab.gitea.ask(&args, "/api/v1/markdown/raw");
        assert_eq!(status, 200, "{shown}");
        shown
    };
    let answer = shown(&lab.answers(&pull, comment)[0]);
    assert!(answer.contains("x.png") && !answer.contains("<img"), "{answer}");
    let log = lab.said(&lab.builds(comment)[0]["number"]).join("\n");
    let twin = shown(&format!("It failed:\n\n```\n{log}\n```\n"));
    assert!(twin.contains("<img"), "the twin stands, so this proves nothing: {twin}");
}

#[test]
fn hooks_that_would_be_lost_in_silence_are_refused_before_there_is_one() {
    let gitea = Gitea::start(GITEAS[0]);
    let admin = |method: &str, path: &str, body: &Value| made(gitea.call(ADMIN, method, path, body), path);
    admin("POST", "/orgs", &json!({ "username": "team" }));
    admin("POST", "/orgs/team/repos", &json!({ "name": "app", "auto_init": true }));
    let drone = sign_in::drone(&gitea);
    let folder = tempfile::tempdir().unwrap();
    let checked = |url: &str, event: &str| {
        let (secret, file) = (|name: &str| json!({ "secret": name }), folder.path().join("manifest.json"));
        let manifest = json!({
            "version": 1, "host": { "name": "test" },
            "secrets": { "admin": { "file": "s.yaml" }, "drone": { "file": "s.yaml" }, "hook": { "file": "s.yaml" } },
            "forge": {
                "gitea": {
                    "url": gitea.url, "admin": { "username": ADMIN.0, "password": secret("admin") },
                    "organisations": { "team": {} }, "repositories": { "team/app": {} },
                    "webhooks": { "bridge": {
                        "repository": "team/app", "url": url, "events": [event], "secret": secret("hook"),
                    } },
                },
                "drone": {
                    "url": drone.url, "repositories": { "team/app": {} },
                    "admin": { "username": ADMIN.0, "token": secret("drone"), "password": secret("admin") },
                },
            },
        });
        std::fs::write(&file, manifest.to_string()).unwrap();
        let output = Command::new(program()).args(["check", "--manifest-only"]).arg(file).output().unwrap();
        (output.status.success(), [output.stdout, output.stderr].concat())
    };
    let other = "http://127.0.0.1:8787/hook";
    let drones = format!("{}/hook", drone.url);
    let hooks = || admin("GET", "/repos/team/app/hooks", &Value::Null).as_array().unwrap().clone();
    let make = |url: &str, event: &str| {
        let config = json!({ "url": url, "content_type": "json", "secret": "x" });
        let hook = json!({ "type": "gitea", "active": true, "events": [event], "config": config });
        admin("POST", "/repos/team/app/hooks", &hook)["id"].clone()
    };
    let (good, said) = checked(other, "pull_request_comment");
    assert!(good, "{}", String::from_utf8_lossy(&said));

    for (url, event, why) in [
        (drones.as_str(), "pull_request_comment", "is Drone's own host and port"),
        (other, "issue_comments", "is no event of Gitea"),
    ] {
        let (good, said) = checked(url, event);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!good && said.contains(why), "{said}");
    }
    let lost = make(&format!("{}/other", drone.url), "pull_request_comment");
    // It deletes one at a time, its own among them.
    for _ in 0..2 {
        made(drone.call("POST", "/api/repos/team/app/repair"), "repair");
    }
    assert!(!hooks().iter().any(|hook| hook["id"] == lost), "Drone left it, so this proves nothing");
    let deaf = make(other, "issue_comments");
    let deaf = hooks().into_iter().find(|hook| hook["id"] == deaf).unwrap();
    assert_eq!(deaf["events"], json!([]), "Gitea knows the event, so this proves nothing");
}
