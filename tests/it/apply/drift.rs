//! Proves: what somebody does by hand is seen by `plan` and `status`, and repaired by `apply`.

use crate::support::engine::Flavour;
use crate::support::world::World;

#[test]
fn hand_made_changes_are_named_and_repaired() {
    hand_made(Flavour::Debian);
}

#[test]
fn hand_made_changes_are_named_and_repaired_on_the_newest_engine() {
    hand_made(Flavour::Moby);
}

fn hand_made(flavour: Flavour) {
    let world = World::on(flavour);
    let apply = || if flavour == Flavour::Debian { world.apply() } else { world.apply_unproven() };
    apply();
    let drifts: [(&str, &[&str], &str); 3] = [
        ("scaled", &["service", "scale", "web_app=0"], "Replicated.Replicas"),
        ("another environment", &["service", "update", "-q", "--env-add", "X=1", "web_app"], "Env"),
        ("removed", &["service", "rm", "web_app"], "stack.web/service.app"),
    ];
    for (what, by_hand, named) in drifts {
        world.engine.docker(by_hand);
        let plan = world.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(
            plan.out.contains("stack.web/service.app") && plan.out.contains(named),
            "{what}: {}",
            plan.out
        );
        let status = world.run(&["status", "--detailed-exitcode"]).expect(2);
        assert!(status.out.contains("web_app"), "{what}: {}", status.out);
        apply();
        world.run(&["plan", "--detailed-exitcode"]).expect(0);
    }
    world.assert_settled();
}

#[test]
fn a_label_somebody_changed_on_the_node_and_the_swarm_comes_back() {
    let world = World::new();
    world.apply();
    let node = world.engine.docker(&["node", "ls", "-q"]);
    world.engine.docker(&["node", "update", "--label-add", "zone=b", "--label-add", "mine=1", &node]);
    world.engine.docker(&["swarm", "update", "--task-history-limit", "9"]);
    world.run(&["plan", "--detailed-exitcode"]).expect(2);
    world.apply();
    let labels = world.engine.docker(&["node", "inspect", "--format", "{{json .Spec.Labels}}", &node]);
    assert_eq!(labels, r#"{"mine":"1","zone":"a"}"#);
    assert_eq!(
        world.engine.docker(&[
            "info",
            "--format",
            "{{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}"
        ]),
        "2"
    );
    world.assert_settled();
}

#[test]
fn an_installed_file_somebody_changed_comes_back() {
    let world = World::new();
    world.apply();
    let path = world.run_dir().join("secrets/token");
    std::fs::write(&path, "tampered").expect("root may write");
    world.run(&["plan", "--detailed-exitcode"]).expect(2);
    world.apply();
    assert_eq!(std::fs::read_to_string(&path).expect("the secret"), crate::support::world::CANARY);
    world.assert_settled();
}

#[test]
fn what_is_left_to_others_stays_as_it_is_found_and_nothing_else_does() {
    let world = World::new();
    let left = |fields: serde_json::Value| {
        world.edit(|manifest| {
            manifest["stacks"]["web"]["left_to_others"] = fields;
            manifest["gates"] = serde_json::json!({});
        });
    };
    let replicas = || {
        world.engine.docker(&[
            "service",
            "inspect",
            "--format",
            "{{.Spec.Mode.Replicated.Replicas}}",
            "web_app",
        ])
    };
    let compose = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
    // Two of it need no port of the node.
    let (before, _) = compose.split_once("    ports:").expect("ports");
    let (_, after) = compose.split_once("        mode: host\n").expect("ports");
    std::fs::write(world.path("web.yml"), format!("{before}{after}")).expect("web.yml");
    left(serde_json::json!({ "app": ["replicas"] }));
    world.apply();
    world.engine.docker(&["service", "scale", "--detach", "web_app=2"]);
    let plan = world.run(&["plan", "--detailed-exitcode"]).expect(0);
    let line = "left to others: stack.web/service.app replicas 2 (the compose files say 1)";
    assert!(plan.out.contains(line), "{}", plan.out);
    let status = world.run(&["status", "--detailed-exitcode"]).expect(0);
    assert!(status.out.contains("of 2 running") && status.out.contains(line), "{}", status.out);
    // A change of something else keeps what is left, and the gates expect it.
    std::fs::write(world.path("page.html"), "another\n").expect("page.html");
    world.apply();
    assert_eq!(replicas(), "2");
    world.assert_settled();

    // What is not declared is repaired.
    left(serde_json::json!({}));
    world.run(&["plan", "--detailed-exitcode"]).expect(2);
    world.apply();
    assert_eq!(replicas(), "1");

    // What cannot be left is refused, with its place.
    for (fields, says) in [
        (serde_json::json!({ "ghost": ["replicas"] }), "`ghost` is no service of the stack"),
        (serde_json::json!({ "app": ["colour"] }), "colour"),
    ] {
        left(fields);
        let refused = world.run(&["plan"]).expect(78);
        assert!(refused.err.contains(says) && refused.err.contains("manifest.json:"), "{}", refused.err);
    }
}
