//! Proves: services start in waves, a failure holds back only what depends on it, jobs run once for each change, and
//! what an earlier run began is waited for.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::world::World;

/// A service of the world's image that runs a command.
fn service(command: &str, more: &str) -> String {
    format!(
        "    image: holdfast.invalid/app\n    entrypoint: [\"/bin/sh\", \"-c\", {command:?}]\n    stop_grace_period: 1s\n{more}"
    )
}

const FOREVER: &str = "trap exit TERM; while :; do sleep 1; done";
/// One that ends well when it is stopped for its health looks as if it had finished.
const LOUD: &str = "trap 'exit 1' TERM; while :; do sleep 1; done";
const DNSRR: &str = "    deploy:\n      endpoint_mode: dnsrr\n";

/// A world whose stacks are given: name, compose text, what it depends on.
fn world(stacks: &[(&str, String, &[&str])]) -> World {
    let world = World::new();
    write(&world, stacks);
    world
}

fn write(world: &World, stacks: &[(&str, String, &[&str])]) {
    world.edit(|manifest| {
        manifest["gates"] = json!({});
        // With fewer the engine forgets the task for which it went back.
        manifest["swarm"]["task_history"] = json!(5);
        manifest["stacks"] = json!({});
        for (name, text, depends_on) in stacks {
            std::fs::write(world.path(&format!("{name}.yml")), text).expect("compose file");
            let images: Value = text
                .lines()
                .filter_map(|line| {
                    line.strip_prefix("  ")?.strip_suffix(':').filter(|key| !key.starts_with(' '))
                })
                .map(|key| (key.to_owned(), json!("app")))
                .collect::<serde_json::Map<_, _>>()
                .into();
            manifest["stacks"][*name] =
                json!({"compose": [format!("{name}.yml")], "images": images, "depends_on": depends_on});
        }
    });
}

fn database(check: &str) -> String {
    let health = format!(
        "    healthcheck:\n      test: [\"CMD\", \"/bin/sh\", \"-c\", {check:?}]\n      interval: 500ms\n      timeout: 2s\n      retries: 4\n"
    );
    let wait = "    depends_on:\n      db:\n        condition: service_healthy\n";
    format!(
        "services:\n  db:\n{}  app:\n{}  alone:\n{}",
        service(&format!("sleep 2; : > /tmp/ready; {LOUD}"), &format!("{health}{DNSRR}")),
        service(FOREVER, &format!("{wait}{DNSRR}")),
        service(FOREVER, DNSRR)
    )
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> =
        world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]).lines().map(str::to_owned).collect();
    names.sort();
    names
}

fn inspect(world: &World, service: &str, format: &str) -> String {
    world.engine.docker(&["service", "inspect", service, "--format", format])
}

#[test]
fn a_wave_waits_for_health_and_a_failure_holds_back_only_what_depends_on_it() {
    let front = format!("services:\n  app:\n{}", service(FOREVER, DNSRR));
    let world = world(&[
        ("db", database("false"), &[]),
        ("aside", front.clone(), &[]),
        ("front", front.clone(), &["stack.db/service.db"]),
    ]);
    let plan = world.run(&["plan"]).expect(0).out;
    assert!(
        plan.contains("stack.db/service.app  create")
            && plan.contains("wave 2: once stack.db/service.db is healthy"),
        "{plan}"
    );
    assert!(plan.contains("wave 2: once stack.db/service.db runs"), "{plan}");
    assert_eq!(plan.matches("> stack.db/service.db  wait for it").count(), 1, "{plan}");
    assert!(plan.contains("at most ") && plan.contains(" s for its health check, twice"), "{plan}");

    let record = world.run(&["apply", "--json"]).expect(4).json();
    assert_eq!(names(&world), ["aside_app", "db_alone", "db_db"]);
    let held = record["held"].as_array().expect("held");
    for address in ["stack.db/service.app", "stack.front/service.app"] {
        assert!(
            held.iter().any(|one| one["address"] == address && one["because"] == "stack.db/service.db"),
            "{held:#?}"
        );
    }
    let outcome = |service: &str| {
        let steps = record["steps"].as_array().expect("steps").iter();
        let mut all = steps.filter_map(|step| step["services"].as_array()).flatten();
        all.find(|one| one["service"] == service).map(|one| one["outcome"].clone())
    };
    assert_eq!(outcome("db_db"), Some(json!("unhealthy")));
    assert_eq!(outcome("db_alone"), Some(json!("converged")));
    assert_eq!(outcome("aside_app"), Some(json!("converged")));

    // Once it is healthy the waves go on, and each begins after its gate.
    write(
        &world,
        &[
            ("db", database("test -e /tmp/ready"), &[]),
            ("aside", front.clone(), &[]),
            ("front", front, &["stack.db/service.db"]),
        ],
    );
    world.apply();
    assert_eq!(names(&world), ["aside_app", "db_alone", "db_app", "db_db", "front_app"]);
    let task = world.engine.docker(&["service", "ps", "db_db", "-q", "--filter", "desired-state=running"]);
    let healthy = world.engine.docker(&["inspect", &task, "--format", "{{json .Status.Timestamp}}"]);
    for service in ["db_app", "front_app"] {
        let made = inspect(&world, service, "{{json .CreatedAt}}");
        assert!(made > healthy, "{service} was made at {made}, db was healthy at {healthy}");
    }
    world.assert_settled();
}

