//! Proves: what fails holds back only what needs it, and one service of a stack is waited for and proven by itself.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::world::{OTHER, World};

/// The first task ends, and that is the end of it: it fails as fast as anything can.
const BAD: &str = r#"
services:
  app:
    image: holdfast.invalid/app
    entrypoint: ["/bin/sh", "-c", "echo no use; exit 3"]
    deploy:
      restart_policy:
        condition: none
"#;

fn with_stack(world: &World, name: &str, text: &str) {
    let file = format!("{name}.yml");
    std::fs::write(world.path(&file), text).expect("a compose file");
    world.edit(|manifest| {
        manifest["stacks"][name] = json!({ "compose": [file], "images": { "app": "app" } });
    });
}

fn addresses(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one["address"].as_str().expect("an address").to_owned()).collect()
}

#[test]
fn a_stack_that_fails_early_stops_neither_the_others_nor_a_part_that_is_asked_for() {
    let world = World::new();
    with_stack(&world, "bad", BAD);
    // `bad` is made, and fails, one stage before `web`, whose secret must be there first.
    let record = world.run(&["apply", "--json"]).expect(4).json();
    let failed: Vec<&Value> = record["steps"].as_array().expect("steps").iter().collect();
    let failed: Vec<_> = failed.iter().filter(|step| !step["error"].is_null()).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0]["address"] == "stack.bad" && failed[0]["verb"] == "await", "{failed:#?}");
    assert!(addresses(&record["steps"]).contains(&"stack.web".to_owned()), "`web` was not waited for");
    assert_eq!(record["held"], json!([]));
    assert_eq!(world.run(&["verify", "--only", "stack.web", "--json"]).expect(0).json()["exit"], "ok");

    // What leaves waits for everything that stays: it is held back, and told so.
    with_stack(&world, "bad", &BAD.replace("exit 3", "exit 4"));
    world.edit(|manifest| {
        manifest["stacks"]["bad"] = json!({ "compose": ["bad.yml"], "images": { "app": "app" } });
        drop(manifest["stacks"].as_object_mut().map(|stacks| stacks.remove("web")));
        drop(manifest.as_object_mut().map(|manifest| manifest.remove("gates")));
    });
    let record = world.run(&["apply", "--json"]).expect(4).json();
    let held = json!({ "address": "stack.web/service.app", "because": "stack.bad" });
    assert!(record["held"].as_array().expect("held").contains(&held), "{:#}", record["held"]);
    assert!(world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]).contains("web_app"));

    // A stack that is refused as a whole stops the whole, and no part that has nothing to do with it.
    with_stack(&world, "bad", &BAD.replace("deploy:", "deploy:\n      mode: global"));
    let refused = world.run(&["apply"]).expect(78);
    assert!(refused.err.contains("stack.bad/service.app"), "{}", refused.err);
    std::fs::write(world.path("page.html"), "hello again\n").expect("page.html");
    world.run(&["apply", "--only", "stack.web"]).expect(0);
    world.run(&["verify", "--only", "stack.web"]).expect(0);
    world.run(&["apply", "--only", "stack.bad"]).expect(78);

    with_stack(&world, "bad", OTHER);
    world.apply();
    world.assert_settled();
}

