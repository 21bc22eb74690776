//! The plan as a table: what is there, what shall be, what is done.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Consequence, Plan, Verb, plan};
use crate::address::{Address, Kind};
use crate::desired::{
    Compiled, ConfigSpec, Desired, FileTarget, ObjectRef, SecretSpec, ServiceSpec, StackSpec,
};
use crate::manifest::Manifest;
use crate::observed::{InstalledFile, Object, Observed, Ownership, STACK_LABEL, SwarmState};

fn manifest(extra: &Value) -> Manifest {
    let mut text = json!({ "version": 1, "host": { "name": "h" } });
    text.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(text).unwrap()
}

fn reference(key: &str) -> ObjectRef {
    let file = FileTarget { name: key.to_owned(), uid: "0".into(), gid: "0".into(), mode: 0o444 };
    ObjectRef { key: key.to_owned(), external: false, file }
}

/// The stack `web` with the service `app`, one secret and one config.
pub(super) fn web() -> StackSpec {
    let labels = BTreeMap::from([(STACK_LABEL.to_owned(), "web".to_owned())]);
    let body = json!({
        "Name": "web_app", "Labels": labels,
        "TaskTemplate": { "ContainerSpec": { "Image": "app:1" } },
        "Mode": { "Replicated": { "Replicas": 1 } },
    });
    let service = ServiceSpec {
        name: "web_app".into(),
        body,
        secrets: vec![reference("token")],
        configs: vec![reference("page")],
        image: None,
        depends_on: Vec::new(),
    };
    StackSpec {
        name: "web".into(),
        secrets: BTreeMap::from([(
            "token".to_owned(),
            SecretSpec {
                base: "web_token".into(),
                source: "token".into(),
                labels: labels.clone(),
                ..SecretSpec::default()
            },
        )]),
        configs: BTreeMap::from([(
            "page".to_owned(),
            ConfigSpec {
                base: "web_page".into(),
                fixed_name: false,
                data: "aGVsbG8=".into(),
                digest: "2cf24dba5fb0".into(),
                labels,
                templating: None,
            },
        )]),
        services: BTreeMap::from([("app".to_owned(), service)]),
        ..StackSpec::default()
    }
}

pub(super) fn compiled(extra: &Value, stacks: &[StackSpec]) -> Compiled {
    Compiled {
        compiled: 1,
        manifest: manifest(extra),
        images: BTreeMap::new(),
        generated: Vec::new(),
        stacks: stacks.iter().map(|stack| (stack.name.clone(), stack.clone())).collect(),
    }
}

pub(super) fn desired(compiled: &Compiled) -> Desired<'_> {
    Desired {
        compiled,
        digests: BTreeMap::from([("token".to_owned(), "0123456789ab".to_owned())]),
        files: BTreeMap::new(),
        host: crate::desired::HostWanted::default(),
        generated: BTreeMap::new(),
        recorded: Ownership::new("main"),
        forge: crate::observed::ForgeRecord::default(),
        logins: crate::desired::Logins::default(),
        recreate: std::collections::BTreeSet::new(),
        kept: std::collections::BTreeSet::new(),
        given: std::collections::BTreeSet::new(),
        due: std::collections::BTreeSet::new(),
        shut: std::collections::BTreeSet::new(),
        open: std::collections::BTreeSet::new(),
        unseen: std::collections::BTreeSet::new(),
    }
}

pub(super) fn manager() -> Observed {
    Observed { swarm: SwarmState::Manager(Box::default()), ..Observed::default() }
}

pub(super) fn object(name: &str, spec: impl Into<Value>) -> Object {
    let stack = name.split('_').next().unwrap_or_default();
    Object {
        id: format!("id-{name}"),
        name: name.to_owned(),
        version: 7,
        labels: BTreeMap::from([(STACK_LABEL.to_owned(), stack.to_owned())]),
        raw: json!({ "Spec": spec.into() }),
    }
}

