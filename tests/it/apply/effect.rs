//! Proves: what the plan says of tasks is what the engine does to them. One service a field; each is changed in that
//! field alone, and the tasks before and after are compared with the plan.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use holdfast::observed::{Object, Task};
use serde_json::{Value, json};

use crate::support::world::World;

/// A service before and after, and true when it is in the short run too.
type Case = (&'static str, Value, Value, bool);

/// `a` with every field of `b`, message by message.
fn merged(a: &Value, b: &Value) -> Value {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return b.clone() };
    let mut whole = a.clone();
    for (key, value) in b {
        whole.insert(key.clone(), merged(a.get(key).unwrap_or(&Value::Null), value));
    }
    whole.into()
}

fn deploy(fields: &Value) -> Value {
    json!({ "deploy": fields })
}

/// What is added by the change.
fn fields() -> Vec<Case> {
    let port = json!([{ "target": 80, "published": 8090, "mode": "host" }]);
    let only = |after: Value, short: bool| (json!({}), after, short);
    let policy = |replicas: u64, update: Value, after: Value| {
        let before = json!({ "replicas": replicas, "update_config": update });
        (deploy(&before), after, true)
    };
    let env = json!({ "environment": ["A=1"] });
    let job = |mode: &str| {
        let job = json!({ "mode": mode, "replicas": null, "update_config": null, "restart_policy": { "condition": "none" } });
        json!({ "entrypoint": ["/bin/true"], "deploy": job })
    };
    let cases = [
        ("service_labels", only(deploy(&json!({ "labels": { "a": "b" } })), true)),
        ("container_labels", only(json!({ "labels": { "a": "b" } }), false)),
        ("env", only(env.clone(), true)),
        ("command", only(json!({ "entrypoint": ["/bin/sleep", "601"] }), false)),
        ("hostname", only(json!({ "hostname": "h" }), false)),
        ("user", only(json!({ "user": "1000" }), false)),
        ("working_dir", only(json!({ "working_dir": "/tmp" }), false)),
        ("stop_signal", only(json!({ "stop_signal": "SIGINT" }), false)),
        ("grace", only(json!({ "stop_grace_period": "200ms" }), true)),
        (
            "health",
            only(json!({ "healthcheck": { "test": ["CMD", "/bin/true"], "interval": "500ms" } }), true),
        ),
        ("hosts", only(json!({ "extra_hosts": ["a:192.0.2.1"] }), false)),
        ("dns", only(json!({ "dns_search": ["example.org"] }), false)),
        ("tmpfs", only(json!({ "volumes": [{ "type": "tmpfs", "target": "/t" }] }), false)),
        ("init", only(json!({ "init": true }), false)),
        ("sysctls", only(json!({ "sysctls": { "net.core.somaxconn": "100" } }), false)),
        ("cap_drop", only(json!({ "cap_drop": ["CAP_CHOWN"] }), false)),
        ("ulimits", only(json!({ "ulimits": { "nofile": { "soft": 99, "hard": 100 } } }), false)),
        ("read_only", only(json!({ "read_only": true }), false)),
        ("limits", only(deploy(&json!({ "resources": { "limits": { "pids": 50 } } })), false)),
        ("restart", only(deploy(&json!({ "restart_policy": { "delay": "1s" } })), true)),
        ("logging", only(json!({ "logging": { "driver": "none" } }), false)),
        ("networks", only(json!({ "networks": ["proxy", "other"] }), true)),
        ("update_config", only(deploy(&json!({ "update_config": { "delay": "5s" } })), true)),
        ("rollback_config", only(deploy(&json!({ "rollback_config": { "parallelism": 2 } })), false)),
        ("more", only(deploy(&json!({ "replicas": 2 })), true)),
        ("fewer", (deploy(&json!({ "replicas": 2 })), deploy(&json!({ "replicas": 1 })), true)),
        ("none", only(deploy(&json!({ "replicas": 0 })), false)),
        (
            "constraint",
            only(deploy(&json!({ "placement": { "constraints": ["node.role == manager"] } })), true),
        ),
        (
            "preference",
            only(deploy(&json!({ "placement": { "preferences": [{ "spread": "node.id" }] } })), false),
        ),
        ("max_replicas", only(deploy(&json!({ "placement": { "max_replicas_per_node": 4 } })), false)),
        ("port", only(json!({ "ports": port }), true)),
        (
            "port_and_placement",
            only(
                json!({ "ports": [{ "target": 80, "published": 8091, "mode": "host" }], "deploy": { "placement": { "constraints": ["node.role == manager"] } } }),
                true,
            ),
        ),
        ("config", (json!({ "configs": ["page"] }), json!({}), true)),
        ("secret", (json!({ "secrets": ["token"] }), json!({}), true)),
        ("global", (deploy(&json!({ "mode": "global", "replicas": null })), env.clone(), true)),
        ("one_by_one", policy(3, json!({ "parallelism": 1, "delay": "1s" }), env.clone())),
        ("at_once", policy(2, json!({ "parallelism": 0 }), env.clone())),
        ("start_first", policy(2, json!({ "order": "start-first" }), env)),
        ("grows_and_restarts", only(json!({ "environment": ["A=1"], "deploy": { "replicas": 2 } }), false)),
        ("job", (job("replicated-job"), deploy(&json!({ "labels": { "a": "b" } })), true)),
        ("global_job", (job("global-job"), deploy(&json!({ "labels": { "a": "b" } })), false)),
    ];
    cases.map(|(name, (before, after, short))| (name, before, after, short)).into()
}

