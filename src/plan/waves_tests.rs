//! Waves: what waits for what, and what is waited for although nothing changes.

use serde_json::json;

use super::tests::{carried_out, compiled, desired, manager};
use super::{Action, Plan, SwarmAction, Verb};
use crate::address::Kind;
use crate::desired::{Condition, Dependency, ServiceSpec, StackSpec};
use crate::observed::{Observed, Task};

/// A stack in which `app` waits for `db` and `task`, and `alone` for nothing.
fn dependent() -> StackSpec {
    let service = |name: &str, depends_on: Vec<Dependency>| ServiceSpec {
        name: format!("web_{name}"),
        body: json!({"Name": format!("web_{name}"), "Mode": {"Replicated": {"Replicas": 1}}}),
        secrets: Vec::new(),
        configs: Vec::new(),
        image: None,
        depends_on,
    };
    let on = |service: &str, condition| Dependency { service: service.to_owned(), condition };
    let needs = vec![on("db", Condition::Healthy), on("task", Condition::Completed)];
    StackSpec {
        name: "web".to_owned(),
        services: [("alone", vec![]), ("app", needs), ("db", vec![]), ("task", vec![])]
            .map(|(key, needs)| (key.to_owned(), service(key, needs)))
            .into(),
        ..StackSpec::default()
    }
}

fn waves(plan: &Plan) -> Vec<String> {
    let told = plan.steps.iter().filter(|step| step.address.outer.kind == Kind::Stack);
    told.map(|step| format!("{} {:?} {} {:?}", step.wave, step.verb, step.address, step.needs)).collect()
}

#[test]
fn a_service_is_made_once_what_it_depends_on_has_converged() {
    let compiled = compiled(&json!({}), &[dependent()]);
    let plan = super::plan(&desired(&compiled), &manager(), None).unwrap();
    assert_eq!(
        waves(&plan),
        [
            "0 Create stack.web/service.alone []",
            "0 Create stack.web/service.db []",
            "0 Create stack.web/service.task []",
            "0 Await stack.web/service.db [1]",
            "0 Await stack.web/service.task [2]",
            "1 Create stack.web/service.app [3, 4]",
            "0 Await stack.web [0]",
            "1 Await stack.web [5]",
        ]
    );
    let app = &plan.steps[5];
    assert_eq!(app.reason, "once stack.web/service.db is healthy and stack.web/service.task has completed");
}

