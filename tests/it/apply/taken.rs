//! Proves: what is taken over and what is left behind is said, and nothing that was ours is forgotten.

use serde_json::json;

use crate::support::engine::BUSYBOX;
use crate::support::world::World;

const LABEL: &str = "com.docker.stack.namespace=web";

const WITH_VOLUME: &str = r"
services:
  app:
    image: holdfast.invalid/app
    stop_grace_period: 1s
    deploy:
      endpoint_mode: dnsrr
    volumes:
      - data:/www
volumes:
  data: {}
";

#[test]
fn a_stack_that_is_taken_over_says_what_of_it_goes() {
    let world = World::new();
    let listen = format!("{}:2377", world.engine.ip);
    world.engine.docker(&["swarm", "init", "--advertise-addr", &world.engine.ip, "--listen-addr", &listen]);
    world.engine.load_busybox();
    let create = |name: &str, more: &[&str]| {
        let mut args = vec!["service", "create", "--detach", "--no-resolve-image", "--name", name];
        args.extend(["--endpoint-mode", "dnsrr", "--stop-grace-period", "1s"]);
        args.extend(more);
        args.extend([BUSYBOX, "/bin/sleep", "600"]);
        world.engine.docker(&args);
    };
    create("web_worker", &["--label", LABEL]);
    create("webby", &[]);
    let plan = world.run(&["plan"]).expect(0);
    assert!(plan.out.contains("stack.web/service.worker  delete, is stopped for good"), "{}", plan.out);
    let why = "carries the label of stack `web` and is not in the manifest";
    assert!(plan.out.contains(why) && !plan.out.contains("left the manifest"), "{}", plan.out);
    assert!(plan.out.contains("was not made by Holdfast and is removed"), "{}", plan.out);
    assert!(plan.out.contains("docker service update --label-rm"), "{}", plan.out);
    world.apply();
    let services = world.engine.docker(&["service", "ls", "--format", "{{.Name}}"]);
    let mut services: Vec<&str> = services.lines().collect();
    services.sort_unstable();
    assert_eq!(services, ["web_app", "webby"], "what carries no label of ours stays");

    // The stack is ours now: the words stay true, the warning is not said again.
    create("web_worker", &["--label", LABEL]);
    let plan = world.run(&["plan"]).expect(0);
    assert!(plan.out.contains(why) && !plan.out.contains("warning:"), "{}", plan.out);
    // The advice works: without the label it is nobody's business.
    world.engine.docker(&[
        "service",
        "update",
        "--detach",
        "--label-rm",
        "com.docker.stack.namespace",
        "web_worker",
    ]);
    world.assert_settled();
}

#[test]
fn volumes_of_a_stack_that_left_are_remembered_and_told() {
    let world = World::new();
    std::fs::write(world.path("data.yml"), WITH_VOLUME).expect("data.yml");
    world.edit(|manifest| {
        manifest["stacks"]["data"] = json!({ "compose": ["data.yml"], "images": { "app": "app" } });
    });
    world.run(&["apply", "--no-verify"]).expect(0);
    world.run(&["apply", "--no-verify"]).expect(0);
    let volumes = || world.engine.docker(&["volume", "ls", "-q"]);
    assert_eq!(volumes(), "data_data");
    // Somebody else's volume of the same look is not ours.
    world.engine.docker(&["volume", "create", "--label", "com.docker.stack.namespace=old", "old_data"]);

    world.write(&world.manifest());
    world.run(&["apply", "--no-verify"]).expect(0);
    world.assert_settled();
    std::fs::remove_file(world.path("state/ownership.json")).expect("the record");
    world.run(&["apply", "--no-verify"]).expect(0);

    let record = world.run(&["destroy", "--json"]).expect(0).json();
    let told = record["warnings"][0].as_str().expect("a warning");
    assert!(told.starts_with("volumes stay") && told.contains("`data_data`"), "{told}");
    assert!(!told.contains("old_data"), "{told}");
    assert_eq!(volumes(), "data_data\nold_data");
    world.run(&["destroy", "--volumes"]).expect(0);
    assert_eq!(volumes(), "old_data");
}

#[test]
fn destroy_says_what_it_left_behind_and_that_others_are_untouched() {
    let world = World::new();
    world.run(&["apply", "--no-verify"]).expect(0);
    let docker = |args: &[&str]| world.engine.docker(args);
    let image =
        docker(&["service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", "web_app"]);
    docker(&["service", "create", "-q", "--detach", "--name", "foreign", "--endpoint-mode", "dnsrr", &image]);
    docker(&["volume", "create", "foreign_data"]);
    // Somebody else holds on to a network of ours.
    docker(&["run", "--detach", "--name", "guest", "--network", "proxy", &image]);

    let record = world.run(&["destroy", "--json"]).expect(4).json();
    let leaks = &record["leaks"];
    assert_eq!((&leaks["left"], &leaks["lost"]), (&json!(["network proxy"]), &json!([])));
    assert_eq!(
        (&leaks["untouched"]["service"], &leaks["untouched"]["volume"]),
        (&json!(1), &json!(1)),
        "{leaks}"
    );
    assert_eq!(docker(&["service", "ls", "--format", "{{.Name}}"]), "foreign");

    docker(&["rm", "--force", "guest"]);
    let told = world.run(&["destroy"]).expect(0);
    assert!(told.out.contains("Left behind: nothing. Of others "), "{}", told.out);
    assert!(told.out.contains("1 service") && told.out.contains("1 volume"), "{}", told.out);
    assert_eq!(docker(&["volume", "ls", "-q"]), "foreign_data");
}
