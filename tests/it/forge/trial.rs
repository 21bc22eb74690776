//! The gate `runner` is green when a real runner has done a build, and not before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::drone::Host;
use super::peers::{ADMIN, GITEAS, Runner};

pub(super) fn pipeline(command: &str) -> String {
    format!(
        "kind: pipeline\ntype: exec\nname: hello\ntrigger: {{event: [custom]}}\nsteps:\n- {{name: say, commands: ['{command}']}}\n"
    )
}

/// Verdict and words of the gate.
fn ask(host: &Host, gate: &Value, deadline: &str) -> (String, String) {
    host.gate(&json!({ "runner": gate, "deadline": deadline }))
}

pub(super) fn builds(host: &Host) -> usize {
    host.ask("GET", "/api/repos/team/lib/builds?per_page=100", &Value::Null).as_array().expect("builds").len()
}

/// Writes the pipeline of `team/lib`; its name in git.
pub(super) fn commit(host: &Host, method: &str, text: &str, more: &Value) -> String {
    let mut body = json!({ "content": STANDARD.encode(text), "message": "m", "branch": "main" });
    body.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    let (status, made) = host.gitea.call(ADMIN, method, "/repos/team/lib/contents/.drone.yml", &body);
    assert!((200..300).contains(&status), "{made}");
    made.pointer("/content/sha").and_then(Value::as_str).expect("a name").to_owned()
}

#[test]
fn a_runner_is_proven_by_a_build_that_is_green() {
    let host = Host::new(GITEAS[0]);
    host.apply();
    let first = commit(&host, "POST", &pipeline("echo hello"), &json!({}));
    let gate = json!({ "repository": "team/lib" });
    let (verdict, words) = ask(&host, &gate, "4s");
    assert!(verdict == "fail" && words.contains("no runner is connected"), "{verdict}: {words}");
    assert_eq!(builds(&host), 1, "every attempt of a run asks for the same build");

    let _runner = Runner::start(&host.drone);
    let (verdict, words) = ask(&host, &gate, "60s");
    assert!(verdict == "pass" && words.contains("was taken by `lab`"), "{verdict}: {words}");
    assert_eq!(builds(&host), 2);
    let (verdict, words) = ask(&host, &json!({ "repository": "team/lib", "within": "1h" }), "60s");
    assert!(verdict == "pass" && words.contains("by an earlier run"), "{verdict}: {words}");
    assert_eq!(builds(&host), 2, "a build that is young enough counts");

    commit(&host, "PUT", &pipeline("exit 3"), &json!({ "sha": first }));
    let (verdict, words) = ask(&host, &gate, "60s");
    assert!(verdict == "fail" && words.contains("build 3 ended as `failure`"), "{verdict}: {words}");
    let (verdict, words) = ask(&host, &json!({ "repository": "team/none" }), "3s");
    assert!(verdict == "fail" && words.contains("404"), "{verdict}: {words}");
}
