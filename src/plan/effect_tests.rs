//! Every field of a service, and what a change of it does to tasks. The same table is held against a real engine in
//! `tests/it/apply/effect.rs`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::effect::{of_removal, of_update};
use super::{Class, Downtime, Effect, Order, canonical, diff};
use crate::observed::{Object, Observed, Task};

/// A service with these tasks (replica, node) on the nodes `n1` (disk=ssd) and `n2`.
fn observed(spec: &Value, tasks: &[(u64, &str)]) -> Observed {
    let node = |id: &str, labels: Value| {
        let raw = json!({ "ID": id, "Spec": { "Role": "worker", "Availability": "active", "Labels": labels }, "Status": { "State": "ready" } });
        (id.to_owned(), Object { id: id.into(), raw, ..Object::default() })
    };
    let tasks = tasks.iter().map(|(slot, node)| Task {
        slot: *slot,
        node: (*node).to_owned(),
        desired: "running".into(),
        ..Task::default()
    });
    let over = Task { slot: 1, desired: "shutdown".into(), ..Task::default() };
    let service =
        Object { id: "s1".into(), name: "web_app".into(), raw: json!({ "Spec": spec }), ..Object::default() };
    Observed {
        nodes: BTreeMap::from([node("n1", json!({"disk": "ssd"})), node("n2", json!({}))]),
        services: BTreeMap::from([("web_app".to_owned(), service)]),
        tasks: BTreeMap::from([("s1".to_owned(), tasks.chain([over]).collect())]),
        ..Observed::default()
    }
}

fn told(before: &Value, after: &Value, tasks: &[(u64, &str)]) -> Effect {
    let observed = observed(before, tasks);
    let names = canonical::network_names(&observed);
    let diff = diff(&canonical::service(before, &names), &canonical::service(after, &names));
    of_update(&observed, &observed.services["web_app"], after, &diff)
}

/// `base` with the value at `pointer` set; objects on the way are made.
fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut whole = base.clone();
    let mut here = &mut whole;
    for key in pointer.split('/').skip(1) {
        if here.is_null() {
            *here = json!({});
        }
        here = here.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
    }
    *here = value;
    whole
}

fn app(replicas: u64) -> Value {
    json!({
        "Name": "web_app",
        "TaskTemplate": { "ContainerSpec": { "Image": "app:1", "Secrets": [{ "SecretName": "s_1", "File": { "Name": "s" } }] } },
        "Mode": { "Replicated": { "Replicas": replicas } },
        "UpdateConfig": { "Parallelism": 1 },
        "EndpointSpec": { "Mode": "dnsrr" },
    })
}

