//! Proves: a recorded generation comes back whole, from what was kept of it and nothing else.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::relay::{Relay, When};
use crate::support::world::{CANARY, OTHER, Ran, World};

fn two_stacks(manifest: &mut Value) {
    manifest["stacks"]["other"] = json!({ "compose": ["other.yml"], "images": { "app": "app" } });
}

/// `number status rollback_of target` of each generation.
fn listed(world: &World) -> Vec<String> {
    let record = world.run_on_state(&["rollback", "--list", "--json"]).expect(0).json();
    let rows = record["generations"].as_array().expect("generations").iter();
    rows.map(|row| {
        let target = if row["target"] == true { " target" } else { "" };
        format!("{} {} {}{target}", row["number"], row["status"].as_str().unwrap_or("-"), row["rollback_of"])
    })
    .collect()
}

fn page(world: &World) -> String {
    let url = format!("http://{}:8080/index.html", world.engine.ip);
    let output = Command::new("curl").args(["-sS", "--max-time", "5", &url]).output().expect("curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn token(world: &World) -> String {
    fs::read_to_string(world.run_dir().join("secrets/token")).expect("the secret")
}

/// Addresses of what a run made.
fn made(record: &Value) -> Vec<&str> {
    let steps = record["steps"].as_array().expect("steps").iter();
    steps.filter(|step| step["verb"] == "create").filter_map(|step| step["address"].as_str()).collect()
}

/// A world with three generations: the first has one stack, the second two and other values, the third does not
/// serve its page.
fn three_generations() -> World {
    let world = World::new();
    fs::write(world.path("other.yml"), OTHER).expect("other.yml");
    world.apply();
    world.edit(two_stacks);
    world.seal("second-value");
    fs::write(world.path("page.html"), "hello two\n").expect("page.html");
    world.apply();
    fs::write(world.path("page.html"), "nothing\n").expect("page.html");
    world.edit(|manifest| {
        two_stacks(manifest);
        manifest["gates"]["page"]["deadline"] = json!("3s");
    });
    world.run(&["apply"]).expect(3);
    world
}

fn rollback(world: &World, args: &[&str]) -> Ran {
    world.run_on_state(&[&["rollback", "--json"], args].concat())
}

#[test]
fn a_generation_comes_back_without_its_manifest_its_secrets_file_or_its_archive() {
    let world = three_generations();
    assert_eq!(listed(&world), ["1 proven null", "2 proven null target", "3 failed null"]);
    let text = world.run_on_state(&["rollback", "--list"]).expect(0).out;
    assert!(text.contains("<- `holdfast rollback` goes here"), "{text}");
    let files = ["manifest.json", "web.yml", "other.yml", "secrets.yaml", "rootfs.tar", "page.html"];
    let saved: Vec<Vec<u8>> = files.iter().map(|file| fs::read(world.path(file)).expect("there")).collect();
    for file in files {
        fs::remove_file(world.path(file)).expect("there");
    }

    let record = rollback(&world, &[]).expect(0).json();
    assert_eq!((&record["generation"], &record["rollback_of"]), (&json!(4), &json!(2)));
    let plain: Vec<_> = made(&record).into_iter().filter(|address| *address != "ownership").collect();
    assert_eq!(plain, [""; 0], "everything was still there");
    assert!(record["warnings"].to_string().contains("goes forward"), "{}", record["warnings"]);
    assert_eq!((page(&world).as_str(), token(&world).as_str()), ("hello two\n", "second-value"));

    // Once more: to the one before that, with its own secret and without the second stack.
    let record = rollback(&world, &[]).expect(0).json();
    assert_eq!((&record["generation"], &record["rollback_of"]), (&json!(5), &json!(1)));
    assert_eq!((page(&world).as_str(), token(&world).as_str()), ("hello\n", CANARY));
    assert_eq!(world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]), "web_app");
    assert_eq!(
        listed(&world),
        ["1 proven null", "2 proven null", "3 failed null", "4 proven 2", "5 proven 1"],
        "nothing is left to go back to"
    );
    assert!(rollback(&world, &[]).expect(78).err.contains("name one: kept are 1, 2, 3, 4, 5"));
    assert!(rollback(&world, &["9"]).expect(78).err.contains("generation 9 is not kept"));

    // With what was lost back again an apply goes forward, and makes a generation of its own.
    for (file, bytes) in files.iter().zip(&saved) {
        fs::write(world.path(file), bytes).expect("written");
    }
    fs::write(world.path("page.html"), "hello six\n").expect("page.html");
    world.apply();
    assert_eq!((page(&world).as_str(), token(&world).as_str()), ("hello six\n", "second-value"));
    assert_eq!(
        listed(&world)[1..],
        ["2 proven null", "3 failed null", "4 proven 2", "5 proven 1 target", "6 proven null"]
    );
    world.assert_settled();
}

#[test]
fn a_rollback_that_was_killed_is_finished_by_running_it_again() {
    let world = World::new();
    world.run(&["apply", "--no-verify"]).expect(0);
    world.seal("second-value");
    fs::write(world.path("page.html"), "hello two\n").expect("page.html");
    world.run(&["apply", "--no-verify"]).expect(0);
    let relay = |at| Relay::start(&world.path("relay.sock"), &world.engine.socket, at);
    for (number, when) in [(1, When::After), (2, When::Before)] {
        let relay = relay(Some((number, when)));
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["rollback", "1", "--no-verify", "-H", &format!("unix://{}", relay.socket.display())])
            .arg("--state-dir")
            .arg(world.path("state"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        assert!(relay.wait(60), "write {number} never came");
        child.kill().expect("kill -9");
        child.wait().expect("it ends");
        // Without a number it is still the same one: that rollback has not come to its end.
        let list = listed(&world);
        assert!(
            list[0].ends_with("target") && list.last().is_some_and(|last| last.contains("applying 1")),
            "{list:?}"
        );
        let record = rollback(&world, &["--no-verify"]).expect(0).json();
        assert_eq!(record["rollback_of"], 1);
        assert_eq!((page(&world).as_str(), token(&world).as_str()), ("hello\n", CANARY));
        let again = rollback(&world, &["1", "--no-verify"]).expect(0).json();
        assert_eq!(again["writes"], 0, "{}", again["steps"]);
        rollback(&world, &["2", "--no-verify"]).expect(0);
    }
}
