//! Proves: each thing that can be wrong with the host ends in its own exit code and words, and nothing is lost.

use serde_json::json;

use crate::support::world::{CANARY, OTHER, World};

#[test]
fn no_engine_and_no_manager_are_told_apart() {
    let world = World::new();
    let gone = world.run(&["apply", "-H", "unix:///nonexistent/docker.sock"]).expect(75);
    assert!(gone.err.contains("/nonexistent/docker.sock"), "{}", gone.err);

    world.edit(|manifest| drop(manifest.as_object_mut().map(|manifest| manifest.remove("swarm"))));
    let inactive = world.run(&["apply"]).expect(75);
    assert!(inactive.err.contains("no swarm"), "{}", inactive.err);
    world.write(&world.manifest());

    let (ip, listen) = (world.engine.ip.clone(), format!("{}:2377", world.engine.ip));
    let autolock = ["swarm", "init", "--autolock", "--advertise-addr", &ip, "--listen-addr", &listen];
    world.engine.docker(&autolock);
    world.engine.kill();
    world.engine.restart();
    let locked = world.run(&["apply"]).expect(75);
    assert!(locked.err.contains("no manager") && locked.err.contains("locked"), "{}", locked.err);
}

#[test]
fn another_swarm_is_adopted_or_refused_with_what_differs() {
    let world = World::new();
    let listen = format!("{}:2377", world.engine.ip);
    world.engine.docker(&["swarm", "init", "--advertise-addr", &world.engine.ip, "--listen-addr", &listen]);
    let id = world.engine.docker(&["info", "--format", "{{.Swarm.Cluster.ID}}"]);
    world.edit(|manifest| manifest["swarm"]["subnet_size"] = json!(25));
    let refused = world.run(&["apply"]).expect(78);
    assert!(refused.err.contains("swarm.subnet_size") && refused.err.contains("25"), "{}", refused.err);
    assert_eq!(
        world.engine.docker(&["network", "ls", "-q", "--filter", "name=proxy"]),
        "",
        "nothing is half-done"
    );
    world.write(&world.manifest());
    world.apply();
    assert_eq!(world.engine.docker(&["info", "--format", "{{.Swarm.Cluster.ID}}"]), id, "it was adopted");
    world.assert_settled();
}

#[test]
fn a_bad_secret_holds_back_what_refers_to_it_and_the_rest_goes_on() {
    let world = World::new();
    std::fs::write(world.path("other.yml"), OTHER).expect("other.yml");
    world.edit(|manifest| {
        manifest["stacks"]["other"] = json!({ "compose": ["other.yml"], "images": { "app": "app" } });
        manifest["secrets"]["bad"] = json!({ "file": "bad.yaml", "key": "token" });
        manifest["stacks"]["web"]["compose"] = json!(["web.yml"]);
    });
    // `bad` is a file that nobody here can open; `web` refers to `token` from the same broken file.
    let sealed = std::fs::read_to_string(world.path("secrets.yaml")).expect("sealed");
    std::fs::write(world.path("bad.yaml"), sealed.replacen("data:", "data:AAAA", 1)).expect("bad.yaml");
    std::fs::write(world.path("secrets.yaml"), sealed.replacen("data:", "data:AAAA", 1))
        .expect("secrets.yaml");
    let ran = world.run(&["apply", "--json"]).expect(5);
    let record = ran.json();
    assert_eq!(record["held"][0]["because"], "secret.token", "{record:#}");
    let services = world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]);
    assert_eq!(services, "other_app", "only what needs no bad secret runs");

    // Once it was good, the last good version stays in use.
    std::fs::write(world.path("secrets.yaml"), &sealed).expect("secrets.yaml");
    std::fs::write(world.path("bad.yaml"), &sealed).expect("bad.yaml");
    world.apply();
    std::fs::write(world.path("secrets.yaml"), sealed.replacen("tag:", "tag:AAAA", 1)).expect("secrets.yaml");
    let record = world.run(&["apply", "--json"]).expect(5).json();
    assert_eq!(record["writes"], 0, "{:#}", record["steps"]);
    assert_eq!(record["secrets"][0]["kept"], true, "{:#}", record["secrets"]);
    assert_eq!(std::fs::read_to_string(world.run_dir().join("secrets/token")).expect("kept"), CANARY);

    // After a boot (the run folder is empty) it comes from the kept ciphertext.
    crate::support::world::unmount_below(&world.run_dir());
    drop(std::fs::remove_dir_all(world.run_dir()));
    world.run(&["apply", "--json"]).expect(5);
    assert_eq!(
        std::fs::read_to_string(world.run_dir().join("secrets/token")).expect("from ciphertext"),
        CANARY
    );
}

#[test]
fn the_secret_value_is_nowhere_but_where_it_belongs() {
    let world = World::new();
    let ran = world.run(&["apply", "-vv"]).expect(0);
    let json = world.run(&["apply", "--json", "-vv"]).expect(0);
    let plan = world.run(&["plan", "-vv"]).expect(0);
    for (what, text) in [("apply", &ran), ("json", &json), ("plan", &plan)] {
        assert!(!text.out.contains(CANARY) && !text.err.contains(CANARY), "{what} prints the secret");
    }
    for object in ["service", "secret", "config"] {
        for id in world.engine.docker(&[object, "ls", "-q"]).lines() {
            let text = world.engine.docker(&[object, "inspect", id]);
            assert!(!text.contains(CANARY), "{object} {id} shows the secret");
        }
    }
    let grep = |folder: &std::path::Path| {
        let output =
            std::process::Command::new("grep").args(["-rlF", CANARY]).arg(folder).output().expect("grep");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let found = grep(&world.path("."));
    let secrets = world.run_dir();
    assert!(!found.is_empty(), "the search finds nothing, not even the secret where it belongs");
    for path in found {
        assert!(path.contains("/run/secrets"), "`{path}` holds the secret; only {} may", secrets.display());
    }
}

#[test]
fn a_service_that_cannot_run_ends_in_its_own_reason() {
    let world = World::new();
    let crash = |command: &str| {
        let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
        text.replace(
            "    networks: [proxy]\n",
            &format!("    entrypoint: {command}\n    networks: [proxy]\n"),
        )
    };
    std::fs::write(world.path("crash.yml"), crash(r#"["/bin/sh", "-c", "echo last words; exit 3"]"#))
        .expect("crash.yml");
    world.edit(|manifest| manifest["stacks"]["web"]["compose"] = json!(["crash.yml"]));
    let ran = world.run(&["apply", "--json"]).expect(4);
    let record = ran.json();
    let step = record["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .find(|step| step["error"].is_string())
        .expect("a failed step");
    let error = step["error"].as_str().expect("an error");
    assert!(error.contains("web_app") && error.contains('3'), "{error}");
    assert!(step["detail"].to_string().contains("last words"), "{step:#}");
    world.write(&world.manifest());
    world.apply();
    world.assert_settled();
}

#[test]
fn dockerd_that_restarts_in_the_middle_costs_nothing() {
    let world = World::new();
    world.apply();
    std::fs::write(world.path("page.html"), "hello twice\n").expect("page.html");
    let child = world
        .command(&["apply"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut child = child.expect("runs");
    std::thread::sleep(std::time::Duration::from_millis(300));
    world.engine.kill();
    std::thread::sleep(std::time::Duration::from_millis(300));
    world.engine.restart();
    drop(child.wait());
    world.apply();
    world.assert_settled();
}