/// The compose file, JSON being YAML.
fn write(world: &World, cases: &[Case], changed: bool) {
    let base = json!({
        "image": "holdfast.invalid/app", "entrypoint": ["/bin/sleep", "600"], "stop_grace_period": "100ms",
        "networks": ["proxy"],
        "deploy": { "replicas": 1, "endpoint_mode": "dnsrr", "update_config": { "monitor": "100ms" } },
    });
    let services: BTreeMap<&str, Value> = cases
        .iter()
        .map(|(name, before, after, _)| {
            let before = merged(&base, before);
            (*name, without_nulls(if changed { merged(&before, after) } else { before }))
        })
        .collect();
    let external = json!({ "external": true });
    let file = json!({
        "version": "3.13", "services": services, "networks": { "proxy": external, "other": external },
        "configs": { "page": { "file": "page.html" } }, "secrets": { "token": external },
    });
    fs::write(world.path("web.yml"), file.to_string()).expect("web.yml");
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value))).collect()
        }
        other => other,
    }
}

/// Services and tasks as they are.
struct Seen {
    services: BTreeMap<String, Object>,
    tasks: BTreeMap<String, Vec<Task>>,
}

impl Seen {
    async fn now(world: &World) -> Self {
        let engine =
            holdfast::swarm::Engine::connect(&world.engine.address()).await.expect("the engine answers");
        let observed = engine.observe().await.expect("it can be observed");
        Self { services: observed.services, tasks: observed.tasks }
    }

    fn tasks(&self, service: &str) -> &[Task] {
        self.tasks.get(&self.services[service].id).map_or(&[], Vec::as_slice)
    }

    fn running(&self, service: &str) -> BTreeSet<String> {
        let tasks = self.tasks(service).iter();
        let running = tasks.filter(|task| task.desired == "running" && task.state == "running");
        running.map(|task| task.id.clone()).collect()
    }

    fn task(&self, service: &str, id: &str) -> &Task {
        self.tasks(service).iter().find(|task| task.id == id).unwrap_or_else(|| panic!("{service} lost {id}"))
    }

    fn job_run(&self, service: &str) -> Option<u64> {
        self.services[service]
            .raw
            .pointer("/JobStatus/JobIteration")
            .map(|run| run["Index"].as_u64().unwrap_or(0))
    }
}

/// How few tasks ran at once, of `running`, while these ended and those started.
fn fewest(running: usize, ended: &[&Task], started: &[&Task]) -> usize {
    let time = |task: &&Task| task.since.parse::<jiff::Timestamp>().expect("a time");
    let mut events: Vec<_> = ended.iter().map(|task| (time(task), -1)).collect();
    events.extend(started.iter().map(|task| (time(task), 1)));
    events.sort();
    let mut now = i64::try_from(running).expect("few");
    let mut fewest = now;
    for (_, step) in events {
        now += step;
        fewest = fewest.min(now);
    }
    usize::try_from(fewest).expect("not below zero")
}

