//! Proves: an engine that restarts while services converge costs no more than time, or a reason.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::world::{Ran, World};

/// Three tasks that are replaced one by one, each healthy after a moment.
const ROLL: &str = r#"
services:
  app:
    image: holdfast.invalid/app
    environment: { ROUND: "@" }
    healthcheck:
      test: ["CMD-SHELL", "test -e /tmp/late || { sleep 1; echo > /tmp/late; }"]
      interval: 200ms
      timeout: 20s
    stop_grace_period: 1s
    networks: [proxy]
    deploy:
      endpoint_mode: dnsrr
      replicas: 3
      restart_policy: { delay: 500ms }
      update_config: { parallelism: 1, monitor: 1s }
networks:
  proxy:
    external: true
"#;

/// Declares the stack `roll` in this round, and nothing else.
fn declare(world: &World, round: &str) {
    std::fs::write(world.path("roll.yml"), ROLL.replace('@', round)).expect("roll.yml");
    world.edit(|manifest| {
        manifest["stacks"] =
            json!({ "roll": { "compose": ["roll.yml"], "images": { "app": "app" }, "deadline": "90s" } });
        drop(manifest.as_object_mut().map(|manifest| manifest.remove("gates")));
    });
}

/// Ids of the containers that run.
fn containers(world: &World) -> String {
    world.engine.docker(&["ps", "-q", "--filter", "label=com.docker.swarm.service.name=roll_app"])
}

/// The environment of the tasks that run, sorted; and the ids of all services.
fn running(world: &World) -> (Vec<String>, String) {
    let ids = containers(world);
    let env = |id: &str| world.engine.docker(&["inspect", "--format", "{{index .Config.Env 0}}", id]);
    let mut tasks: Vec<String> = ids.lines().map(env).collect();
    tasks.sort();
    (tasks, world.engine.docker(&["service", "ls", "-q"]))
}

/// Applies, and restarts the engine by this signal as soon as `when` says so of the service.
fn apply_restarted(world: &World, signal: &str, when: &dyn Fn(&World) -> bool) -> Ran {
    let mut child = world.command(&["apply", "--no-verify", "--json"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let began = Instant::now();
    while !when(world) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came so far");
        std::thread::sleep(Duration::from_millis(50));
    }
    world.engine.stop(signal);
    world.engine.restart();
    Ran::new(&child.wait_with_output().expect("it ends"))
}

/// The state of its update.
fn update_state(world: &World) -> String {
    let state = "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}";
    let output = world.engine.docker_output(&["service", "inspect", "--format", state, "roll_app"]);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a run that met the restart says, and that the next one makes it good without making anything twice.
fn made_good(world: &World, ran: &Ran, round: &str) {
    assert!([0, 4, 75].contains(&ran.code), "exit {}:\n{}", ran.code, ran.err);
    let record = ran.json();
    let steps = record["steps"].as_array().expect("steps").iter();
    let failed = steps.filter(|step| step["error"].is_string() && step["again"] != true).count();
    let told = failed > 0 || record["errors"] != json!([]);
    assert_eq!(told, ran.code != 0, "an exit code without a reason, or the other way round: {record:#}");

    world.run(&["apply", "--no-verify"]).expect(0);
    let (tasks, services) = running(world);
    assert_eq!(tasks, vec![format!("ROUND={round}"); 3]);
    assert_eq!(services.lines().count(), 1, "{services}");
    let again = world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])), "{again:#}");
}

#[test]
fn an_engine_that_restarts_while_services_converge_is_waited_for_or_told_of() {
    let world = World::new();
    for signal in ["TERM", "KILL"] {
        declare(&world, "one");
        let ran = apply_restarted(&world, signal, &|world| !containers(world).is_empty());
        println!("{signal} in a first deployment: exit {}", ran.code);
        made_good(&world, &ran, "one");

        let before = running(&world).1;
        declare(&world, "two");
        let ran = apply_restarted(&world, signal, &|world| {
            update_state(world) == "updating" && running(world).0.contains(&"ROUND=two".to_owned())
        });
        println!("{signal} in a rolling update: exit {}", ran.code);
        made_good(&world, &ran, "two");
        assert_eq!(running(&world).1, before, "it is the same service");
        world.engine.docker(&["service", "rm", "roll_app"]);
        while !containers(&world).is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
