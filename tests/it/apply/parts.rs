//! Proves: a part of a manifest, a lost record, a run without gates, and a certificate that is not there.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::world::{OTHER, World, unmount_below};

/// A world whose manifest has two stacks.
fn two_stacks() -> World {
    let world = World::new();
    std::fs::write(world.path("other.yml"), OTHER).expect("other.yml");
    world.edit(|manifest| {
        manifest["stacks"]["other"] = json!({ "compose": ["other.yml"], "images": { "app": "app" } });
    });
    world
}

fn services(world: &World) -> Vec<String> {
    let names = world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]);
    let mut names: Vec<String> = names.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn only_a_stack_is_applied_proven_and_destroyed() {
    let world = two_stacks();
    let plan = world.run(&["plan", "--only", "stack.other"]).expect(0);
    assert!(plan.out.contains("stack.other/service.app") && !plan.out.contains("stack.web"), "{}", plan.out);
    assert!(!world.path("state").exists(), "a look wrote to the state folder");

    let record = world.run(&["apply", "--only", "stack.other", "--json"]).expect(0).json();
    assert_eq!(services(&world), ["other_app"]);
    let gates = record["gates"].as_array().expect("gates");
    assert!(gates.iter().all(|gate| gate["address"] == "stack.other") && gates.len() == 1, "{gates:#?}");
    let again = world.run(&["apply", "--only", "stack.other", "--json"]).expect(0).json();
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])));

    world.apply();
    assert_eq!(services(&world), ["other_app", "web_app"]);
    world.run(&["destroy", "--only", "stack.other"]).expect(0);
    assert_eq!(services(&world), ["web_app"]);
    assert!(world.run_dir().join("secrets/token").exists(), "the other stack's secret went too");
    world.apply();
    assert_eq!(services(&world), ["other_app", "web_app"]);
    world.run(&["destroy"]).expect(0);
    assert_eq!(services(&world), [""; 0]);
}

#[test]
fn what_left_goes_although_the_record_was_lost_and_status_counts_what_is_there() {
    let world = two_stacks();
    world.run(&["apply", "--no-verify"]).expect(0);
    let status = world.run(&["status"]).expect(0);
    assert!(status.out.contains("1 of 1 running"), "{}", status.out);
    world.engine.docker(&["service", "rm", "web_app"]);
    let status = world.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["services"][1]["wanted"], 1, "{status:#}");
    let status = world.run(&["status"]).expect(0);
    assert!(status.out.contains("stack.web/service.app is to be made: it is not there"), "{}", status.out);

    std::fs::remove_file(world.path("state/ownership.json")).expect("the record");
    world.write(&world.manifest());
    world.run(&["apply", "--no-verify"]).expect(0);
    assert_eq!(services(&world), ["web_app"]);
    world.assert_settled();
}

#[test]
fn without_gates_a_generation_counts_as_applied_and_its_ciphertext_serves_after_a_boot() {
    let world = World::new();
    let status = || std::fs::read_to_string(world.path("state/generations/1/status")).expect("a status");
    world.run(&["apply", "--no-verify"]).expect(0);
    assert_eq!(status(), "applied\n");
    let sealed = std::fs::read_to_string(world.path("secrets.yaml")).expect("sealed");
    let key = std::fs::read(world.path("age.txt")).expect("the identity");
    let boot = || {
        unmount_below(&world.run_dir());
        drop(std::fs::remove_dir_all(world.run_dir()));
    };
    // A boot without the identity opens nothing, and loses nothing that another boot needs.
    boot();
    std::fs::remove_file(world.path("age.txt")).expect("the identity");
    world.run(&["apply", "--no-verify"]).expect(5);
    boot();
    std::fs::write(world.path("age.txt"), key).expect("the identity");
    std::fs::write(world.path("secrets.yaml"), sealed.replacen("data:", "data:AAAA", 1)).expect("damaged");
    world.run(&["apply", "--no-verify"]).expect(5);
    let token =
        std::fs::read_to_string(world.run_dir().join("secrets/token")).expect("the last good version");
    assert_eq!(token, crate::support::world::CANARY);

    std::fs::write(world.path("secrets.yaml"), sealed).expect("sealed");
    world.apply();
    assert_eq!(status(), "proven\n");
    world.run(&["apply", "--no-verify"]).expect(0);
    assert_eq!(status(), "proven\n", "nothing changed since it was proven");
}

#[test]
fn a_certificate_that_is_not_there_fails_by_its_name_and_the_rest_goes_on() {
    let world = World::new();
    let (chain, key) = (world.path("chain.pem"), world.path("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["*.example.org".to_owned()]).expect("a certificate");
    std::fs::write(&chain, made.cert.pem()).expect("chain.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("key.pem");
    let proxied = |manifest: &mut Value| {
        // What the proxy does is proven elsewhere: here it only has to run.
        let stays = "sleep 1000000";
        let config = json!({ "entrypoint": ["/bin/sh", "-c", stays] });
        manifest["images"]["still"] = json!({ "rootfs": "rootfs.tar", "config": config });
        manifest["traefik"] = json!({
            "image": "still", "proxy_image": "still", "deadline": "20s",
            "certificates": [{ "chain": { "file": &chain }, "key": { "file": &key } }],
        });
    };
    world.edit(proxied);
    // Without a program called `traefik` its health check fails; the file is there before that.
    world.run(&["apply", "--no-verify"]).expect(4);
    let file = world.run_dir().join("generated/traefik/dynamic/tls.yml");
    let before = std::fs::read(&file).expect("the certificate file");

    std::fs::remove_file(&chain).expect("chain.pem");
    std::fs::write(world.path("page.html"), "goes on\n").expect("page.html");
    let ran = world.run(&["apply", "--no-verify", "--json"]).expect(5);
    assert!(ran.err.contains("chain.pem") && ran.err.contains("last good version stays"), "{}", ran.err);
    assert_eq!(std::fs::read(&file).expect("what is installed stays"), before);
    let steps = ran.json()["steps"].clone();
    let web = |step: &Value| step["address"] == "stack.web/service.app" && step["error"].is_null();
    assert!(steps.as_array().expect("steps").iter().any(web), "the rest did not go on: {steps:#}");
}