#[test]
fn what_runs_already_is_not_waited_for_and_what_does_not_is() {
    let mut compiled = compiled(&json!({}), &[dependent()]);
    let plan = super::plan(&desired(&compiled), &manager(), None).unwrap();
    let mut there = carried_out(&plan, manager());
    let task = |service: &str, state: &str| {
        let task = Task {
            id: service.into(),
            desired: "running".into(),
            state: state.into(),
            slot: 1,
            ..Task::default()
        };
        (format!("id-web_{service}"), vec![task])
    };
    let set = |there: &mut Observed, states: [(&str, &str); 4]| {
        there.tasks = states.map(|(service, state)| task(service, state)).into();
        let once = json!({"RestartPolicy": {"Condition": "none"}});
        there.services.get_mut("web_task").unwrap().raw["Spec"]["TaskTemplate"] = once;
    };
    compiled.stacks.get_mut("web").unwrap().services.get_mut("task").unwrap().body["TaskTemplate"] =
        json!({"RestartPolicy": {"Condition": "none"}});
    let up = [("alone", "running"), ("app", "running"), ("db", "running"), ("task", "complete")];
    set(&mut there, up);
    assert_eq!(super::plan(&desired(&compiled), &there, None).unwrap(), Plan::default());

    // Equal, but not up: it is waited for, and nothing is changed.
    set(&mut there, [up[0], up[1], ("db", "starting"), up[3]]);
    let plan = super::plan(&desired(&compiled), &there, None).unwrap();
    assert!(plan.only_waits(), "{:?}", waves(&plan));
    // A change of what depends on it waits too.
    compiled.stacks.get_mut("web").unwrap().services.get_mut("app").unwrap().body["Labels"] =
        json!({"a": "b"});
    let plan = super::plan(&desired(&compiled), &there, None).unwrap();
    assert_eq!(waves(&plan)[..2], ["0 Await stack.web/service.db []", "1 Update stack.web/service.app [0]"]);
    set(&mut there, up);
    let plan = super::plan(&desired(&compiled), &there, None).unwrap();
    assert_eq!(waves(&plan)[0], "0 Update stack.web/service.app []");

    // An update that an earlier run began is waited for as well.
    compiled
        .stacks
        .get_mut("web")
        .unwrap()
        .services
        .get_mut("app")
        .unwrap()
        .body
        .as_object_mut()
        .unwrap()
        .remove("Labels");
    let set_state = |there: &mut Observed, state: &str| {
        there.services.get_mut("web_app").unwrap().raw["UpdateStatus"] =
            json!({"State": state, "Message": "m"});
    };
    for state in ["updating", "rollback_started"] {
        set_state(&mut there, state);
        let plan = super::plan(&desired(&compiled), &there, None).unwrap();
        assert!(plan.only_waits(), "{state}");
    }
    // One that is paused stays so until somebody writes the service again, as it is.
    for (state, what) in [("paused", "update"), ("rollback_paused", "rollback")] {
        set_state(&mut there, state);
        let plan = super::plan(&desired(&compiled), &there, None).unwrap();
        assert_eq!(waves(&plan), ["0 Update stack.web/service.app []", "0 Await stack.web [0]"]);
        assert_eq!(plan.steps[0].reason, format!("goes on with the {what} that swarm paused (m)"));
        let stored = there.services["web_app"].raw["Spec"].clone();
        assert!(
            matches!(&plan.steps[0].action, Action::Swarm(SwarmAction::UpdateService { spec, .. }) if *spec == stored)
        );
    }

    // What nobody saw converge is waited for, however it looks; what depends on it waits as well.
    set_state(&mut there, "completed");
    let mut desired = desired(&compiled);
    desired.unseen.insert("stack.web/service.db".parse().unwrap());
    assert_eq!(waves(&super::plan(&desired, &there, None).unwrap()), ["0 Await stack.web []"]);
    there.services.get_mut("web_app").unwrap().raw["Spec"]["Labels"] = json!({"a": "b"});
    let plan = super::plan(&desired, &there, None).unwrap();
    assert_eq!(waves(&plan)[..2], ["0 Await stack.web/service.db []", "1 Update stack.web/service.app [0]"]);
}

#[test]
fn a_stack_waits_for_another_one_whatever_their_names() {
    let mut db = dependent();
    db.name = "zdb".into();
    for (key, service) in &mut db.services {
        service.name = format!("zdb_{key}");
        service.body["Name"] = json!(service.name);
        service.depends_on.clear();
    }
    let sections = json!({"stacks": {"web": {"compose": ["web.yml"], "depends_on": ["stack.zdb/service.db"]},
        "zdb": {"compose": ["db.yml"]}}});
    let compiled = compiled(&sections, &[dependent(), db]);
    let plan = super::plan(&desired(&compiled), &manager(), None).unwrap();
    let at = |text: &str| waves(&plan).iter().position(|line| line.contains(text)).unwrap();
    let gate = plan
        .steps
        .iter()
        .find(|step| step.address.to_string() == "stack.zdb/service.db" && step.verb == Verb::Await);
    let gate = gate.unwrap().id;
    for step in plan.steps.iter().filter(|step| step.address.outer.name == "web" && step.verb == Verb::Create)
    {
        assert!(step.needs.contains(&gate), "{step:?}");
        let wave = if step.address.leaf().name == "app" { 2 } else { 1 };
        assert_eq!(step.wave, wave, "{}", step.address);
    }
    assert!(at("zdb/service.db") < at("web/service.alone"));
}
