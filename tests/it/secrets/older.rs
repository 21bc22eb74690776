//! Proves: a file of secrets that is older than one which was applied is not taken for news (needs an engine).

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};

use crate::support::world::{Ran, World};

const FILE: &str = "secrets.yaml";

/// The world with a label that makes its manifest another one.
fn label(world: &World, value: &str, change: impl FnOnce(&mut Value)) {
    world.edit(|manifest| {
        manifest["node"]["labels"]["zone"] = json!(value);
        change(manifest);
    });
}

fn installed(world: &World) -> String {
    fs::read_to_string(world.run_dir().join("secrets/token")).expect("installed")
}

fn apply(world: &World, more: &[&str]) -> Ran {
    world.run(&[&["apply", "--no-verify", "--json"], more].concat())
}

fn warned(ran: &Ran, text: &str) -> bool {
    ran.json()["warnings"].to_string().contains(text)
}

#[test]
fn an_older_file_is_taken_only_with_its_whole_manifest_or_by_name() {
    let world = World::new();
    let seal = |value: &str| {
        // Times in the files have whole seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        world.seal(value);
        fs::read(world.path(FILE)).expect("sealed")
    };
    let put = |bytes: &[u8]| fs::write(world.path(FILE), bytes).expect("written");
    let one = seal("value-one");
    label(&world, "a", |_| ());
    apply(&world, &[]).expect(0);
    let two = seal("value-two");
    let quiet = apply(&world, &[]).expect(0);
    assert!(!warned(&quiet, "older"), "a newer file is nothing to speak of");

    // Somebody puts the old file back, and changes something else so that it looks like work.
    put(&one);
    label(&world, "b", |_| ());
    let refused = apply(&world, &[]).expect(5);
    let said = refused.json()["secrets"].to_string();
    assert!(said.contains("older than that of") && said.contains("--allow-older"), "{said}");
    assert_eq!(refused.json()["secrets"][0]["kept"], true, "{said}");
    assert_eq!(installed(&world), "value-two");
    // Looking is no way round it, and the clock of the host has no say: times are those of the files.
    world.run(&["plan", "--json"]).expect(5);

    // The manifest of the first generation, whole: a rollback, and said to be one.
    label(&world, "a", |_| ());
    let rollback = apply(&world, &[]).expect(0);
    assert!(warned(&rollback, "this is a rollback"), "{}", rollback.out);
    assert_eq!(installed(&world), "value-one");
    // The mark stays: forward is quiet, backward is not.
    put(&two);
    label(&world, "c", |_| ());
    assert!(!warned(&apply(&world, &[]).expect(0), "older"));
    put(&one);
    label(&world, "d", |_| ());
    apply(&world, &[]).expect(5);

    // By name, on the command line and in the manifest.
    let path = world.path(FILE).display().to_string();
    apply(&world, &["--allow-older", "/etc/hostname"]).expect(5);
    let allowed = apply(&world, &["--allow-older", &path]).expect(0);
    assert!(warned(&allowed, "it is allowed"), "{}", allowed.out);
    assert_eq!(installed(&world), "value-one");
    assert!(!warned(&apply(&world, &[]).expect(0), "older"), "what was allowed once is the mark now");

    // A file from a machine whose clock was wrong is ahead of all that is to come.
    let marks = world.path("state/marks.json");
    let text = fs::read_to_string(&marks).expect("marks");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    let mark = value["files"].as_object_mut().expect("files").values_mut().next().expect("a mark");
    mark["lastmodified"] = json!("2099-01-01T00:00:00Z");
    fs::write(&marks, value.to_string()).expect("marks");
    let three = seal("value-three");
    put(&three);
    apply(&world, &[]).expect(5);
    label(&world, "d", |manifest| manifest["allow_older"] = json!([FILE]));
    apply(&world, &[]).expect(0);
    assert_eq!(installed(&world), "value-three");
    label(&world, "e", |_| ());
    apply(&world, &[]).expect(0);

    // Without its marks a host could not tell old from new.
    fs::write(&marks, "{").expect("marks");
    let damaged = apply(&world, &[]).expect(1);
    assert!(damaged.err.contains("marks.json"), "{}", damaged.err);
}
