//! Proves: one apply makes and proves everything, a second one writes nothing, destroy leaves nothing.

use serde_json::Value;

use crate::support::world::{CANARY, World};

fn addresses(steps: &Value) -> Vec<&str> {
    steps.as_array().expect("steps").iter().map(|step| step["address"].as_str().expect("address")).collect()
}

#[test]
fn from_nothing_to_proven_and_a_second_run_writes_nothing() {
    let world = World::new();
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

#[test]
fn a_changed_secret_config_and_service_roll_and_the_old_objects_go() {
    let world = World::new();
    world.apply();
    let names = || {
        (
            world.engine.docker(&["secret", "ls", "--format", "{{.Name}}"]),
            world.engine.docker(&["config", "ls", "--format", "{{.Name}}"]),
        )
    };
    let before = names();
    world.seal("another-value");
    std::fs::write(world.path("page.html"), "hello again\n").expect("page.html");
    let plan = world.run(&["plan"]).expect(0);
    assert!(!plan.out.contains("another-value") && !plan.err.contains("another-value"));
    world.apply();
    let after = names();
    assert_ne!(before, after);
    assert_eq!(after.0.lines().count(), 1, "the old secret stays: {}", after.0);
    assert_eq!(after.1.lines().count(), 2, "one config and the mirror of the record: {}", after.1);
    world.assert_settled();
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
    assert_eq!(world.engine.docker(&["secret", "ls", "-q"]), "");
    world.assert_settled();
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
