//! Swarm truth, judged over looks at an engine, case by case.

use std::collections::BTreeMap;
use std::time::Instant;

use holdfast::address::{Address, Kind};
use holdfast::gates::{Check, Expected, Planned, exit};
use holdfast::manifest::{AbsenceGate, Gate, SwarmGate};
use holdfast::observed::{Object, Observed, SwarmState, Task};
use holdfast::report::{Exit, GateResult};
use serde_json::{Value, json};

use super::{assert_fails, assert_passes, assert_unknown, planned, run_over};

const IMAGE: &str = "app:1@sha256:aa";
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

fn task(node: &str, state: &str) -> Task {
    Task {
        id: "t".to_owned(),
        container: "c".to_owned(),
        node: node.to_owned(),
        created: LONG_AGO.to_owned(),
        since: LONG_AGO.to_owned(),
        desired: if state == "complete" { "shutdown" } else { "running" }.to_owned(),
        state: state.to_owned(),
        image: IMAGE.to_owned(),
        ..Task::default()
    }
}

fn service(mode: &Value) -> Object {
    Object {
        id: "s-web_app".to_owned(),
        name: "web_app".to_owned(),
        raw: json!({ "Spec": { "Mode": mode, "TaskTemplate": { "ContainerSpec": { "Image": IMAGE } } } }),
        ..Object::default()
    }
}

fn node(name: &str, availability: &str) -> Object {
    let raw = json!({
        "ID": name,
        "Spec": { "Role": "worker", "Availability": availability },
        "Status": { "State": "ready" },
        "Description": { "Hostname": name },
    });
    Object { id: name.to_owned(), name: name.to_owned(), raw, ..Object::default() }
}

fn look(service: Object, tasks: Vec<Task>) -> Observed {
    Observed {
        services: [(service.name.clone(), service.clone())].into(),
        tasks: [(service.id, tasks)].into(),
        nodes: [("n1".to_owned(), node("n1", "active")), ("n2".to_owned(), node("n2", "active"))].into(),
        swarm: SwarmState::Manager(Box::default()),
        ..Observed::default()
    }
}

fn replicated(replicas: u64) -> Object {
    service(&json!({ "Replicated": { "Replicas": replicas } }))
}

fn expected(replicas: Option<u64>) -> Expected {
    Expected { stack: "web".to_owned(), replicas, image: IMAGE.to_owned(), equal: false }
}

fn stack_gate() -> Planned {
    let gate = SwarmGate { stack: "web".to_owned(), service: None };
    planned(Gate { swarm: Some(gate), ..Gate::default() })
}

async fn judge(look: &Observed, expected: Expected) -> GateResult {
    judge_planned(stack_gate(), look, expected).await
}

async fn judge_planned(gate: Planned, look: &Observed, expected: Expected) -> GateResult {
    let expected = BTreeMap::from([("web_app".to_owned(), expected)]);
    run_over(&[gate], look, &expected).await.remove(0)
}

#[tokio::test]
async fn running_must_equal_desired() {
    let two = || vec![task("n1", "running"), task("n2", "running")];
    assert_passes(&judge(&look(replicated(2), two()), expected(Some(2))).await);
    let mut starting = two();
    starting[1] = Task { error: "no such image".to_owned(), ..task("n2", "rejected") };
    let one = judge(&look(replicated(2), starting), expected(Some(2))).await;
    assert_fails(&one, "`web_app` runs 1 of 2 tasks (a task is rejected: no such image)");
    let scaled = judge(&look(replicated(1), vec![task("n1", "running")]), expected(Some(2))).await;
    assert_fails(&scaled, "`web_app` is scaled to 1, declared are 2 replicas");
    let gone = judge(&Observed::default(), expected(Some(1))).await;
    assert_fails(&gone, "service `web_app` does not exist");
}

#[tokio::test]
async fn zero_replicas_hold_with_zero_tasks_and_are_counted() {
    let result = judge(&look(replicated(0), Vec::new()), expected(Some(0))).await;
    assert_passes(&result);
    assert!(result.summary.starts_with("1 of 1 services as declared"), "{}", result.summary);
    let left = judge(&look(replicated(0), vec![task("n1", "running")]), expected(Some(0))).await;
    assert_fails(&left, "runs 1 of 0 tasks");
}