#[test]
fn a_job_runs_once_for_each_change_and_what_waits_for_its_end_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("runs");
    let lines =
        || std::fs::read_to_string(&out).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let compose = |said: &str| {
        let mount = format!("    volumes:\n      - {}:/out\n", folder.path().display());
        let job = "    deploy:\n      mode: replicated-job\n      endpoint_mode: dnsrr\n      restart_policy:\n        condition: none\n";
        let once =
            "    deploy:\n      endpoint_mode: dnsrr\n      restart_policy:\n        condition: none\n";
        let wait = "    depends_on:\n      job:\n        condition: service_completed_successfully\n      once:\n        condition: service_completed_successfully\n";
        format!(
            "services:\n  job:\n{}  once:\n{}  after:\n{}",
            service(&format!("sleep 1; echo {said} >> /out/runs"), &format!("{mount}{job}")),
            service("sleep 2; echo once >> /out/runs", &format!("{mount}{once}")),
            service(&format!("echo after >> /out/runs; {FOREVER}"), &format!("{mount}{wait}{DNSRR}"))
        )
    };
    let world = world(&[("web", compose("one"), &[])]);
    let record = world.apply();
    let all = record["steps"].to_string();
    assert!(all.contains(r#""outcome":"completed","service":"web_job""#), "{all}");
    let first = lines();
    assert_eq!((first.len(), first.last().map(String::as_str)), (3, Some("after")), "{first:?}");
    world.assert_settled();
    assert_eq!(lines(), first, "a run that changes nothing ran a job");

    write(&world, &[("web", compose("two"), &[])]);
    world.apply();
    let second = lines();
    assert_eq!(second[3..], ["two"], "a changed job runs once, and nothing else does");
    world.assert_settled();
    assert_eq!(lines(), second);
}

#[test]
fn an_update_that_a_killed_run_began_is_waited_for_and_a_rollback_is_told_again() {
    let compose = |marker: &str, command: &str| {
        let health = "    healthcheck:\n      test: [\"CMD\", \"/bin/sh\", \"-c\", \"test -e /tmp/ready\"]\n      interval: 500ms\n      retries: 20\n";
        let policy = "    deploy:\n      endpoint_mode: dnsrr\n      update_config:\n        failure_action: rollback\n        monitor: 1s\n      restart_policy:\n        delay: 100ms\n";
        let more = format!("    environment:\n      MARKER: \"{marker}\"\n{health}{policy}");
        format!("services:\n  app:\n{}", service(command, &more))
    };
    let slow = format!("sleep 3; : > /tmp/ready; {FOREVER}");
    let world = world(&[("web", compose("1", &slow), &[])]);
    world.run(&["apply", "--no-verify"]).expect(0);

    write(&world, &[("web", compose("2", &slow), &[])]);
    let mut child =
        world.command(&["apply", "--no-verify"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.as_mut().expect("runs");
    let began = Instant::now();
    let state = || inspect(&world, "web_app", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}");
    while state() != "updating" {
        assert!(began.elapsed() < Duration::from_secs(30), "no update began");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("kill -9");
    child.wait().expect("it ends");
    let record = world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    assert_eq!((state().as_str(), &record["writes"]), ("completed", &json!(0)), "{:#}", record["steps"]);
    assert_eq!(record["steps"][0]["verb"], "await", "{:#}", record["steps"]);

    write(&world, &[("web", compose("3", "echo last words; exit 3"), &[])]);
    for _ in 0..2 {
        let record = world.run(&["apply", "--json"]).expect(4).json();
        let error = record["steps"].to_string();
        assert!(error.contains("swarm rolled it back") && error.contains("last words"), "{error}");
        assert_eq!(state(), "rollback_completed");
    }
    // What was asked for before runs, and is equal once it is asked for again.
    write(&world, &[("web", compose("2", &slow), &[])]);
    world.apply();
    world.assert_settled();
}
