//! What a service keeps of docker's names, as a table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::keep::{Likeness, likeness};
use super::tests::{compiled, desired, lines, manager, object, settle, web};
use super::{Consequence, Plan, Verb, plan};
use crate::desired::{Compiled, Desired, ImageSource, ImageSpec, StackSpec};
use crate::observed::Observed;

/// What docker made of `web`: its own names, and an image that it pinned.
fn docker_made(stack: &StackSpec) -> Observed {
    let mut observed = manager();
    let mut config = object("web_page", json!({ "Name": "web_page", "Data": "aGVsbG8=" }));
    config.id = "id-page".into();
    observed.configs.insert("web_page".into(), config);
    observed.secrets.insert("web_token".into(), object("web_token", Value::Null));
    let mut body = stack.services["app"].body.clone();
    let file = |name: &str| json!({ "Name": name, "UID": "0", "GID": "0", "Mode": 0o444 });
    let container = &mut body["TaskTemplate"]["ContainerSpec"];
    container["Secrets"] =
        json!([{ "File": file("token"), "SecretID": "id-web_token", "SecretName": "web_token" }]);
    container["Configs"] = json!([{ "File": file("page"), "ConfigID": "id-page", "ConfigName": "web_page" }]);
    observed.services.insert("web_app".into(), object("web_app", body));
    observed
}

fn trusting() -> StackSpec {
    StackSpec { trust_secrets: ["token".to_owned()].into(), ..web() }
}

fn planned(compiled: &Compiled, observed: &Observed) -> Plan {
    plan(&desired(compiled), observed, None).unwrap()
}

/// Steps but for the mirror of the record.
fn steps(plan: &Plan) -> Vec<String> {
    lines(plan).into_iter().filter(|line| !line.ends_with("ownership")).collect()
}

#[test]
fn a_stack_that_docker_made_needs_nothing_but_the_record() {
    let compiled = compiled(&json!({}), &[trusting()]);
    let plan = planned(&compiled, &docker_made(&web()));
    assert_eq!(steps(&plan), [""; 0]);
    let kept: Vec<_> =
        plan.kept.iter().map(|kept| (kept.name.as_str(), kept.wanted.as_str(), kept.ours)).collect();
    assert_eq!(
        kept,
        [("web_token", "web_token_0123456789ab", true), ("web_page", "web_page_2cf24dba5fb0", true)]
    );
    let mut own = desired(&compiled).ownership();
    plan.take_over(&mut own);
    assert!(own.secrets.contains("web_token") && own.configs.contains("web_page"));
    assert_eq!(own.trusted["web_token"], "web_token_0123456789ab");
}

#[test]
fn a_secret_that_is_not_trusted_is_one_update_with_its_reason() {
    let compiled = compiled(&json!({}), &[web()]);
    let plan = planned(&compiled, &docker_made(&web()));
    assert_eq!(
        steps(&plan),
        [
            "0 Create stack.web/secret.token",
            "0 Create stack.web/config.page",
            "1 Update stack.web/service.app",
            "1 Await stack.web"
        ]
    );
    let update = plan.steps.iter().find(|step| step.verb == Verb::Update).unwrap();
    assert_eq!(update.consequence, Consequence::RollingRestart);
    assert!(
        update.reason.contains("`web_token`") && update.reason.contains("trust_secrets"),
        "{}",
        update.reason
    );
}

#[test]
fn a_secret_is_trusted_for_one_value_only() {
    let compiled = compiled(&json!({}), &[trusting()]);
    let mut desired = desired(&compiled);
    let observed = docker_made(&web());
    let trusted = |desired: &Desired<'_>| steps(&plan(desired, &observed, None).unwrap()).is_empty();
    desired.recorded.trusted.insert("web_token".into(), "web_token_0123456789ab".into());
    assert!(trusted(&desired));
    desired.digests.insert("token".into(), "ba9876543210".into());
    assert!(!trusted(&desired), "another value under the trusted object's name");
    desired.recorded.trusted.clear();
    assert!(trusted(&desired), "not said for any value yet");
}

#[test]
fn our_own_old_secret_is_never_trusted() {
    let compiled = compiled(&json!({}), &[trusting()]);
    let mut desired = desired(&compiled);
    let observed = settle(&desired, manager());
    desired.digests.insert("token".into(), "ba9876543210".into());
    assert!(steps(&plan(&desired, &observed, None).unwrap())[0].contains("secret.token"));
}

#[test]
fn a_config_with_other_content_another_template_or_another_stack_is_not_kept() {
    let compiled = compiled(&json!({}), &[trusting()]);
    let change = |change: &dyn Fn(&mut crate::observed::Object)| {
        let mut observed = docker_made(&web());
        change(observed.configs.get_mut("web_page").unwrap());
        steps(&planned(&compiled, &observed)).len()
    };
    assert_eq!(change(&|_| ()), 0);
    assert!(change(&|config| config.raw["Spec"]["Data"] = json!("b3RoZXI=")) > 0);
    assert!(change(&|config| config.raw["Spec"]["Templating"] = json!({ "Name": "golang" })) > 0);
    assert!(change(&|config| config.labels.clear()) > 0);
}