/// What an engine shows once a plan was carried out: bodies as they were sent.
pub(super) fn carried_out(plan: &Plan, mut observed: Observed) -> Observed {
    use super::{Action, NewSecret, SwarmAction};
    for step in plan.steps.iter().filter(|step| step.stage == 0) {
        let Action::Swarm(action) = &step.action else { continue };
        match action {
            SwarmAction::CreateConfig(body) => {
                let name = body["Name"].as_str().unwrap();
                let mut config = object(name, body.clone());
                config.labels = serde_json::from_value(body["Labels"].clone()).unwrap();
                observed.configs.insert(name.to_owned(), config);
            }
            SwarmAction::CreateSecret(NewSecret { name, .. }) => {
                observed.secrets.insert(name.clone(), object(name, Value::Null));
            }
            SwarmAction::CreateService(body) | SwarmAction::UpdateService { spec: body, .. } => {
                let name = body["Name"].as_str().unwrap();
                observed.services.insert(name.to_owned(), object(name, body.clone()));
            }
            SwarmAction::RemoveService(id) => observed.services.retain(|_, object| object.id != *id),
            SwarmAction::RemoveSecret(id) => observed.secrets.retain(|_, object| object.id != *id),
            SwarmAction::CreateNetwork(body) => {
                let name = body["Name"].as_str().unwrap();
                let mut network = object(name, Value::Null);
                network.raw = body.clone();
                observed.networks.insert(name.to_owned(), network);
            }
            SwarmAction::RemoveNetwork(id) => observed.networks.retain(|_, object| object.id != *id),
            SwarmAction::RemoveConfig(id) => observed.configs.retain(|_, object| object.id != *id),
            _ => {}
        }
    }
    observed
}

pub(super) fn settle(desired: &Desired<'_>, mut observed: Observed) -> Observed {
    for _ in 0..5 {
        let plan = plan(desired, &observed, None).unwrap();
        if plan.is_empty() {
            return observed;
        }
        observed = carried_out(&plan, observed);
    }
    panic!("the plan does not become empty");
}

pub(super) fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {:?} {}", step.stage, step.verb, step.address)).collect()
}

#[test]
fn a_service_waits_for_the_ids_of_what_it_refers_to() {
    let compiled = compiled(&json!({}), &[web()]);
    let plan = plan(&desired(&compiled), &manager(), None).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "0 Create stack.web/secret.token",
            "0 Create stack.web/config.page",
            "1 Create stack.web/service.app",
            "1 Await stack.web",
            "0 Create ownership",
        ]
    );
    let service = &plan.steps[2];
    let field = "TaskTemplate.ContainerSpec.Secrets.web_token_0123456789ab.SecretID";
    assert_eq!(service.after[field], Address::in_stack("web", Kind::Secret, "token"));
}

#[test]
fn what_was_carried_out_is_equal_and_stays_so() {
    let compiled = compiled(&json!({}), &[web()]);
    let desired = desired(&compiled);
    let observed = settle(&desired, manager());
    assert!(observed.services.contains_key("web_app"));
    assert_eq!(plan(&desired, &observed, None).unwrap(), Plan::default());
}

#[test]
fn on_an_engine_in_no_swarm_everything_comes_after_the_swarm() {
    let compiled = compiled(&json!({ "swarm": { "advertise": "198.51.100.7" } }), &[web()]);
    let plan = plan(&desired(&compiled), &Observed::default(), None).unwrap();
    assert_eq!(lines(&plan)[0], "0 Create swarm");
    assert!(plan.steps.iter().skip(1).all(|step| step.stage > 0), "{:?}", lines(&plan));
    assert_eq!(
        plan.steps.iter().find(|step| step.address.to_string().ends_with("service.app")).unwrap().stage,
        2
    );
}

#[test]
fn no_swarm_and_none_asked_for_is_refused_with_the_next_command() {
    let compiled = compiled(&json!({}), &[]);
    let refusals = plan(&desired(&compiled), &Observed::default(), None).unwrap_err();
    assert!(refusals[0].fix.contains("advertise"), "{refusals:?}");
    let observed = Observed { swarm: SwarmState::NotManager("pending".into()), ..Observed::default() };
    let refusals = plan(&desired(&compiled), &observed, None).unwrap_err();
    assert!(refusals[0].reason.contains("pending"), "{refusals:?}");
}

