//! Proves: what is missing or taken on the swarm is refused with its place before anything is written, and a port
//! moves from a service that left to the one that came.

use serde_json::json;

use crate::support::engine::BUSYBOX;
use crate::support::world::World;

/// Replicas 0: an ingress port needs no load balancer of the kernel then.
fn shop(service: &str, more: &str) -> String {
    format!(
        "services:\n  {service}:\n    image: holdfast.invalid/app\n    ports: [\"18080:80\"]\n    deploy: {{replicas: 0}}\n{more}"
    )
}

#[test]
fn what_is_missing_or_taken_is_refused_before_anything_is_written() {
    let world = World::new();
    let write = |text: &str| std::fs::write(world.path("shop.yml"), text).expect("shop.yml");
    let with_shop = |service: &str| {
        world.edit(|manifest| {
            manifest["stacks"]["shop"] = json!({ "compose": ["shop.yml"], "images": { service: "app" } });
        });
    };
    with_shop("app");
    let listen = format!("{}:2377", world.engine.ip);
    world.engine.docker(&["swarm", "init", "--advertise-addr", &world.engine.ip, "--listen-addr", &listen]);
    world.engine.load_busybox();
    let publish = "published=18080,target=80";
    let args = ["service", "create", "--detach", "--no-resolve-image", "--replicas", "0", "--name", "theirs"];
    world.engine.docker(&[&args[..], &["--publish", publish, BUSYBOX]].concat());
    // The engine makes networks of its own scope when it likes.
    let inventory = || {
        let networks = world.engine.docker(&["network", "ls", "-q", "--filter", "scope=swarm"]);
        let others = ["service", "config", "secret"].map(|kind| world.engine.docker(&[kind, "ls", "-q"]));
        (networks, others)
    };
    let before = inventory();

    let missing = "    networks: [far]\n    configs: [sheet]\nnetworks: {far: {external: true}}\n\
                   configs: {sheet: {external: true, name: sheet_1}}\n";
    write(&shop("app", missing));
    for command in ["plan", "apply"] {
        let said = world.run(&[command]).expect(78);
        for part in [
            "the external network `far` does not exist (named at ",
            "shop.yml:8:12)",
            "the external config `sheet_1` does not exist (named at ",
            "shop.yml:9:11)",
            "docker config create sheet_1",
            "port 18080/tcp (published at ",
            "shop.yml:4:13) is taken by the service `theirs`, which is not ours",
            "docker service rm theirs",
        ] {
            assert!(said.err.contains(part), "{command}: no `{part}` in\n{}\n{}", said.out, said.err);
        }
        assert_eq!(inventory(), before, "{command} wrote");
    }

    world.engine.docker(&["service", "rm", "theirs"]);
    write(&shop("app", ""));
    world.apply();
    // The service has another name now and the same port, which the engine gives to one of them.
    write(&shop("front", ""));
    with_shop("front");
    let record = world.apply();
    let order: Vec<&str> = record["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["address"].as_str())
        .collect();
    assert_eq!(order[..2], ["stack.shop/service.app", "stack.shop/service.front"], "{order:?}");
    world.assert_settled();
}
