//! Waiting: what converges, and what never will, each with its reason.

use std::time::{Duration, Instant};

use holdfast::plan::{Awaited, SwarmAction};
use holdfast::report::{Outcome, ServiceOutcome};
use holdfast::swarm::{ConvergeError, Reason, Waiting};
use serde_json::json;

use super::*;

const LONG: Duration = Duration::from_secs(90);

async fn create(engine: &Engine, body: &Value) {
    execute(engine, SwarmAction::CreateService(body.clone())).await.unwrap();
}

async fn converge(
    engine: &Engine,
    name: &str,
    deadline: Duration,
) -> Result<Vec<ServiceOutcome>, ConvergeError> {
    engine.converge(&[Awaited::new(name)], deadline, &mut |_| ()).await
}

async fn update(engine: &Engine, spec: Value) {
    let name = spec["Name"].as_str().unwrap_or_default().to_owned();
    let here = observe(engine).await;
    let (id, version) = (here.services[&name].id.clone(), here.services[&name].version);
    execute(engine, SwarmAction::UpdateService { id, version, spec }).await.unwrap();
}

#[tokio::test]
async fn a_service_that_crashes_at_once_is_told_with_error_exit_code_and_log() {
    let (_machine, engine) = swarm().await;
    // A busy engine tells of an end late: half a second of running would be believed too soon.
    let patient = |spec| with(spec, "/UpdateConfig/Monitor", json!(3_000_000_000_u64));
    create(&engine, &patient(service("crash", "echo starting; echo cannot open /nowhere >&2; exit 7"))).await;
    let began = Instant::now();
    let error = converge(&engine, "crash", LONG).await.unwrap_err();
    let Reason::CrashLoop { exit_code: Some(7), failures, .. } = &error.reason else { panic!("{error:?}") };
    assert!(*failures >= 3 && began.elapsed() < LONG / 2, "{error:?}");
    // The two streams come over two pipes, in either order.
    assert!(error.log.len() == 2 && error.log.iter().any(|line| line == "cannot open /nowhere"), "{error:?}");
    assert!(error.to_string().contains("exit code 7"), "{error}");

    let once = patient(service("once", "exit 9"));
    let once = with(once, "/TaskTemplate/RestartPolicy", json!({"Condition": "none"}));
    create(&engine, &once).await;
    let error = converge(&engine, "once", LONG).await.unwrap_err();
    assert!(matches!(error.reason, Reason::CrashLoop { exit_code: Some(9), failures: 1, .. }), "{error:?}");

    let done = with(service("done", "exit 0"), "/TaskTemplate/RestartPolicy", json!({"Condition": "none"}));
    create(&engine, &done).await;
    converge(&engine, "done", LONG).await.unwrap();
    let job = with(service("job", "exit 0"), "/Mode", json!({"ReplicatedJob": {"TotalCompletions": 2}}));
    let mut job = with(job, "/TaskTemplate/RestartPolicy", json!({"Condition": "none"}));
    job.as_object_mut().unwrap().remove("UpdateConfig");
    create(&engine, &job).await;
    converge(&engine, "job", LONG).await.unwrap();
}

#[tokio::test]
async fn a_service_that_never_becomes_healthy_is_told_as_such() {
    let (_machine, engine) = swarm().await;
    let check = json!({"Test": ["CMD-SHELL", "echo not yet; exit 1"], "Interval": 300_000_000, "Timeout": 1_000_000_000, "Retries": 2});
    let sick =
        with(service("sick", "echo up; sleep 600"), "/TaskTemplate/ContainerSpec/Healthcheck", check.clone());
    create(&engine, &sick).await;
    let error = converge(&engine, "sick", LONG).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Unhealthy { failures: 2, .. }), "{error:?}");
    assert_eq!(error.log, ["up"]);

    // Time is up before the check has given up.
    let slow = with(check, "/Retries", json!(1000));
    let slow = with(service("slow", "sleep 600"), "/TaskTemplate/ContainerSpec/Healthcheck", slow);
    create(&engine, &slow).await;
    let error = converge(&engine, "slow", Duration::from_secs(3)).await.unwrap_err();
    let Reason::Deadline { missing, .. } = &error.reason else { panic!("{error:?}") };
    assert_eq!(missing, "0 of 1 running, a task is starting (health check)");

    let well = json!({"Test": ["CMD", "/bin/true"], "Interval": 300_000_000});
    create(&engine, &with(service("well", "sleep 600"), "/TaskTemplate/ContainerSpec/Healthcheck", well))
        .await;
    converge(&engine, "well", LONG).await.unwrap();
}