#[test]
fn our_names_come_with_the_next_restart_and_not_before() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut stack = trusting();
        change(&mut stack.services.get_mut("app").unwrap().body);
        let compiled = compiled(&json!({}), &[stack]);
        let plan = planned(&compiled, &docker_made(&web()));
        let update = plan.steps.iter().find(|step| step.verb == Verb::Update).unwrap().clone();
        (update.diff.len(), update.consequence, plan.kept.len())
    };
    assert_eq!(with(&|body| body["Mode"]["Replicated"]["Replicas"] = json!(2)), (1, Consequence::None, 2));
    let restarted = with(&|body| body["TaskTemplate"]["ContainerSpec"]["Env"] = json!(["A=1"]));
    assert_eq!((restarted.1, restarted.2), (Consequence::RollingRestart, 0));
    assert!(restarted.0 >= 3, "the change itself and both names");
}

#[test]
fn what_docker_made_goes_when_nothing_refers_to_it_any_more() {
    let compiled = compiled(&json!({ "keep": { "objects": 0 } }), &[trusting()]);
    let mut desired = desired(&compiled);
    let mut observed = docker_made(&web());
    plan(&desired, &observed, None).unwrap().take_over(&mut desired.recorded);
    desired.digests.insert("token".into(), "ba9876543210".into());
    observed = settle(&desired, observed);
    assert_eq!(observed.secrets.keys().collect::<Vec<_>>(), ["web_token_ba9876543210"]);
    assert_eq!(
        observed.configs.keys().filter(|name| name.starts_with("web_")).collect::<Vec<_>>(),
        ["web_page_2cf24dba5fb0"]
    );
}

#[test]
fn image_texts_are_compared_by_what_they_name() {
    let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
    let local = ImageSpec {
        reference: "holdfast.invalid/app:aaaaaaaaaaaa".into(),
        source: Some(ImageSource {
            path: "app.tar".into(),
            rootfs: None,
            config_digest: a.clone(),
            manifest_digest: b.clone(),
        }),
    };
    let mut compiled = compiled(&json!({}), &[]);
    compiled.images.insert("app".into(), local.clone());
    let desired = desired(&compiled);
    let mut observed = manager();
    let ids = [
        ("app:1".to_owned(), a.clone()),
        (format!("nginx@{a}"), b.clone()),
        ("nginx:1".to_owned(), b.clone()),
    ];
    observed.image_ids = BTreeMap::from(ids);
    let of = |stored: &str, wanted: &str| likeness(&desired, &observed, stored, wanted);
    let pinned = format!("nginx:1@{a}");
    for (stored, wanted, expected) in [
        ("nginx:1", "nginx:1", Likeness::Equal),
        // Pinned by docker, and pinned alike in the manifest under another tag, none, or docker's long name.
        (pinned.as_str(), &format!("nginx@{a}"), Likeness::SameBytes),
        (&pinned, &format!("docker.io/library/nginx:2@{a}"), Likeness::SameBytes),
        (&pinned, &format!("nginx:1@{b}"), Likeness::Other),
        (&pinned, &format!("example.org/nginx:1@{a}"), Likeness::Other),
        // Pinned by docker, not by the manifest.
        (&pinned, "nginx:1", Likeness::Pinned),
        (&pinned, "nginx:2", Likeness::Other),
        (&pinned, "nginx", Likeness::Other),
        (&format!("nginx:latest@{a}"), "nginx", Likeness::Pinned),
        // A bare tag is what the engine holds under it.
        ("nginx:1", &pinned, Likeness::SameBytes),
        ("nginx:1", &format!("nginx:1@{b}"), Likeness::Other),
        ("nginx:2", &pinned, Likeness::Other),
        ("app:1", &local.reference, Likeness::SameBytes),
        ("app:2", &local.reference, Likeness::Other),
        ("nginx", "nginx:latest", Likeness::SameBytes),
        ("", "nginx:1", Likeness::Other),
    ] {
        assert_eq!(of(stored, wanted), expected, "{stored:?} and {wanted:?}");
    }
}

#[test]
fn the_image_text_platforms_and_label_of_docker_stay_and_metadata_changes_beside_them() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let mut stack = trusting();
    let body = &mut stack.services.get_mut("app").unwrap().body;
    body["TaskTemplate"]["ContainerSpec"]["Image"] = json!(format!("nginx:1@{digest}"));
    body["TaskTemplate"]["Placement"] = json!({});
    body["Labels"]["com.docker.stack.image"] = json!(format!("nginx:1@{digest}"));
    let mut observed = docker_made(&stack);
    let stored = &mut observed.services.get_mut("web_app").unwrap().raw["Spec"];
    stored["TaskTemplate"]["ContainerSpec"]["Image"] = json!(format!("nginx:1.25@{digest}"));
    stored["TaskTemplate"]["Placement"] =
        json!({ "Platforms": [{ "Architecture": "amd64", "OS": "linux" }] });
    stored["Labels"]["com.docker.stack.image"] = json!("nginx:1.25");
    let compiled_one = compiled(&json!({}), &[stack.clone()]);
    let plan = planned(&compiled_one, &observed);
    assert_eq!(steps(&plan), [""; 0]);
    let service = &stack.services["app"];
    let running = super::running_image(&desired(&compiled_one), &observed, service);
    assert_eq!(running, format!("nginx:1.25@{digest}"));
    stack.services.get_mut("app").unwrap().body["Labels"]["team"] = json!("web");
    let plan = planned(&compiled(&json!({}), &[stack]), &observed);
    let update = plan.steps.iter().find(|step| step.verb == Verb::Update).unwrap();
    assert_eq!((update.diff.len(), update.consequence), (1, Consequence::None), "{:?}", update.diff);
}
