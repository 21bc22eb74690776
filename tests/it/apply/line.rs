//! Proves: one apply makes and proves everything, a second one writes nothing, destroy leaves nothing.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::Value;

use crate::support::engine::Flavour;
use crate::support::world::{CANARY, World};

fn addresses(steps: &Value) -> Vec<&str> {
    steps.as_array().expect("steps").iter().map(|step| step["address"].as_str().expect("address")).collect()
}

#[test]
fn from_nothing_to_proven_and_a_second_run_writes_nothing() {
    from_nothing_to_proven(Flavour::Debian);
}

#[test]
fn the_newest_engine_too_comes_from_nothing_to_proven_and_a_second_run_writes_nothing() {
    from_nothing_to_proven(Flavour::Moby);
}

fn from_nothing_to_proven(flavour: Flavour) {
    let world = World::on(flavour);
    let plan = world.run(&["plan", "--detailed-exitcode"]).expect(2);
    for wanted in ["swarm", "network.proxy", "image.app", "stack.web/service.app", "known after apply"] {
        assert!(plan.out.contains(wanted), "the plan does not say `{wanted}`:\n{}", plan.out);
    }
    assert!(!world.engine.docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]).contains("active\n"));

    let record = world.apply();
    let gates = addresses(&record["gates"]);
    for wanted in ["swarm", "network.proxy", "secret.token", "template.env", "stack.web", "gate.page"] {
        assert!(gates.contains(&wanted), "`{wanted}` was not proven: {gates:?}");
    }
    let env = std::fs::read_to_string(world.run_dir().join("secrets/rendered/env")).expect("the template");
    assert_eq!(env, format!("TOKEN={CANARY}\n"));

    let before = world.engine.docker(&["ps", "--no-trunc", "-q"]);
    world.assert_settled();
    assert_eq!(world.engine.docker(&["ps", "--no-trunc", "-q"]), before, "a container was replaced");
    world.run(&["plan", "--detailed-exitcode"]).expect(0);
    world.run(&["verify"]).expect(0);

    let destroyed = world.run(&["destroy", "--json"]).expect(0).json();
    assert!(addresses(&destroyed["steps"]).contains(&"stack.web/service.app"));
    for kind in [["service", "ls"], ["secret", "ls"], ["config", "ls"]] {
        assert_eq!(world.engine.docker(&[kind[0], kind[1], "-q"]), "", "{kind:?}");
    }
    assert!(!world.engine.docker(&["network", "ls"]).contains("proxy"));
    assert!(!world.run_dir().join("secrets").exists(), "decrypted files stay after destroy");
}

/// Names of secrets, and of configs without the mirrors of the record.
fn objects(world: &World) -> (Vec<String>, Vec<String>) {
    let names = |kind: &str| -> Vec<String> {
        let names = world.engine.docker(&[kind, "ls", "--format", "{{.Name}}"]);
        let mut names: Vec<String> =
            names.lines().filter(|name| !name.starts_with("holdfast_")).map(str::to_owned).collect();
        names.sort();
        names
    };
    (names("secret"), names("config"))
}

#[test]
fn a_changed_secret_config_and_service_roll_and_old_objects_stay_only_while_something_goes_back_to_them() {
    roll(Flavour::Debian);
}

#[test]
fn on_the_newest_engine_too_old_objects_stay_only_while_something_goes_back_to_them() {
    roll(Flavour::Moby);
}

fn roll(flavour: Flavour) {
    let world = World::on(flavour);
    // Gates would only take time, and prove nothing of this.
    let apply = || world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    let keep = |generations: u64, objects: u64| {
        world.edit(|manifest| {
            manifest["keep"] = serde_json::json!({ "generations": generations, "objects": objects });
        });
    };
    let change = |value: &str| {
        world.seal(value);
        std::fs::write(world.path("page.html"), format!("hello {value}\n")).expect("page.html");
    };
    keep(0, 0);
    apply();
    let first = objects(&world);
    change("two");
    let plan = world.run(&["plan"]).expect(0);
    assert!(!plan.out.contains("two") && !plan.err.contains("two"), "a value is printed: {}", plan.out);
    apply();
    let second = objects(&world);
    assert_eq!((second.0.len(), second.1.len()), (2, 2), "the engine cannot roll back: {second:?}");
    assert_eq!(apply()["writes"], 0);
    change("three");
    apply();
    let third = objects(&world);
    assert_eq!((third.0.len(), third.1.len()), (2, 2), "{third:?}");
    assert!(!third.0.contains(&first.0[0]) && !third.1.contains(&first.1[0]), "the oldest stay: {third:?}");
    assert_eq!(apply()["writes"], 0);

    // The engine's own way back works, and what is kept beyond it is a number of versions.
    world.engine.docker(&["service", "rollback", "-q", "web_app"]);
    world.engine.docker(&["service", "rollback", "-q", "web_app"]);
    keep(0, 5);
    change("four");
    apply();
    change("five");
    apply();
    assert_eq!(objects(&world).0.len(), 4, "versions two to five");
    keep(0, 1);
    apply();
    assert_eq!(objects(&world).0.len(), 2, "versions four and five");
    assert_eq!(apply()["writes"], 0);
}

#[test]
fn what_leaves_the_manifest_goes_and_nothing_else() {
    let world = World::new();
    world.apply();
    world.engine.docker(&["network", "create", "-d", "overlay", "foreign"]);
    world.engine.docker(&[
        "service",
        "create",
        "-q",
        "--detach",
        "--replicas",
        "0",
        "--name",
        "foreign",
        "busybox",
    ]);
    world.edit(|manifest| {
        manifest["stacks"] = serde_json::json!({});
        manifest["networks"] = serde_json::json!({});
        manifest["gates"] = serde_json::json!({});
    });
    let plan = world.run(&["plan"]).expect(0);
    assert!(plan.out.contains("stack.web/service.app") && plan.out.contains("network.proxy"), "{}", plan.out);
    world.apply();
    assert_eq!(world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]), "foreign");
    let networks = world.engine.docker(&["network", "ls", "--format", "{{.Name}}"]);
    assert!(networks.contains("foreign") && !networks.contains("proxy"), "{networks}");
    // It is part of what a rollback would bring back.
    assert_eq!(world.engine.docker(&["secret", "ls", "-q"]).lines().count(), 1);
    assert_eq!(world.apply()["writes"], 0);
}

#[test]
fn a_compiled_folder_applies_as_its_file_does() {
    let world = World::new();
    let folder = world.path("compiled");
    world.run(&["compile", "-o", folder.to_str().expect("UTF-8")]).expect(0);
    let text = std::fs::read_to_string(folder.join("specs/web.json")).expect("a spec for each stack");
    assert!(!text.contains(CANARY));
    world.apply();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.args(["apply", "--json"]).arg(&folder).output().expect("the program runs");
    let record: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &record["writes"]), (Some(0), &Value::from(0)));
}
