//! Proves: what a run wrote and did not see converge is no success of a later one, and each service of a stack is waited
//! for on its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::killed::through;
use crate::support::relay::When;
use crate::support::world::World;

/// Declares the stack `odd` with one service per script, and nothing else.
fn declare(world: &World, services: &[(&str, &str, &str)], deadline: &str) {
    let mut text = "services:\n".to_owned();
    for (name, script, more) in services {
        let service = format!(
            "  {name}:\n    image: holdfast.invalid/app\n    entrypoint: [\"/bin/sh\", \"-c\", \"{script}\"]\n    \
             stop_grace_period: 1s\n    networks: [proxy]\n{more}"
        );
        text.push_str(&service);
    }
    std::fs::write(world.path("odd.yml"), text + "networks:\n  proxy:\n    external: true\n")
        .expect("odd.yml");
    world.edit(|manifest| {
        let images: BTreeMap<&str, &str> = services.iter().map(|(name, _, _)| (*name, "app")).collect();
        let stack = json!({ "compose": ["odd.yml"], "images": images, "deadline": deadline });
        manifest["stacks"] = json!({ "odd": stack });
        drop(manifest.as_object_mut().map(|manifest| manifest.remove("gates")));
    });
}

fn deploy(more: &str) -> String {
    format!("    deploy:\n      endpoint_mode: dnsrr\n{more}")
}

fn eventually(what: &str, is_so: &dyn Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn inspect(world: &World, format: &str) -> String {
    let output = world.engine.docker_output(&["service", "inspect", "--format", format, "odd_app"]);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn unproven(world: &World, code: i32) -> Value {
    world.run(&["apply", "--no-verify", "--json"]).expect(code).json()
}

/// Every service that a record waited for, with its outcome.
fn outcomes(record: &Value) -> BTreeMap<String, String> {
    let steps = record["steps"].as_array().expect("steps").iter();
    let services = steps.filter_map(|step| step["services"].as_array()).flatten();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    services.map(|one| (text(one, "service"), text(one, "outcome"))).collect()
}

#[test]
fn a_service_that_a_killed_run_wrote_is_green_only_once_it_was_seen_to_converge() {
    let world = World::new();
    declare(&world, &[("app", "sleep 600", &deploy("      replicas: 0\n"))], "60s");
    unproven(&world, 0);

    // It runs at most moments, and ends again and again: one look finds nothing wrong.
    let restart =
        "      restart_policy: { delay: 100ms }\n      update_config: { failure_action: continue }\n";
    declare(&world, &[("app", "sleep 1; exit 3", &deploy(restart))], "60s");
    through(&world, Some((1, When::After)));
    let runs = || {
        !world
            .engine
            .docker(&["ps", "-q", "--filter", "label=com.docker.swarm.service.name=odd_app"])
            .is_empty()
    };
    eventually("its update is over, and it runs", &|| {
        inspect(&world, "{{.UpdateStatus.State}}") != "updating" && runs()
    });
    let record = unproven(&world, 4);
    assert_eq!(record["writes"], 0, "{record:#}");
    assert_eq!(outcomes(&record)["odd_app"], "crash-loop", "{record:#}");
    // Nor is it green after a run that saw it fail.
    eventually("it runs", &runs);
    let planned = world.run(&["plan", "--json", "--detailed-exitcode"]).expect(0).json();
    assert_eq!(planned["plan"]["steps"][0]["verb"], "await", "{planned:#}");
    eventually("it runs", &runs);
    unproven(&world, 4);

    declare(&world, &[("app", "sleep 600", &deploy(""))], "60s");
    unproven(&world, 0);
    let again = unproven(&world, 0);
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])));
}

#[test]
fn an_update_that_swarm_paused_goes_on_with_the_next_run() {
    let world = World::new();
    std::fs::create_dir(world.path("flag")).expect("a folder");
    let flag = world.path("flag");
    let mount = format!("    volumes: [\"{}:/flag\"]\n", flag.display());
    let with = |deploy: &str| format!("{mount}{deploy}");
    let more =
        "      replicas: 2\n      restart_policy: { delay: 200ms }\n      update_config: { monitor: 1s }\n";
    declare(&world, &[("app", "sleep 600", &with(&deploy(more)))], "60s");
    unproven(&world, 0);

    // What it needs is not there yet; nobody sees that, and Swarm pauses the update with half of it done.
    let needs = "test -e /flag/ok || exit 3; sleep 601";
    declare(&world, &[("app", needs, &with(&deploy(more)))], "60s");
    through(&world, Some((1, When::After)));
    eventually("swarm pauses it", &|| inspect(&world, "{{.UpdateStatus.State}}") == "paused");
    std::fs::write(flag.join("ok"), "").expect("the flag");
    let planned = world.run(&["plan", "--detailed-exitcode"]).expect(2).out;
    assert!(planned.contains("goes on with the update that swarm paused"), "{planned}");
    let record = unproven(&world, 0);
    assert_eq!((record["writes"].as_u64(), outcomes(&record)["odd_app"].as_str()), (Some(1), "converged"));
    let tasks =
        world.engine.docker(&["ps", "--no-trunc", "--filter", "label=com.docker.swarm.service.name=odd_app"]);
    assert_eq!(tasks.matches("sleep 601").count(), 2, "{tasks}");
    let again = unproven(&world, 0);
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])));
}

#[test]
fn one_service_that_fails_leaves_the_others_of_its_stack_their_time() {
    let world = World::new();
    let once = deploy("      restart_policy: { condition: none }\n");
    let check = |test: &str| {
        format!(
            "    healthcheck: {{ test: [\"CMD-SHELL\", \"{test}\"], interval: 300ms, timeout: 30s, retries: 1000 }}\n{}",
            deploy("")
        )
    };
    let late = check("test -e /tmp/late || { sleep 4; echo > /tmp/late; }");
    let services = [
        ("bad", "echo last words; exit 3", once.as_str()),
        ("late", "sleep 600", &late),
        ("never", "sleep 600", &check("exit 1")),
        ("worse", "echo famous words; exit 4", &once),
    ];
    declare(&world, &services, "14s");
    let record = unproven(&world, 4);
    let told = outcomes(&record);
    let wanted = [
        ("odd_bad", "crash-loop"),
        ("odd_late", "converged"),
        ("odd_never", "deadline"),
        ("odd_worse", "crash-loop"),
    ];
    assert_eq!(
        told,
        wanted.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into(),
        "{record:#}"
    );
    let step = record["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    let time = step["elapsed_ms"].as_u64().unwrap_or_default();
    assert!((14_000..20_000).contains(&time), "the deadline is 14 s, the wait took {time} ms");
    let (error, detail) = (step["error"].as_str().unwrap_or_default(), step["detail"].to_string());
    assert!(error.contains("did not converge") && error.contains("nor did 2 more"), "{error}");
    for words in ["last words", "famous words", "`odd_never` did not converge: time is up"] {
        assert!(detail.contains(words), "`{words}` is not said: {detail}");
    }
}
