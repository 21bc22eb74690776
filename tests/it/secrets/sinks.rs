//! Proves: a value has one keyed id wherever it goes, and what still has another one is told without a value (needs an
//! engine).

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use super::attacks::{ask, serve};
use crate::support::world::{CANARY, World};

/// The id of the file `token`, as a plan that would install it says.
fn planned(world: &World) -> String {
    let plan = world.run(&["plan", "--json"]).json()["plan"].to_string();
    let at = plan.find("\"after\":\"id ").expect("a plan with a file") + 12;
    plan.get(at..at + 12).expect("an id").to_owned()
}

fn status(world: &World) -> (Value, String) {
    let ran = world.run(&["status", "--json"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(!said.contains(CANARY), "{said}");
    (ran.json(), said)
}

#[test]
fn a_file_a_swarm_secret_and_a_credential_of_one_value_have_one_id() {
    let world = World::new();
    world.edit(|manifest| {
        manifest["secrets"]["token"]["credentials"] = json!(["app.service"]);
        // Nothing but the secret itself is a file.
        manifest["templates"] = json!({});
    });
    world.apply_unproven();
    let serving = serve(world.command(&["credentials", "serve", "--idle", "60s"]), &world.path("c.sock"));
    let asked = |random: &str| ask(&world.path("c.sock"), &format!("{random}/unit/app.service/token"));
    assert_eq!(asked("a").expect("an answer"), CANARY.as_bytes());

    let name = world.engine.docker(&["secret", "ls", "--format", "{{.Name}}"]);
    let swarm = name.trim().strip_prefix("web_token_").expect("one secret").to_owned();
    let given = || fs::read_to_string(world.run_dir().join("credentials.json")).unwrap_or_default();
    let begun = std::time::Instant::now();
    while !given().contains(&swarm) {
        assert!(begun.elapsed().as_secs() < 20, "{swarm} is not in {}", given());
    }
    fs::remove_file(world.run_dir().join("secrets")).expect("the link of the installed files");
    assert_eq!(planned(&world), swarm);
    world.apply_unproven();
    let (record, said) = status(&world);
    assert!(!said.contains("restart the unit"), "{said}");
    assert_eq!(record["plan"]["steps"], json!([]));

    // Another value: each of the three is told to have the old id still, and no value is shown.
    world.seal(&format!("{CANARY}-2"));
    let (record, said) = status(&world);
    let next = planned(&world);
    assert_ne!(next, swarm);
    let steps = record["plan"]["steps"].to_string();
    assert!(
        steps.contains(&format!("id {swarm}")) && steps.contains(&format!("id {next}")),
        "files: {steps}"
    );
    assert!(steps.contains(&format!("web_token_{next}")), "Swarm: {steps}");
    assert!(said.contains(&format!("as id {swarm}, and it is now id {next}")), "credential: {said}");
    drop(serving);
}
