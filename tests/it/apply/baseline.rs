//! Proves: `destroy` tells what came since before the first apply, ours and others' apart, and leaves others alone.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use crate::support::engine::{BUSYBOX, Flavour};
use crate::support::world::World;

/// A world on an engine that has things of others, and whose stack keeps something in a volume.
fn lived_in(flavour: Flavour) -> World {
    let world = World::on(flavour);
    world.engine.load_busybox();
    world.engine.docker(&["volume", "create", "old_data"]);
    world.engine.docker(&["network", "create", "old_net"]);
    let text = fs::read_to_string(world.path("web.yml")).expect("web.yml");
    let text =
        text.replace("    secrets: [token]\n", "    secrets: [token]\n    volumes: [\"data:/data\"]\n");
    fs::write(world.path("web.yml"), text + "volumes:\n  data: {}\n").expect("web.yml");
    world
}

/// What came since, as the report of a `destroy` tells it.
fn since(world: &World, args: &[&str], code: i32) -> (Value, Value) {
    let record = world.run(&[&["destroy", "--json"], args].concat()).expect(code).json();
    let since = &record["leaks"]["since"];
    assert!(code == 4 || since["taken"].is_string(), "{record:#}");
    (since["ours"].clone(), since["others"].clone())
}

#[test]
fn what_is_left_is_named_and_what_others_made_since_is_told_apart() {
    let world = lived_in(Flavour::usual());
    let docker = |args: &[&str]| world.engine.docker(args);
    world.run(&["apply", "--no-verify"]).expect(0);
    docker(&["volume", "create", "new_data"]);
    docker(&["network", "create", "new_net"]);
    docker(&["tag", BUSYBOX, "example.org/same:1"]);
    let foreign =
        "services:\n  app:\n    image: example.org/same:1\n    deploy: {replicas: 0, endpoint_mode: dnsrr}\n";
    fs::write(world.path("foreign.yml"), foreign).expect("foreign.yml");
    let file = world.path("foreign.yml").display().to_string();
    docker(&["stack", "deploy", "--detach=true", "--resolve-image=never", "-c", &file, "foreign"]);
    docker(&["run", "--detach", "--name", "guest", "--network", "proxy", BUSYBOX, "/bin/sleep", "600"]);
    let others = json!([
        "service foreign_app (stack foreign)",
        "network foreign_default (stack foreign)",
        "network new_net",
        "volume new_data"
    ]);

    // A container of somebody else holds a network of ours, and nobody asked for the volume to go.
    let told = since(&world, &[], 4);
    assert_eq!(told, (json!(["network proxy", "volume web_data"]), others.clone()));
    docker(&["rm", "--force", "guest"]);
    let told = since(&world, &[], 0);
    assert_eq!(told, (json!(["volume web_data"]), others.clone()), "left on purpose, and said");
    assert_eq!(since(&world, &["--volumes"], 0), (json!([]), others), "the volume's turn");
    assert_eq!(docker(&["volume", "ls", "-q"]), "new_data\nold_data");
    assert_eq!(docker(&["service", "ls", "--format", "{{.Name}}"]), "foreign_app");
    let networks = docker(&["network", "ls", "--format", "{{.Name}}", "--filter", "name=_net"]);
    assert_eq!(networks.lines().collect::<std::collections::BTreeSet<_>>(), ["new_net", "old_net"].into());
    docker(&["image", "inspect", BUSYBOX, "example.org/same:1"]);

    // Nothing is ours any more: the next apply is a first one, and what others made was there before it.
    world.run(&["apply", "--no-verify"]).expect(0);
    let text = world.run(&["destroy", "--volumes"]).expect(0).out;
    assert!(text.contains("): of ours nothing is left; others brought nothing."), "{text}");
    world.run(&["apply", "--no-verify"]).expect(0);
    fs::remove_file(world.path("state/baseline.json")).expect("the baseline");
    let text = world.run(&["destroy"]).expect(0).out;
    assert!(
        text.contains("Of ours volume web_data is left.") && text.contains("no baseline was taken then"),
        "{text}"
    );
}

#[test]
fn a_clean_destroy_leaves_the_newest_engine_as_it_was() {
    let world = lived_in(Flavour::Moby);
    let list = |kind: &str| world.engine.docker(&[kind, "ls", "-q"]);
    let before = ["image", "volume"].map(list);
    world.run(&["apply", "--no-verify"]).expect(0);
    assert_ne!(before, ["image", "volume"].map(list));
    assert_eq!(since(&world, &["--volumes"], 0), (json!([]), json!([])));
    assert_eq!(before, ["image", "volume"].map(list));
}
