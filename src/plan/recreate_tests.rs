//! What cannot be changed, as a table: refused, or taken down and made anew with what uses it.

use serde_json::{Value, json};

use super::tests::{carried_out, compiled, desired, lines, manager, object, settle, web};
use super::{Consequence, Plan, Verb, plan};
use crate::desired::{Compiled, StackSpec};
use crate::observed::Observed;

const BOTH: &[&str] = &["network.proxy", "stack.web"];

/// The stack `web`, whose service is on the network `proxy` of the manifest.
fn routed(attachable: bool) -> Compiled {
    let networks = json!({ "networks": { "proxy": { "attachable": attachable } } });
    compiled(&networks, &[on_proxy(web())])
}

fn on_proxy(mut stack: StackSpec) -> StackSpec {
    for service in stack.services.values_mut() {
        service.body["TaskTemplate"]["Networks"] = json!([{ "Target": "proxy" }]);
    }
    stack
}

/// The plan against what is there, where this much may be made anew.
fn planned(compiled: &Compiled, observed: &Observed, allowed: &[&str]) -> Result<Plan, String> {
    let mut desired = desired(compiled);
    desired.recorded = desired.ownership();
    desired.recreate = allowed.iter().map(|address| address.parse().unwrap()).collect();
    plan(&desired, observed, None).map_err(|refusals| {
        let lines = refusals.iter().map(|one| format!("{}: {} ({})", one.address, one.reason, one.fix));
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn there(compiled: &Compiled) -> Observed {
    settle(&desired(compiled), manager())
}

#[test]
fn a_network_that_differs_is_refused_with_the_flag_and_the_field_that_allow_it() {
    let refused = planned(&routed(true), &there(&routed(false)), &["stack.web"]).unwrap_err();
    for word in [
        "network.proxy: ",
        "`Attachable` is nothing and shall be true",
        "`--allow-recreate network.proxy`",
        "`\"allow_recreate\": true` in `networks.proxy`",
    ] {
        assert!(refused.contains(word), "`{word}` is not in: {refused}");
    }
}

#[test]
fn a_network_goes_after_the_services_that_use_it_and_both_come_back() {
    let wanted = routed(true);
    let observed = there(&routed(false));
    let plan = planned(&wanted, &observed, &["network.proxy"]).unwrap();
    let steps = [
        "0 Replace stack.web/service.app",
        "0 Replace network.proxy",
        "0 Create network.proxy",
        "0 Create stack.web/service.app",
        "0 Await stack.web",
    ];
    assert_eq!(lines(&plan), steps);
    let needs: Vec<&[usize]> = plan.steps.iter().map(|step| step.needs.as_slice()).collect();
    assert_eq!(needs, [&[][..], &[0], &[1], &[1, 2, 0], &[3]]);
    assert!(plan.steps[..2].iter().all(|step| step.consequence == Consequence::Recreate));
    assert!(plan.steps[0].reason.contains("network.proxy"), "{}", plan.steps[0].reason);
    assert_eq!(planned(&wanted, &carried_out(&plan, observed), &[]).unwrap(), Plan::default());
}

#[test]
fn a_run_that_ends_after_any_step_is_finished_by_the_next_one() {
    let wanted = routed(true);
    let plan = planned(&wanted, &there(&routed(false)), BOTH).unwrap();
    for done in 1..plan.steps.len() {
        let part = Plan { steps: plan.steps[..done].to_vec(), ..Plan::default() };
        let mut observed = carried_out(&part, there(&routed(false)));
        for _ in 0..3 {
            observed = carried_out(&planned(&wanted, &observed, BOTH).unwrap(), observed);
        }
        assert_eq!(planned(&wanted, &observed, &[]).unwrap(), Plan::default(), "after {done} steps");
    }
}

#[test]
fn a_mode_and_the_content_of_a_named_config_change_by_making_them_anew() {
    let named = |data: &str, mode: Value| {
        let mut stack = web();
        let config = stack.configs.get_mut("page").unwrap();
        (config.fixed_name, config.data) = (true, data.to_owned());
        stack.services.get_mut("app").unwrap().body["Mode"] = mode;
        compiled(&json!({}), &[stack])
    };
    let replicated = json!({ "Replicated": { "Replicas": 1 } });
    let before = there(&named("aGVsbG8=", replicated.clone()));
    for (wanted, asks, steps) in [
        (
            named("aGVsbG8=", json!({ "Global": {} })),
            "stack.web/service.app",
            &["0 Replace stack.web/service.app", "0 Create stack.web/service.app", "0 Await stack.web"][..],
        ),
        (
            named("b3RoZXI=", replicated),
            "stack.web/config.page",
            &[
                "0 Replace stack.web/service.app",
                "0 Replace stack.web/config.page",
                "0 Create stack.web/config.page",
                // The new config has another id.
                "1 Create stack.web/service.app",
                "1 Await stack.web",
            ],
        ),
    ] {
        let refused = planned(&wanted, &before, &["network.proxy"]).unwrap_err();
        let entry = asks.split('/').nth(1).unwrap();
        for word in [format!("--allow-recreate {asks}"), format!("`\"allow_recreate\": [\"{entry}\"]`")] {
            assert!(refused.contains(&word), "`{word}` is not in: {refused}");
        }
        let plan = planned(&wanted, &before, &[asks]).unwrap();
        assert_eq!(lines(&plan), steps);
        assert!(!plan.steps[1].diff.is_empty() || !plan.steps[0].diff.is_empty());
        let mut after = carried_out(&plan, before.clone());
        after = carried_out(&planned(&wanted, &after, &[]).unwrap(), after);
        assert_eq!(planned(&wanted, &after, &[]).unwrap(), Plan::default(), "{asks}");
    }
}

#[test]
fn what_is_not_ours_or_could_not_come_back_is_in_the_way() {
    let wanted = routed(true);
    let mut observed = there(&routed(false));
    let uses = json!({ "TaskTemplate": { "Networks": [{ "Target": "id-proxy" }] } });
    observed.services.insert("other_app".into(), object("other_app", uses.clone()));
    let refused = planned(&wanted, &observed, BOTH).unwrap_err();
    assert!(refused.contains("`other_app` is not ours"), "{refused}");

    // One of ours that left goes at once, and does not come back.
    let mut left = there(&routed(false));
    left.services.insert("web_old".into(), object("web_old", uses));
    let plan = planned(&wanted, &left, BOTH).unwrap();
    let old: Vec<_> = lines(&plan).into_iter().filter(|line| line.contains("service.old")).collect();
    assert_eq!(old, ["0 Delete stack.web/service.old"]);

    let mut desired = desired(&wanted);
    desired.recreate = BOTH.iter().map(|address| address.parse().unwrap()).collect();
    desired.digests.clear();
    let refused = super::plan(&desired, &there(&routed(false)), None).unwrap_err();
    assert!(refused[0].reason.contains("held back because of secret.token"), "{refused:?}");
}

#[test]
fn a_part_of_a_plan_brings_back_all_that_it_takes_down() {
    let mut other = on_proxy(web());
    other.name = "other".into();
    other.configs.clear();
    other.secrets.clear();
    for service in other.services.values_mut() {
        service.name = "other_app".into();
        service.body["Name"] = json!("other_app");
        (service.configs, service.secrets) = (Vec::new(), Vec::new());
    }
    let with = |attachable: bool| {
        let networks = json!({ "networks": { "proxy": { "attachable": attachable } } });
        compiled(&networks, &[on_proxy(web()), other.clone()])
    };
    let (before, after) = (with(false), with(true));
    let observed = there(&before);
    let mut desired = desired(&after);
    desired.recreate = BOTH.iter().map(|address| address.parse().unwrap()).collect();
    let only = "stack.web".parse().unwrap();
    let plan = plan(&desired, &observed, Some(&only)).unwrap();
    for step in plan.steps.iter().filter(|step| step.verb == Verb::Replace) {
        let back = |other: &&super::Step| other.verb == Verb::Create && other.address == step.address;
        assert!(plan.steps.iter().any(|other| back(&other)), "{} does not come back", step.address);
    }
    assert!(lines(&plan).contains(&"0 Replace stack.other/service.app".to_owned()), "{:?}", lines(&plan));
}