#[tokio::test]
async fn what_no_node_can_run_is_told_early() {
    let (_machine, engine) = swarm().await;
    let image = json!("holdfast.invalid/app:0123456789ab");
    create(&engine, &with(service("noimage", "exit 0"), "/TaskTemplate/ContainerSpec/Image", image)).await;
    let error = converge(&engine, "noimage", LONG).await.unwrap_err();
    let Reason::ImageMissing { image, .. } = &error.reason else { panic!("{error:?}") };
    assert_eq!(image, "holdfast.invalid/app:0123456789ab");

    let mount = json!([{"Type": "bind", "Source": "/nowhere", "Target": "/x"}]);
    create(&engine, &with(service("nobind", "exit 0"), "/TaskTemplate/ContainerSpec/Mounts", mount)).await;
    let error = converge(&engine, "nobind", LONG).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere"), "{error}");

    let nowhere = json!({"Constraints": ["node.labels.disk==fast"]});
    create(&engine, &with(service("nonode", "exit 0"), "/TaskTemplate/Placement", nowhere.clone())).await;
    let mut seen = Vec::new();
    let error = engine
        .converge(&[Awaited::new("nonode")], LONG, &mut |waiting| seen.push(waiting.clone()))
        .await
        .unwrap_err();
    let node = observe(&engine).await.nodes.values().next().unwrap().raw["Description"]["Hostname"].clone();
    let node = node.as_str().unwrap();
    assert_eq!(error.reason.outcome(), Outcome::Unschedulable);
    assert!(
        error.to_string().contains(&format!("no node has label disk=fast; nodes: {node} (no disk)")),
        "{error}"
    );
    // No node will grow a label by being waited for.
    assert!(error.elapsed < Duration::from_secs(10), "{error:?}");
    let told = seen.last().unwrap();
    assert!(told.deadline == LONG && told.elapsed > seen.first().unwrap().elapsed);
    assert!(told.to_string().contains("no suitable node"), "{told}");

    let everywhere = with(service("global", "exit 0"), "/Mode", json!({"Global": {}}));
    create(&engine, &with(everywhere, "/TaskTemplate/Placement", nowhere)).await;
    let error = converge(&engine, "global", LONG).await.unwrap_err();
    assert!(error.to_string().contains("no node has label disk=fast"), "{error}");

    let large = json!({"Reservations": {"MemoryBytes": 64_u64 << 40}});
    for mode in ["Replicated", "Global"] {
        let name = format!("large-{mode}");
        let body = with(service(&name, "exit 0"), "/Mode", json!({mode: {}}));
        create(&engine, &with(body, "/TaskTemplate/Resources", large.clone())).await;
        let error = converge(&engine, &name, LONG).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("node {node} has ")) && text.contains("65536 GiB"), "{text}");
        assert!(error.elapsed < Duration::from_secs(10), "{error:?}");
    }

    let error = converge(&engine, "nobody", LONG).await.unwrap_err();
    assert_eq!(error.reason, Reason::Removed);
}

#[tokio::test]
async fn a_rollback_and_a_pause_are_failures_although_the_service_runs() {
    let (_machine, engine) = swarm().await;
    for action in ["rollback", "pause"] {
        let good = with(service(action, "sleep 600"), "/UpdateConfig/FailureAction", json!(action));
        create(&engine, &good).await;
        converge(&engine, action, LONG).await.unwrap();
        update(
            &engine,
            with(good.clone(), "/TaskTemplate/ContainerSpec/Command/2", json!("echo bad; exit 4")),
        )
        .await;
        let error = converge(&engine, action, LONG).await.unwrap_err();
        match (&error.reason, action) {
            (Reason::RolledBack { message }, "rollback") | (Reason::Paused { message }, "pause") => {
                assert!(!message.is_empty());
            }
            _ => panic!("{error:?}"),
        }
        // The next good spec converges again.
        update(&engine, with(good, "/TaskTemplate/ContainerSpec/Env", json!(["A=2"]))).await;
        converge(&engine, action, LONG).await.unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_restarts_in_the_middle_is_waited_for() {
    let (machine, engine) = swarm().await;
    create(&engine, &service("before", "sleep 600")).await;
    converge(&engine, "before", LONG).await.unwrap();
    let check = json!({"Test": ["CMD-SHELL", "test -e /tmp/late || { sleep 3; touch /tmp/late; }"], "Interval": 1_000_000_000, "Timeout": 30_000_000_000_u64});
    create(&engine, &with(service("late", "sleep 600"), "/TaskTemplate/ContainerSpec/Healthcheck", check))
        .await;
    let names = ["before", "late"].map(Awaited::new);
    let mut gone = 0;
    let mut look = |waiting: &Waiting| gone += usize::from(waiting.engine.is_some());
    let restarted = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let restart = move || {
            machine.kill();
            std::thread::sleep(Duration::from_secs(1));
            machine.restart();
            machine
        };
        tokio::task::spawn_blocking(restart).await.unwrap()
    };
    let (waited, machine) = tokio::join!(engine.converge(&names, LONG, &mut look), restarted);
    waited.unwrap();
    assert!(gone > 0, "the engine was never seen to be gone");
    assert_eq!(observe(&engine).await.services.len(), 2);

    machine.kill();
    let error = converge(&engine, "before", Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error.reason, Reason::EngineGone { .. }), "{error:?}");
    assert_eq!(error.exit().code(), 75);
    machine.restart();
}
