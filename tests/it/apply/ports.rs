//! Proves: a published port that moves between services that stay is theirs after one apply.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::engine::connect;
use crate::support::world::World;

/// Services that say their name at the port that each publishes on its host.
fn declare(world: &World, services: &[(&str, Option<u16>)]) {
    let mut text = "services:\n".to_owned();
    for (name, port) in services {
        let service = format!(
            "  {name}:\n    image: holdfast.invalid/app\n    entrypoint: [\"/bin/sh\", \"-c\", \"echo {name} > /www/index.html; exec httpd -f -p 80 -h /www\"]\n    \
             stop_grace_period: 2s\n    deploy:\n      endpoint_mode: dnsrr\n      update_config: {{ monitor: 1s }}\n"
        );
        text.push_str(&service);
        if let Some(port) = port {
            let ports = format!(
                "    ports:\n      - {{ target: 80, published: {port}, protocol: tcp, mode: host }}\n"
            );
            text.push_str(&ports);
        }
    }
    std::fs::write(world.path("move.yml"), text).expect("move.yml");
    world.edit(|manifest| {
        let images: Value = services.iter().map(|(name, _)| ((*name).to_owned(), json!("app"))).collect();
        manifest["stacks"] = json!({ "move": { "compose": ["move.yml"], "images": images } });
        drop(manifest.as_object_mut().map(|manifest| manifest.remove("gates")));
    });
}

fn answers(world: &World, port: u16) -> String {
    let mut stream = connect(&world.engine.ip, port);
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.lines().last().unwrap_or_default().to_owned()
}

/// Applies once, and says what was done to services, in order.
fn applied(world: &World) -> (Vec<String>, Value) {
    let record = world.apply_unproven();
    let steps = record["steps"].as_array().expect("steps").iter();
    let of = |step: &Value| {
        let service = step["address"].as_str()?.strip_prefix("stack.move/service.")?.to_owned();
        Some(format!("{} {service}", step["verb"].as_str()?))
    };
    let done = steps.filter_map(of).collect();
    let again = world.apply_unproven();
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])), "{again:#}");
    (done, record)
}

#[test]
fn a_host_port_that_moves_between_services_that_stay_needs_one_apply() {
    let world = World::new();
    declare(&world, &[("app", None), ("bee", Some(8080))]);
    applied(&world);
    assert_eq!(answers(&world, 8080), "bee");

    // To one that is there, and from there to one that is new.
    declare(&world, &[("app", Some(8080)), ("bee", Some(8081))]);
    assert_eq!(applied(&world).0, ["update bee", "await bee", "update app"]);
    assert_eq!((answers(&world, 8080), answers(&world, 8081)), ("app".to_owned(), "bee".to_owned()));
    declare(&world, &[("aaa", Some(8080)), ("app", None), ("bee", Some(8081))]);
    assert_eq!(applied(&world).0, ["update app", "await app", "create aaa"]);
    assert_eq!(answers(&world, 8080), "aaa");

    // An exchange has no first one: both are written at once, and either may be done first.
    declare(&world, &[("aaa", Some(8081)), ("app", None), ("bee", Some(8080))]);
    let (mut done, record) = applied(&world);
    done.sort_unstable();
    assert_eq!(done, ["update aaa", "update bee"]);
    let warning = record["warnings"].to_string();
    assert!(
        warning.contains("`stack.move/service.aaa`") && warning.contains("exchange host ports"),
        "{warning}"
    );
    assert_eq!((answers(&world, 8080), answers(&world, 8081)), ("bee".to_owned(), "aaa".to_owned()));
}