#[tokio::test]
async fn the_image_must_be_the_declared_one_in_spec_and_task() {
    let mut other = replicated(1);
    other.raw["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = json!("app:1@sha256:bb");
    let stale = judge(&look(other.clone(), vec![task("n1", "running")]), expected(Some(1))).await;
    assert_fails(&stale, "is set to image `app:1@sha256:bb`, declared is `app:1@sha256:aa`");
    let task = Task { image: "app:1@sha256:cc".to_owned(), ..task("n1", "running") };
    let old = judge(&look(replicated(1), vec![task]), expected(Some(1))).await;
    assert_fails(&old, "a task of `web_app` runs image `app:1@sha256:cc`");
}

#[tokio::test]
async fn an_update_that_went_wrong_is_seen() {
    for (state, words) in [
        ("updating", "is still being updated: why"),
        ("paused", "has an update that was paused: why"),
        ("rollback_started", "is being rolled back: why"),
        ("rollback_paused", "has a rollback that was paused: why"),
        ("rollback_completed", "was rolled back: why"),
    ] {
        let mut service = replicated(1);
        service.raw["UpdateStatus"] = json!({ "State": state, "Message": "why" });
        assert_fails(&judge(&look(service, vec![task("n1", "running")]), expected(Some(1))).await, words);
    }
    let mut settled = replicated(1);
    settled.raw["UpdateStatus"] = json!({ "State": "completed", "Message": "update completed" });
    assert_passes(&judge(&look(settled.clone(), vec![task("n1", "running")]), expected(Some(1))).await);
    settled.raw["UpdateStatus"] = json!({ "State": "rollback_completed" });
    let equal = Expected { equal: true, ..expected(Some(1)) };
    assert_passes(&judge(&look(settled, vec![task("n1", "running")]), equal).await);
}

#[tokio::test]
async fn young_tasks_fail_only_where_something_changed() {
    let now = jiff::Timestamp::now().to_string();
    let young = look(replicated(1), vec![Task { since: now, ..task("n1", "running") }]);
    assert_passes(&judge(&young, expected(Some(1))).await);
    let soak = Some(holdfast::manifest::Duration::seconds(30));
    let gate = SwarmGate { stack: "web".to_owned(), service: Some("app".to_owned()) };
    let gate =
        || Planned { soak: true, ..planned(Gate { swarm: Some(gate.clone()), soak, ..Gate::default() }) };
    let result = judge_planned(gate(), &young, expected(Some(1))).await;
    assert_fails(&result, "the youngest task of `web_app` runs for");
    let old = look(replicated(1), vec![task("n1", "running")]);
    assert_passes(&judge_planned(gate(), &old, expected(Some(1))).await);
}

#[tokio::test]
async fn a_global_service_runs_on_every_eligible_node() {
    let global = || service(&json!({ "Global": {} }));
    let both = look(global(), vec![task("n1", "running"), task("n2", "running")]);
    assert_passes(&judge(&both, expected(None)).await);
    let mut one = look(global(), vec![task("n1", "running")]);
    assert_fails(&judge(&one, expected(None)).await, "does not run on node `n2`");
    one.nodes.insert("n2".to_owned(), node("n2", "drain"));
    assert_passes(&judge(&one, expected(None)).await);
    one.nodes.clear();
    assert_fails(&judge(&one, expected(None)).await, "no ready node may run it");
}

#[tokio::test]
async fn a_job_holds_when_its_last_execution_completed() {
    let mut job = service(&json!({ "ReplicatedJob": { "TotalCompletions": 2 } }));
    let done = vec![task("n1", "complete"), task("n2", "complete")];
    assert_passes(&judge(&look(job.clone(), done.clone()), expected(None)).await);
    job.raw["JobStatus"] = json!({ "JobIteration": { "Index": 7 } });
    let ran = |iteration| done.iter().cloned().map(|task| Task { iteration, ..task }).collect();
    assert_passes(&judge(&look(job.clone(), ran(Some(7))), expected(None)).await);
    let before = judge(&look(job, ran(Some(6))), expected(None)).await;
    assert_fails(&before, "job `web_app` completed 0 of 2 tasks");
}

#[tokio::test]
async fn a_job_of_every_node_has_completed_on_each_that_may_run_it_and_nowhere_is_not_everywhere() {
    let global = || service(&json!({ "GlobalJob": {} }));
    let both = look(global(), vec![task("n1", "complete"), task("n2", "complete")]);
    assert_passes(&judge(&both, expected(None)).await);
    let mut one = look(global(), vec![task("n1", "complete")]);
    assert_fails(&judge(&one, expected(None)).await, "has not completed on node `n2`");
    one.nodes.insert("n2".to_owned(), node("n2", "drain"));
    assert_passes(&judge(&one, expected(None)).await);
    // What a node did that is drained since is no word about the one that is not.
    one.nodes = [("n1".to_owned(), node("n1", "drain")), ("n2".to_owned(), node("n2", "active"))].into();
    assert_fails(&judge(&one, expected(None)).await, "has not completed on node `n2`");
    let mut none = look(global(), Vec::new());
    none.nodes.clear();
    assert_fails(&judge(&none, expected(None)).await, "no ready node may run it");
}

#[tokio::test]
async fn facts_of_the_swarm_and_its_networks() {
    let mut look = look(replicated(1), Vec::new());
    let raw = json!({ "Driver": "overlay", "Scope": "swarm" });
    let network = |raw: &Value| Object { name: "proxy".to_owned(), raw: raw.clone(), ..Object::default() };
    look.networks.insert("proxy".to_owned(), network(&raw));
    look.networks.insert("local".to_owned(), network(&json!({ "Driver": "bridge", "Scope": "local" })));
    let none = BTreeMap::new();
    let gates = [
        Check::Manager,
        Check::Network("proxy".into()),
        Check::Network("x".into()),
        Check::Network("local".into()),
    ]
    .map(planned);
    let results = run_over(&gates, &look, &none).await;
    assert_passes(&results[0]);
    assert_passes(&results[1]);
    assert_fails(&results[2], "network `x` does not exist");
    assert_fails(&results[3], "is a `bridge` network of scope `local`, no overlay");
    look.swarm = SwarmState::Inactive;
    assert_fails(&run_over(&gates[..1], &look, &none).await[0], "this node is in no swarm");
}

#[tokio::test]
async fn what_the_engine_does_not_say_is_unknown() {
    let other = run_over(&[stack_gate()], &Observed::default(), &BTreeMap::new()).await;
    assert_unknown(&other[0], "stack `web` is not in the manifest");
    let results = super::run_all(&[planned(Check::Manager)], &super::quick()).await;
    assert_unknown(&results[0], "the engine could not be asked: there is no engine here");
    assert_eq!(exit(&results), Exit::GateFailed);
}

#[tokio::test]
async fn absence_asks_for_the_log_of_the_service() {
    let look = look(replicated(1), vec![task("n1", "running")]);
    let gate = |pattern: &str, life: &str| {
        let gate = AbsenceGate {
            stack: "web".to_owned(),
            service: "app".to_owned(),
            pattern: pattern.to_owned(),
            proof_of_life: life.to_owned(),
            ..AbsenceGate::default()
        };
        planned(Gate { absence: Some(gate), ..Gate::default() })
    };
    let gates = [gate("acme", "listening"), gate("acme", "ready"), gate("listen", "listening")];
    let results = run_over(&gates, &look, &BTreeMap::new()).await;
    assert_passes(&results[0]);
    assert_unknown(&results[1], "no proof of life: none of 1 lines matches `ready`");
    assert_fails(&results[2], "1 of 1 lines since 1970-01-01T00:00:00.000Z match `listen`");
    assert_eq!(results[2].attempt_count, 1);
}

#[tokio::test]
async fn a_hundred_services_are_judged_in_no_time() {
    let mut look = Observed::default();
    let mut expected = BTreeMap::new();
    for number in 0..100 {
        let name = format!("web_app{number}");
        let service = Object { id: format!("s{number}"), name: name.clone(), ..replicated(1) };
        look.tasks.insert(service.id.clone(), vec![task("n1", "running")]);
        look.services.insert(name.clone(), service);
        expected.insert(name, self::expected(Some(1)));
    }
    let gate = Planned { address: Address::new(Kind::Stack, "web"), derived: true, ..stack_gate() };
    let sources = holdfast::gates::Sources {
        unit: None,
        host: None,
        forges: None,
        observed: Some(&look),
        observe: &|| Box::pin(async { Err("must not be asked".to_owned()) }),
        task_log: &|_, tally| Box::pin(async { Ok(tally) }),
        expected: &expected,
        declared: &std::collections::BTreeSet::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        changed: None,
    };
    let started = Instant::now();
    let results = holdfast::gates::verify(&[gate], &sources, &super::quick(), &mut |_| {}).await;
    let elapsed = started.elapsed();
    assert_passes(&results[0]);
    println!("100 services judged in {elapsed:?}");
    assert!(elapsed.as_millis() < 50, "{elapsed:?}");
}
