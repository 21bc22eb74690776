//! What goes, when it goes, and what keeps it; and `destroy`.

use serde_json::{Value, json};

use super::tests::{carried_out, compiled, desired, lines, manager, object, settle, web};
use super::{Consequence, Group, Verb, destroy, leftovers, plan};
use crate::desired::GeneratedFile;
use crate::observed::{InstalledFile, Observed};

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