fn compare(name: &str, effect: &Value, before: &Seen, after: &Seen) {
    let service = format!("web_{name}");
    let number = |field: &str| usize::try_from(effect[field].as_u64().expect(field)).expect("few");
    if let Some(run) = after.job_run(&service) {
        assert_eq!(
            run,
            before.job_run(&service).unwrap_or(0) + 1,
            "{name}: the job did not run again: {effect}"
        );
        let tasks = after.tasks(&service).iter().filter(|task| task.iteration == Some(run)).count();
        // A global job's are one a node.
        assert_eq!(tasks, number("started").max(1), "{name}: {effect}");
        return;
    }
    let (old, new) = (before.running(&service), after.running(&service));
    let gone: Vec<&String> = old.difference(&new).collect();
    let fresh: Vec<&String> = new.difference(&old).collect();
    assert_eq!(number("tasks"), old.len(), "{name}: {effect}");
    assert_eq!(gone.len(), number("replaced") + number("ended"), "{name}: {effect}");
    assert_eq!(fresh.len(), number("replaced") + number("started"), "{name}: {effect}");
    let replaced = number("replaced");
    if replaced == 0 || number("started") + number("ended") > 0 {
        return;
    }
    let ended: Vec<&Task> = gone.iter().map(|id| after.task(&service, id)).collect();
    let started: Vec<&Task> = fresh.iter().map(|id| after.task(&service, id)).collect();
    let fewest = fewest(old.len(), &ended, &started);
    let together = match number("parallelism") {
        0 => replaced,
        some => some.min(replaced),
    };
    let told = match effect["downtime"].as_str() {
        Some("none") => old.len(),
        Some("reduced") => old.len() - together,
        Some("whole") => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(fewest, told, "{name}: at the least {fewest} tasks ran: {effect}");
    if effect["delay_ms"].as_u64() > Some(0) && effect["rounds"].as_u64() > Some(1) {
        let mut times: Vec<jiff::Timestamp> =
            started.iter().map(|task| task.since.parse().expect("a time")).collect();
        times.sort();
        for pair in times.windows(2) {
            let apart = pair[1].duration_since(pair[0]).as_millis();
            assert!(
                apart >= i128::from(effect["delay_ms"].as_u64().unwrap_or(0)),
                "{name}: {apart} ms apart"
            );
        }
    }
}

#[tokio::test]
async fn what_the_plan_says_of_tasks_is_what_the_engine_does() {
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let all = fields();
    let count = all.len();
    let cases: Vec<Case> = all.into_iter().filter(|case| full || case.3).collect();
    let world = World::new();
    world.edit(|manifest| {
        manifest["networks"]["other"] = json!({});
        manifest["gates"] = json!({});
        let images: BTreeMap<&str, &str> = cases.iter().map(|(name, ..)| (*name, "app")).collect();
        manifest["stacks"]["web"]["images"] = json!(images);
    });
    write(&world, &cases, false);
    world.run(&["apply", "--no-verify"]).expect(0);
    let before = Seen::now(&world).await;

    write(&world, &cases, true);
    fs::write(world.path("page.html"), "another\n").expect("page.html");
    world.seal("another value");
    let plan = world.run(&["plan", "--json"]).expect(0).json();
    let text = world.run(&["plan"]).expect(0).out;
    world.run(&["apply", "--no-verify"]).expect(0);
    let after = Seen::now(&world).await;

    let mut classes = BTreeSet::new();
    for (name, ..) in &cases {
        let address = format!("stack.web/service.{name}");
        let steps = plan["plan"]["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["address"] == json!(address) && !step["effect"].is_null());
        let step = step.unwrap_or_else(|| panic!("`{address}` is not changed: {steps:#?}"));
        classes
            .extend(step["effect"]["fields"].as_object().expect("fields").values().map(ToString::to_string));
        compare(name, &step["effect"], &before, &after);
    }
    println!("compared {} of {count} fields: {classes:?}", cases.len());
    assert_eq!(classes.len(), 6, "{classes:?}");
    for line in [
        "replaces 3 of 3 tasks, stop-first, one at a time, 1 s apart: 2 run meanwhile",
        "replaces 2 of 2 tasks, stop-first, all at once: DOWNTIME until the new ones run",
        "replaces 2 of 2 tasks, start-first, one at a time: no downtime",
        "runs the job again, 1 task",
        "replaces no task: each may stay on its node",
    ] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
}
