//! Logins, pulls and platforms in a plan.

use serde_json::{Value, json};

use super::tests::{compiled, desired, manager, object};
use super::{Action, Consequence, ImageAction, Plan, SwarmAction, plan};
use crate::desired::{Compiled, Logins, ServiceSpec, StackSpec};
use crate::observed::Observed;

/// An image of each tag: `tag` is one hexadecimal digit.
fn image(tag: &str) -> String {
    format!("registry.example.org/app:{tag}@{}", digest(tag))
}

fn digest(tag: &str) -> String {
    format!("sha256:{}", tag.repeat(64))
}

fn body(tag: &str, mode: &Value) -> Value {
    json!({
        "Name": "web_app", "Labels": { "com.docker.stack.namespace": "web" },
        "TaskTemplate": { "ContainerSpec": { "Image": image(tag) }, "Placement": {} },
        "Mode": mode,
    })
}

/// The stack `web` with one service; its registry wants a login.
fn world(body: &Value) -> Compiled {
    let service = ServiceSpec {
        name: "web_app".into(),
        body: body.clone(),
        secrets: Vec::new(),
        configs: Vec::new(),
        image: None,
        depends_on: Vec::new(),
    };
    let stack = StackSpec {
        name: "web".into(),
        services: [("app".to_owned(), service)].into(),
        ..StackSpec::default()
    };
    let registries = json!({ "registries": { "registry.example.org": {
        "username": "u", "password": { "secret": "token" },
    } } });
    compiled(&registries, &[stack])
}

fn logins(wanted: Option<&str>, given: Option<&str>) -> Logins {
    let one = |key: &str, login: Option<&str>| {
        login.map(|login| (key.to_owned(), login.to_owned())).into_iter().collect()
    };
    Logins { wanted: one("registry.example.org", wanted), given: one("id-web_app", given) }
}

fn planned(compiled: &Compiled, logins: Logins, observed: &Observed) -> Plan {
    let mut desired = desired(compiled);
    desired.logins = logins;
    plan(&desired, observed, None).unwrap()
}

fn running(body: &Value) -> Observed {
    let mut observed = manager();
    observed.services.insert("web_app".to_owned(), object("web_app", body.clone()));
    observed.images.insert(format!("registry.example.org/app@{}", digest("1")));
    observed
}

fn replicated(count: u32) -> Value {
    json!({ "Replicated": { "Replicas": count } })
}

/// The spec that the service would be written with, and what that means.
fn write(plan: &Plan) -> Option<(&Value, Consequence)> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Swarm(SwarmAction::UpdateService { spec, .. } | SwarmAction::CreateService(spec)) => {
            Some((spec, step.consequence))
        }
        _ => None,
    })
}

fn pulls(plan: &Plan) -> usize {
    let pull = |action: &Action| matches!(action, Action::Image(ImageAction::Pull { .. }));
    plan.steps.iter().filter(|step| pull(&step.action)).count()
}

#[test]
fn a_login_is_handed_on_once_with_the_stored_spec() {
    let body = body("1", &replicated(1));
    let world = world(&body);
    let mut stored = body.clone();
    stored["TaskTemplate"]["Runtime"] = json!("container");
    let observed = running(&stored);
    for given in [None, Some("old")] {
        let plan = planned(&world, logins(Some("new"), given), &observed);
        assert_eq!(write(&plan), Some((&stored, Consequence::None)), "given {given:?}");
    }
    assert_eq!(write(&planned(&world, logins(Some("new"), Some("new")), &observed)), None);
}

#[test]
fn a_job_does_not_run_again_for_a_login() {
    let body = body("1", &json!({ "ReplicatedJob": { "MaxConcurrent": 1, "TotalCompletions": 1 } }));
    let plan = planned(&world(&body), logins(Some("new"), None), &running(&body));
    assert_eq!(write(&plan), None);
}

#[test]
fn a_login_that_cannot_be_opened_holds_back_its_services_alone() {
    let world = world(&body("2", &replicated(1)));
    let plan = planned(&world, logins(None, None), &running(&body("1", &replicated(1))));
    assert_eq!(write(&plan), None);
    let held: Vec<String> =
        plan.held.iter().map(|held| format!("{} {}", held.address, held.because)).collect();
    assert_eq!(held, ["stack.web/service.app secret.token"]);
}

#[test]
fn an_image_is_pulled_before_its_service_changes_and_not_otherwise() {
    let old = body("1", &replicated(1));
    let mut observed = running(&old);
    observed.images.clear();
    let given = || logins(Some("new"), Some("new"));
    assert_eq!(pulls(&planned(&world(&old), given(), &observed)), 0, "nothing changes");
    let plan = planned(&world(&body("2", &replicated(1))), given(), &observed);
    assert_eq!(pulls(&plan), 1);
    let position =
        |wanted: &str| plan.steps.iter().position(|step| step.address.to_string().contains(wanted)).unwrap();
    let (pull, service) = (position("image."), position("service."));
    assert!(plan.steps[service].needs.contains(&pull), "the service does not wait for its image");
    assert_eq!(pulls(&planned(&world(&body("2", &replicated(0))), given(), &observed)), 0, "nothing runs it");
    for id in ["n1", "n2"] {
        observed.nodes.insert(id.to_owned(), object(id, json!({})));
    }
    assert_eq!(pulls(&planned(&world(&body("2", &replicated(1))), given(), &observed)), 0, "each node pulls");
}

#[test]
fn platforms_stay_while_the_image_does() {
    let with = |tag: &str, platforms: Value| {
        let mut body = body(tag, &replicated(1));
        body["TaskTemplate"]["Placement"]["Platforms"] = platforms;
        body
    };
    let ours = with("1", json!([{ "Architecture": "amd64", "OS": "linux" }]));
    let dockers = with("1", json!([{ "Architecture": "amd64", "OS": "linux" }, { "OS": "unknown" }]));
    let given = || logins(Some("new"), Some("new"));
    for stored in [&dockers, &body("1", &replicated(1))] {
        assert_eq!(write(&planned(&world(&ours), given(), &running(stored))), None, "{stored}");
    }
    let moved = with("2", json!([{ "Architecture": "arm64", "OS": "linux" }]));
    let plan = planned(&world(&moved), given(), &running(&dockers));
    assert_eq!(write(&plan), Some((&moved, Consequence::RollingRestart)));
}
