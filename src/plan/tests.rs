//! The plan as a table: what is there, what shall be, what is done.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Consequence, Group, Plan, Verb, destroy, leftovers, plan};
use crate::address::{Address, Kind};
use crate::desired::{
    Compiled, ConfigSpec, Desired, FileTarget, GeneratedFile, ObjectRef, SecretSpec, ServiceSpec, StackSpec,
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
        logins: crate::desired::Logins::default(),
        recreate: std::collections::BTreeSet::new(),
        kept: std::collections::BTreeSet::new(),
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
fn what_left_goes_last_and_only_if_it_is_ours() {
    let with = compiled(&json!({}), &[web()]);
    let before = desired(&with);
    let mut observed = settle(&before, manager());
    let foreign = object("other_app", json!({ "Name": "other_app" }));
    observed.services.insert("other_app".into(), foreign);
    observed.secrets.insert("theirs".into(), object("theirs", Value::Null));
    let without = compiled(&json!({ "keep": { "generations": 0, "objects": 0 } }), &[]);
    let mut after = desired(&without);
    after.recorded = before.ownership();
    let plan = plan(&after, &observed, None).unwrap();
    let deleted: Vec<String> = (plan.steps.iter().filter(|step| step.verb == Verb::Delete))
        .map(|step| step.address.to_string())
        .collect();
    assert_eq!(
        deleted,
        [
            "stack.web/service.app",
            "stack.web/secret.token_0123456789ab",
            "stack.web/config.page_2cf24dba5fb0",
            "ownership"
        ]
    );
    let groups: Vec<Group> = plan.steps.iter().map(|step| step.group).collect();
    assert!(
        groups.iter().rposition(|group| *group == Group::Removal)
            < groups.iter().position(|group| *group == Group::Collection)
    );
    assert!(plan.steps.iter().all(|step| step.group != Group::Collection || step.needs.contains(&0)));
}

#[test]
fn former_objects_stay_for_a_kept_generation_a_previous_spec_or_as_the_newest_versions() {
    let compiled = compiled(&json!({ "keep": { "generations": 5, "objects": 2 } }), &[web()]);
    let mut desired = desired(&compiled);
    let mut observed = settle(&desired, manager());
    let old = |day: u8| format!("web_page_00000000000{day}");
    for day in 1..=7 {
        let mut config = object(&old(day), Value::Null);
        config.raw["CreatedAt"] = json!(format!("2026-01-0{day}T00:00:00Z"));
        observed.configs.insert(old(day), config);
        desired.recorded.configs.insert(old(day));
    }
    let refers = json!([{ "ConfigName": old(1) }]);
    let service = observed.services.get_mut("web_app").unwrap();
    service.raw["PreviousSpec"] = json!({ "TaskTemplate": { "ContainerSpec": { "Configs": refers } } });
    desired.kept.insert(old(3));
    let plan = plan(&desired, &observed, None).unwrap();
    let gone: Vec<String> = (plan.steps.iter().filter(|step| step.verb == Verb::Delete))
        .map(|step| step.address.leaf().name.clone())
        .collect();
    // 1 is gone back to by the engine, 3 by a rollback; 6 and 7 are the newest.
    assert_eq!(gone, ["page_000000000005", "page_000000000004", "page_000000000002"]);
}

#[test]
fn an_object_that_something_foreign_uses_stays() {
    let with = compiled(&json!({}), &[web()]);
    let before = desired(&with);
    let mut observed = settle(&before, manager());
    let uses = json!({ "TaskTemplate": { "ContainerSpec": { "Secrets": [{ "SecretName": "web_token_0123456789ab" }] } } });
    observed.services.insert("other_app".into(), object("other_app", uses));
    let without = compiled(&json!({}), &[]);
    let mut after = desired(&without);
    after.recorded = before.ownership();
    let plan = plan(&after, &observed, None).unwrap();
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
fn a_generated_file_that_cannot_be_made_now_stays() {
    let mut compiled = compiled(&json!({}), &[]);
    let file = InstalledFile { digest: "aaaaaaaaaaaa".into(), uid: 0, gid: 0, mode: 0o400 };
    compiled.generated =
        vec![GeneratedFile { path: "proxy/tls.yml".into(), installed: true, pieces: Vec::new() }];
    let mut desired = desired(&compiled);
    desired.generated.insert("proxy/tls.yml".into(), file.clone());
    let mut observed = manager();
    observed.generated.insert("proxy/tls.yml".into(), file);
    let observed = settle(&desired, observed);
    desired.recorded = desired.ownership();
    desired.generated.clear();
    assert_eq!(lines(&plan(&desired, &observed, None).unwrap()), [""; 0]);
    assert!(desired.ownership().files.contains("proxy/tls.yml"), "it is still ours");
}

#[test]
fn a_network_that_something_foreign_uses_stays_and_stays_ours() {
    let with = compiled(&json!({ "networks": { "proxy": {} } }), &[]);
    let own = desired(&with).ownership();
    let mut observed = manager();
    observed.networks.insert("proxy".into(), object("proxy", Value::Null));
    let without = compiled(&json!({}), &[]);
    let mut after = desired(&without);
    after.recorded = own.clone();
    let removed = |observed: &Observed| {
        let plan = plan(&after, observed, None).unwrap();
        (lines(&plan).iter().any(|line| line.contains("network.proxy")), plan.warnings.len())
    };
    assert_eq!(removed(&observed), (true, 0));
    let uses = json!({ "TaskTemplate": { "Networks": [{ "Target": "id-proxy" }] } });
    observed.services.insert("other_app".into(), object("other_app", uses));
    assert_eq!(removed(&observed), (false, 1));
    assert!(own.still(&observed).networks.contains("proxy"));
    observed.networks.clear();
    assert!(own.still(&observed).networks.is_empty());
}

#[test]
fn a_removal_waits_for_what_stays_even_if_nothing_of_that_changes() {
    let mut old = web();
    old.name = "old".into();
    old.secrets.clear();
    old.configs.clear();
    old.services.clear();
    let both = compiled(&json!({}), &[web(), old]);
    let mut desired_both = desired(&both);
    let mut observed = settle(&desired_both, manager());
    desired_both.recorded = desired_both.ownership();
    observed.services.insert("old_app".into(), object("old_app", json!({ "Name": "old_app" })));
    let one = compiled(&json!({}), &[web()]);
    let mut after = desired(&one);
    after.recorded = desired_both.recorded.clone();
    let plan = plan(&after, &observed, None).unwrap();
    assert_eq!(lines(&plan)[..2], ["0 Await stack.web", "0 Delete stack.old/service.app"]);
    assert_eq!(plan.steps[1].needs, [0]);
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

#[test]
fn destroy_takes_everything_recorded_and_volumes_only_when_asked() {
    let with = compiled(&json!({}), &[web()]);
    let before = desired(&with);
    let observed = settle(&before, manager());
    let own = before.ownership();
    let none = destroy(&own, &observed, &std::collections::BTreeSet::new(), None);
    assert!(none.steps.iter().all(|step| step.consequence != Consequence::DataAtRisk));
    let volumes = ["web_data".to_owned()].into();
    let all = destroy(&own, &observed, &volumes, None);
    assert_eq!(all.steps.last().unwrap().consequence, Consequence::DataAtRisk);
    assert!(leftovers(&own, &carried_out(&none, observed.clone()), None).is_empty());
    assert!(!leftovers(&own, &observed, None).is_empty());
}

#[test]
fn destroy_of_a_part_leaves_the_rest() {
    let with = compiled(&json!({}), &[web()]);
    let before = desired(&with);
    let mut observed = settle(&before, manager());
    let mut own = before.ownership();
    own.stacks.insert("other".into());
    observed.services.insert("other_app".into(), object("other_app", Value::Null));
    let only = "stack.other".parse().unwrap();
    let part = destroy(&own, &observed, &std::collections::BTreeSet::new(), Some(&only));
    assert_eq!(lines(&part), ["0 Delete stack.other/service.app"]);
    assert!(leftovers(&own, &carried_out(&part, observed), Some(&only)).is_empty());
}
