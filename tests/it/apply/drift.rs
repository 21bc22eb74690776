//! Proves: what somebody does by hand is seen by `plan` and `status`, and repaired by `apply`.

use crate::support::world::World;

#[test]
fn hand_made_changes_are_named_and_repaired() {
    let world = World::new();
    world.apply();
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
        world.apply();
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