#[test]
fn every_field_has_its_class() {
    use Class::{Metadata, Placement, RollingRestart, Rotate, Scale};
    let container = "/TaskTemplate/ContainerSpec";
    let table: Vec<(String, Value, Class)> = [
        ("/Labels", json!({"a": "b"}), Metadata),
        ("/UpdateConfig/Delay", json!(5), Metadata),
        ("/UpdateConfig/Order", json!("start-first"), Metadata),
        ("/RollbackConfig", json!({"Parallelism": 2}), Metadata),
        ("/Mode/Replicated/Replicas", json!(5), Scale),
        ("/TaskTemplate/Placement/Constraints", json!(["node.role == worker"]), Placement),
        (
            "/TaskTemplate/Placement/Preferences",
            json!([{"Spread": {"SpreadDescriptor": "node.labels.x"}}]),
            Placement,
        ),
        ("/TaskTemplate/Placement/MaxReplicas", json!(3), Placement),
        ("/TaskTemplate/Placement/Platforms", json!([{"OS": "linux"}]), Placement),
        ("/TaskTemplate/Resources/Limits/NanoCPUs", json!(5), RollingRestart),
        ("/TaskTemplate/Resources/Reservations/MemoryBytes", json!(5), RollingRestart),
        ("/TaskTemplate/RestartPolicy", json!({"Condition": "none"}), RollingRestart),
        ("/TaskTemplate/LogDriver", json!({"Name": "none"}), RollingRestart),
        ("/TaskTemplate/Networks", json!([{"Target": "n"}]), RollingRestart),
        ("/TaskTemplate/ForceUpdate", json!(1), RollingRestart),
        ("/EndpointSpec/Mode", json!("vip"), RollingRestart),
        ("/EndpointSpec/Ports", json!([{"TargetPort": 80, "PublishMode": "host"}]), RollingRestart),
    ]
    .into_iter()
    .map(|(field, value, class)| (field.to_owned(), value, class))
    .chain(
        [
            ("Image", json!("app:2")),
            ("Labels", json!({"x": "y"})),
            ("Command", json!(["c"])),
            ("Args", json!(["a"])),
            ("Hostname", json!("h")),
            ("Env", json!(["A=1"])),
            ("Dir", json!("/d")),
            ("User", json!("u")),
            ("StopSignal", json!("SIGINT")),
            ("StopGracePeriod", json!(7)),
            ("Healthcheck", json!({"Test": ["NONE"]})),
            ("Hosts", json!(["192.0.2.1 a"])),
            ("DNSConfig", json!({"Search": ["example.org"]})),
            ("Mounts", json!([{"Type": "tmpfs", "Target": "/t"}])),
            ("Init", json!(true)),
            ("Sysctls", json!({"net.core.somaxconn": "1"})),
            ("CapabilityAdd", json!(["CAP_X"])),
            ("Ulimits", json!([{"Name": "nofile", "Hard": 2, "Soft": 1}])),
            ("Privileges", json!({"SELinuxContext": {"Type": "t"}})),
            ("ReadOnly", json!(true)),
            ("TTY", json!(true)),
            ("Configs", json!([{"ConfigName": "c_1", "File": {"Name": "c"}}])),
        ]
        .map(|(field, value)| (format!("{container}/{field}"), value, RollingRestart)),
    )
    .chain([(
        format!("{container}/Secrets"),
        json!([{ "SecretName": "s_2", "File": { "Name": "s" } }]),
        Rotate,
    )])
    .collect();
    for (field, value, class) in table {
        let before = app(3);
        let effect = told(&before, &with(&before, &field, value), &[(1, "n1"), (2, "n1"), (3, "n2")]);
        assert!(!effect.fields.is_empty(), "{field} is not in the diff");
        assert!(effect.fields.values().all(|told| *told == class), "{field}: {:?}", effect.fields);
        let replaced = if matches!(class, Rotate | RollingRestart) { 3 } else { 0 };
        assert_eq!((effect.tasks, effect.replaced), (3, replaced), "{field}");
    }
}

#[test]
fn the_policy_says_how_many_are_away() {
    let tasks = [(1, "n1"), (2, "n1"), (3, "n2")];
    let updated = |policy: Value, replicas: u64, tasks: &[(u64, &str)]| {
        let before = with(&app(replicas), "/UpdateConfig", policy);
        let effect =
            told(&before, &with(&before, "/TaskTemplate/ContainerSpec/Image", json!("app:2")), tasks);
        (effect.replaced, effect.rounds, effect.downtime)
    };
    assert_eq!(updated(json!({"Parallelism": 1}), 3, &tasks), (3, 3, Downtime::Reduced));
    assert_eq!(updated(json!({"Parallelism": 2}), 3, &tasks), (3, 2, Downtime::Reduced));
    assert_eq!(updated(json!({"Parallelism": 3}), 3, &tasks), (3, 1, Downtime::Whole));
    assert_eq!(updated(json!({"Parallelism": 0}), 3, &tasks), (3, 1, Downtime::Whole));
    assert_eq!(updated(Value::Null, 3, &tasks), (3, 3, Downtime::Reduced));
    assert_eq!(updated(json!({"Parallelism": 1}), 1, &tasks[..1]), (1, 1, Downtime::Whole));
    assert_eq!(
        updated(json!({"Parallelism": 1, "Order": "start-first"}), 1, &tasks[..1]),
        (1, 1, Downtime::None)
    );
    assert_eq!(updated(json!({"Parallelism": 1}), 1, &[]), (0, 0, Downtime::None));
    // Only what stays is replaced.
    assert_eq!(updated(json!({"Parallelism": 1}), 2, &tasks), (2, 2, Downtime::Reduced));
}

#[test]
fn scaling_touches_no_task_that_stays() {
    let scaled = |from: u64, to: u64| {
        let tasks: Vec<(u64, &str)> = (1..=from).map(|slot| (slot, "n1")).collect();
        let effect = told(&app(from), &app(to), &tasks);
        (effect.replaced, effect.started, effect.ended, effect.downtime)
    };
    assert_eq!(scaled(2, 5), (0, 3, 0, Downtime::None));
    assert_eq!(scaled(5, 2), (0, 0, 3, Downtime::None));
    assert_eq!(scaled(2, 0), (0, 0, 2, Downtime::Whole));
    assert_eq!(scaled(0, 2), (0, 2, 0, Downtime::None));
}