#[test]
fn a_changed_template_rolls_and_a_changed_label_does_not() {
    let compiled = compiled(&json!({}), &[web()]);
    let desired = desired(&compiled);
    let settled = settle(&desired, manager());
    for (pointer, value, consequence) in [
        ("/Labels/x", json!("y"), Consequence::None),
        ("/Mode/Replicated/Replicas", json!(3), Consequence::None),
        ("/TaskTemplate/ContainerSpec/Image", json!("app:2"), Consequence::RollingRestart),
    ] {
        let mut observed = settled.clone();
        let spec = &mut observed.services.get_mut("web_app").unwrap().raw["Spec"];
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value;
        let plan = plan(&desired, &observed, None).unwrap();
        assert_eq!(plan.steps[0].verb, Verb::Update, "{pointer}");
        assert_eq!(plan.steps[0].consequence, consequence, "{pointer}");
        assert_eq!(plan.steps[0].diff.len(), 1, "{pointer}: {:?}", plan.steps[0].diff);
    }
}

#[test]
fn a_secret_without_a_value_holds_back_its_service_and_keeps_what_it_runs_with() {
    let compiled = compiled(&json!({}), &[web()]);
    let mut desired = desired(&compiled);
    let settled = settle(&desired, manager());
    desired.recorded = desired.ownership();
    desired.digests.clear();
    let plan = plan(&desired, &settled, None).unwrap();
    let held: Vec<String> =
        plan.held.iter().map(|held| format!("{} because {}", held.address, held.because)).collect();
    assert_eq!(
        held,
        ["stack.web/secret.token because secret.token", "stack.web/service.app because secret.token"]
    );
    assert!(!plan.steps.iter().any(|step| step.address.to_string().contains("token")), "{:?}", lines(&plan));
}

#[test]
fn only_keeps_what_is_asked_for_and_what_that_needs() {
    let mut other = web();
    other.name = "other".into();
    other.services = web()
        .services
        .into_iter()
        .map(|(key, mut service)| {
            service.name = "other_app".into();
            service.body["Name"] = json!("other_app");
            (key, service)
        })
        .collect();
    let compiled = compiled(&json!({}), &[web(), other]);
    let only = "stack.other".parse().unwrap();
    let plan = plan(&desired(&compiled), &manager(), Some(&only)).unwrap();
    assert!(plan.steps.iter().all(|step| step.address.outer.name == "other"), "{:?}", lines(&plan));
    let ids: Vec<usize> = plan.steps.iter().map(|step| step.id).collect();
    assert_eq!(ids, (0..plan.steps.len()).collect::<Vec<_>>());
}

#[test]
fn only_brings_along_what_makes_the_values_it_waits_for() {
    let compiled =
        compiled(&json!({ "swarm": { "advertise": "198.51.100.7" }, "networks": { "proxy": {} } }), &[]);
    let only = "network.proxy".parse().unwrap();
    let plan = plan(&desired(&compiled), &Observed::default(), Some(&only)).unwrap();
    assert_eq!(lines(&plan), ["0 Create swarm", "1 Create network.proxy"]);
}

#[test]
fn files_differ_by_digest_owner_or_mode() {
    let compiled = compiled(&json!({}), &[]);
    let mut desired = desired(&compiled);
    let file = InstalledFile { digest: "aaaaaaaaaaaa".into(), uid: 0, gid: 0, mode: 0o400 };
    let mut observed = settle(&desired, manager());
    desired.files.insert("token".into(), file.clone());
    observed.files.insert("token".into(), file.clone());
    assert!(plan(&desired, &observed, None).unwrap().is_empty());
    for change in [
        InstalledFile { digest: "bbbbbbbbbbbb".into(), ..file.clone() },
        InstalledFile { uid: 7, ..file.clone() },
        InstalledFile { mode: 0o440, ..file },
    ] {
        observed.files.insert("token".into(), change);
        let plan = plan(&desired, &observed, None).unwrap();
        assert_eq!(lines(&plan), ["0 Update files"]);
    }
}
