//! Proves: a job runs once, its end is `completed`, and it runs again only when its own inputs change.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use crate::support::engine::Flavour;
use crate::support::world::World;

#[test]
fn jobs_run_again_only_when_their_inputs_change() {
    Flavour::ALL.into_iter().for_each(jobs);
}

fn jobs(flavour: Flavour) {
    let world = World::on(flavour);
    world.edit(|manifest| {
        manifest["stacks"] = json!({ "work": {
            "compose": ["work.yml"], "images": { "once": "app", "each": "app" }, "deadline": "2m",
        } });
        manifest["gates"] = json!({});
    });
    write(&world, "1", "1");
    let record = world.apply_unproven();
    let outcomes = record["steps"].to_string();
    for service in ["work_once", "work_each"] {
        let said = format!(r#""outcome":"completed","service":"{service}""#);
        assert!(outcomes.contains(&said), "{said} is not in {outcomes}");
    }
    let first = (runs(&world, "once"), runs(&world, "each"));
    assert_eq!(world.apply_unproven()["writes"], 0);
    assert_eq!((runs(&world, "once"), runs(&world, "each")), first, "a second apply ran a job again");

    write(&world, "2", "1");
    world.apply_unproven();
    assert_eq!((runs(&world, "once"), runs(&world, "each")), (first.0 + 1, first.1));
    write(&world, "2", "2");
    world.apply_unproven();
    assert_eq!((runs(&world, "once"), runs(&world, "each")), (first.0 + 1, first.1 + 1));
    assert_eq!(world.apply_unproven()["writes"], 0);
}

/// A job with a number of ends and one for each node, with an input of its own each.
fn write(world: &World, once: &str, each: &str) {
    let job = |mode: &str, input: &str| {
        json!({
            "image": "holdfast.invalid/app", "entrypoint": ["/bin/true"], "environment": { "INPUT": input },
            "networks": ["proxy"],
            "deploy": { "mode": mode, "endpoint_mode": "dnsrr", "restart_policy": { "condition": "none" } },
        })
    };
    let file = json!({
        "services": { "once": job("replicated-job", once), "each": job("global-job", each) },
        "networks": { "proxy": { "external": true } },
    });
    fs::write(world.path("work.yml"), file.to_string()).unwrap();
}

/// How often a job ran, by the engine's own count.
fn runs(world: &World, job: &str) -> u64 {
    let text = world.engine.docker(&["service", "inspect", &format!("work_{job}")]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let index = found.pointer("/0/JobStatus/JobIteration/Index");
    index.and_then(Value::as_u64).unwrap_or_default()
}