#[test]
fn a_placement_moves_only_tasks_whose_node_does_not_fit() {
    let tasks = [(1, "n1"), (2, "n1"), (3, "n2")];
    let ssd = with(&app(3), "/TaskTemplate/Placement/Constraints", json!(["node.labels.disk == ssd"]));
    let moved = told(&app(3), &ssd, &tasks);
    assert_eq!((moved.replaced, moved.downtime), (1, Downtime::Reduced));
    let with_image = with(&ssd, "/TaskTemplate/ContainerSpec/Image", json!("app:2"));
    let all = told(&app(3), &with_image, &tasks);
    assert_eq!(all.replaced, 3);
    assert_eq!(all.fields["TaskTemplate.Placement.Constraints[]"], Class::RollingRestart);
}

#[test]
fn global_services_have_one_task_a_node_and_jobs_run_again() {
    let global = with(&app(1), "/Mode", json!({"Global": {}}));
    let image = |body: &Value| with(body, "/TaskTemplate/ContainerSpec/Image", json!("app:2"));
    let effect = told(&global, &image(&global), &[(0, "n1"), (0, "n2")]);
    assert_eq!((effect.tasks, effect.replaced, effect.started), (2, 2, 0));
    assert_eq!(effect.downtime, Downtime::Reduced);
    for (mode, started) in [
        (json!({"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}}), 5),
        (json!({"ReplicatedJob": {"MaxConcurrent": 2}}), 2),
        (json!({"ReplicatedJob": {}}), 1),
        (json!({"GlobalJob": {}}), 0),
    ] {
        let job = with(&app(1), "/Mode", mode);
        let effect = told(&job, &with(&job, "/Labels", json!({"a": "b"})), &[]);
        assert_eq!((effect.started, effect.replaced), (started, 0));
        assert!(effect.fields.values().all(|class| *class == Class::RunAgain));
    }
}

#[test]
fn start_first_without_room_for_a_second_task_is_stuck() {
    let start_first = with(&app(1), "/UpdateConfig/Order", json!("start-first"));
    let port = |number: u64| json!([{"TargetPort": 80, "PublishedPort": number, "PublishMode": "host"}]);
    let held = with(&start_first, "/EndpointSpec/Ports", port(8080));
    let image = |body: &Value| with(body, "/TaskTemplate/ContainerSpec/Image", json!("app:2"));
    let stuck = |before: &Value, after: &Value, tasks: &[(u64, &str)]| {
        let effect = told(before, after, tasks);
        assert_eq!((effect.order, effect.downtime), (Order::StartFirst, Downtime::None));
        effect.stuck
    };
    assert!(!stuck(&start_first, &image(&start_first), &[(1, "n1"), (2, "n2")]));
    assert!(stuck(&held, &image(&held), &[(1, "n1"), (2, "n2")]));
    assert!(!stuck(&held, &image(&held), &[(1, "n1")]), "n2 has the port free");
    assert!(!stuck(&held, &with(&held, "/EndpointSpec/Ports", port(8081)), &[(1, "n1"), (2, "n2")]));
    let pinned = with(&held, "/TaskTemplate/Placement/Constraints", json!(["node.labels.disk == ssd"]));
    assert!(stuck(&pinned, &image(&pinned), &[(1, "n1")]), "n2 may not run it");
    let most = with(&start_first, "/TaskTemplate/Placement/MaxReplicas", json!(1));
    assert!(stuck(&most, &image(&most), &[(1, "n1"), (2, "n2")]));
    let global = with(&held, "/Mode", json!({"Global": {}}));
    assert!(stuck(&global, &image(&global), &[(0, "n1"), (0, "n2")]));
}

#[test]
fn what_is_made_anew_is_down_with_all_its_tasks() {
    let observed = observed(&app(2), &[(1, "n1"), (2, "n2")]);
    let diff = diff(&json!({"Mode": "Replicated"}), &json!({"Mode": "Global"}));
    let effect = of_removal(&observed, &observed.services["web_app"], &diff);
    assert_eq!((effect.ended, effect.downtime), (2, Downtime::Whole));
    assert_eq!(effect.fields["Mode"], Class::Recreate);
}
