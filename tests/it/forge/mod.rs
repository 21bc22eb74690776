//! Gitea, Drone and its exec runner: the real programs, started empty.

mod access;
mod client;
mod converge;
mod drone;
pub(crate) mod peers;
mod probe;
pub(crate) mod relay;
mod trial;

use serde_json::{Value, json};

use peers::{Drone, GITEAS, Gitea, Runner};

/// What a run planned below this address, a step a line.
fn steps(record: &Value, below: &str) -> Vec<String> {
    let steps = record.pointer("/plan/steps").and_then(Value::as_array).expect("steps");
    let text = |step: &Value, key: &str| step[key].as_str().expect("a text").to_owned();
    let lines = steps.iter().map(|step| (text(step, "address"), text(step, "verb")));
    lines
        .filter(|(address, _)| address.starts_with(below))
        .map(|(address, verb)| format!("{verb} {address}"))
        .collect()
}

/// As [`steps`], sorted, each with the names of the fields that it changes: a round of changes by hand is one of repairs, field by
/// field.
fn repairs(record: &Value, below: &str) -> Vec<String> {
    let steps = record.pointer("/plan/steps").and_then(Value::as_array).expect("steps");
    let text = |step: &Value, key: &str| step[key].as_str().expect("a text").to_owned();
    let mut lines = Vec::new();
    for step in steps.iter().filter(|step| text(step, "address").starts_with(below)) {
        let mut fields: Vec<String> =
            step["diff"].as_array().into_iter().flatten().map(|change| text(change, "field")).collect();
        fields.sort();
        fields.dedup();
        lines.push(
            format!("{} {} {}", text(step, "verb"), text(step, "address"), fields.join(","))
                .trim()
                .to_owned(),
        );
    }
    lines.sort();
    lines
}

#[test]
fn every_gitea_starts_empty_with_its_administrator() {
    for version in GITEAS {
        let mut gitea = Gitea::start(version);
        let (status, body) = gitea.get("/version");
        assert_eq!((status, &body), (200, &json!({ "version": version })));
        gitea.kill();
        assert_eq!(gitea.get("/version").0, 0);
        gitea.resume();
        let (_, body) = gitea.get("/admin/users");
        assert_eq!(body[0]["login"], peers::ADMIN.0, "{body}");
    }
}

#[test]
fn a_drone_starts_beside_its_gitea_and_a_runner_finds_it() {
    let gitea = Gitea::start(GITEAS[0]);
    let address = Drone::address();
    let application = json!({
        "name": "drone",
        "redirect_uris": [format!("http://{address}/login")],
        "confidential_client": true,
    });
    let (status, made) = gitea.call(peers::ADMIN, "POST", "/user/applications/oauth2", &application);
    assert_eq!(status, 201, "{made}");
    let field = |name: &str| made[name].as_str().expect("a text").to_owned();
    let (id, secret) = (field("client_id"), field("client_secret"));
    let mut drone = Drone::start(&address, &gitea, (&id, &secret));
    let mut runner = Runner::start(&drone);
    let (status, user) = drone.call("GET", "/api/user");
    assert_eq!((status, &user["login"]), (200, &json!(peers::ADMIN.0)));
    // Nobody has signed in yet, so that Drone has no token of Gitea's.
    assert_eq!(drone.call("POST", "/api/user/repos").0, 500);
    drone.kill();
    assert_eq!(drone.call("GET", "/healthz").0, 0);
    drone.resume();
    runner.kill();
}