#[test]
fn one_service_is_waited_for_and_proven_by_itself() {
    let world = World::new();
    world.run(&["apply", "--no-verify"]).expect(0);
    std::fs::write(world.path("page.html"), "hello again\n").expect("page.html");
    let part = ["apply", "--only", "stack.web/service.app", "--json"];
    let record = world.run(&part).expect(0).json();
    let steps = addresses(&record["steps"]);
    assert_eq!(steps.last().map(String::as_str), Some("stack.web/service.app"), "{steps:?}");
    let last = record["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert_eq!(last["verb"], "await", "{steps:?}");
    assert_eq!(addresses(&record["gates"]), ["stack.web/service.app"]);
    assert_eq!(record["gates"][0]["verdict"], "pass");

    let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
    let crash = "    entrypoint: [\"/bin/sh\", \"-c\", \"exit 3\"]\n    networks: [proxy]\n";
    std::fs::write(world.path("web.yml"), text.replace("    networks: [proxy]\n", crash)).expect("web.yml");
    let record = world.run(&part).expect(4).json();
    let last = record["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    assert!(last["error"].as_str().is_some_and(|error| error.contains("non-zero exit (3)")), "{last:#}");
}

#[test]
fn a_field_that_the_engine_would_drop_is_refused_by_name_before_anything_is_written() {
    let world = World::new();
    // Known since API 1.44; an older engine takes it and forgets it.
    let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
    let check = "    healthcheck:\n      test: [\"CMD\", \"/bin/true\"]\n      interval: 1s\n      start_interval: 1s\n    networks: [proxy]\n";
    std::fs::write(world.path("web.yml"), text.replace("    networks: [proxy]\n", check)).expect("web.yml");
    let said = world.run(&["apply"]).expect(78).err;
    for words in ["stack.web/service.app", "Healthcheck.StartInterval`", "20.10.24", "API 1.41", "API 1.44"] {
        assert!(said.contains(words), "`{words}` is not said:\n{said}");
    }
    assert!(world.engine.docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]).contains("inactive"));
}

#[test]
fn a_proof_of_life_from_the_start_of_a_task_serves_every_later_run() {
    let world = World::new();
    let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
    let says = |words: &str| {
        let line =
            format!("    entrypoint: [\"/bin/sh\", \"-c\", \"{words}; exec httpd -f -p 8080 -h /www\"]\n");
        std::fs::write(
            world.path("web.yml"),
            text.replace("    networks: [proxy]\n", &format!("{line}    networks: [proxy]\n")),
        )
        .expect("web.yml");
    };
    let quiet = |pattern: &str, since: &str| {
        world.edit(|manifest| {
            let mut absence =
                json!({ "stack": "web", "service": "app", "pattern": pattern, "proof_of_life": "^ready$" });
            if since != "run" {
                absence["since"] = json!(since);
            }
            manifest["gates"] = json!({ "quiet": { "absence": absence, "soak": "1s", "deadline": "20s" } });
        });
    };
    let gate = |args: &[&str], code: i32| {
        let gates = world.run(args).expect(code).json()["gates"].clone();
        let gate = gates.as_array().expect("gates").iter().find(|gate| gate["address"] == "gate.quiet");
        let gate = gate.expect("the gate");
        (gate["verdict"].as_str().unwrap_or_default().to_owned(), gate["summary"].to_string())
    };
    says("echo oops; echo ready");
    quiet("panic", "run");
    assert_eq!(gate(&["apply", "--json"], 0).0, "pass", "the run made the task");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(gate(&["verify", "--json"], 0).0, "pass", "the run found the task");
    // Another manifest: nothing counts as proven, and no task is made.
    quiet("panic|fatal", "run");
    assert_eq!(gate(&["apply", "--json"], 0).0, "pass", "the run changed something, but not the task");

    // What was written before the run does not count, unless the whole log is asked for.
    quiet("oops", "run");
    assert_eq!(gate(&["verify", "--json"], 0).0, "pass", "an old line counted");
    quiet("oops", "task");
    let (verdict, summary) = gate(&["verify", "--json"], 3);
    assert!(verdict == "fail" && summary.contains("1 of 2 lines match"), "{summary}");

    // Another process proves what an apply has changed: from the start of that apply on.
    quiet("oops", "run");
    says("echo oops; echo ready; echo more");
    world.run(&["apply", "--no-verify"]).expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    for _ in 0..2 {
        let (verdict, summary) = gate(&["verify", "--json"], 3);
        assert!(verdict == "fail" && summary.contains("1 of 3 lines since"), "{summary}");
    }
    // A later apply finds a task of before, and proves it from now on.
    assert_eq!(gate(&["apply", "--json"], 0).0, "pass", "an old line failed a later run");
    assert_eq!(gate(&["verify", "--json"], 0).0, "pass", "it was proven");

    // What is written while the run goes on counts; what the replaced task wrote does not.
    says("echo ready; { while sleep 0.3; do echo oops; done; } & true");
    assert_eq!(gate(&["apply", "--json"], 3).0, "fail");
    says("echo ready");
    assert_eq!(gate(&["apply", "--json"], 0).0, "pass", "the old task's line counted");
}
