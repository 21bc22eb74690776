//! Stacks that run under docker are taken over: what is the same goes on, and what nobody can compare is updated once.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::engine::Flavour;
use crate::support::world::{CANARY, World};

/// What a user of docker wrote: a bare tag, a secret from a file, docker's own names.
const DOCKERS: &str = r"
services:
  app:
    image: app:1
    networks: [proxy]
    configs: [{ source: page, target: /www/index.html }]
    secrets: [token]
    stop_grace_period: 1s
    deploy: { replicas: 2, endpoint_mode: dnsrr }
configs:
  page: { file: page.html }
secrets:
  token: { file: token.txt }
networks:
  proxy: { external: true }
";

#[test]
fn running_stacks_are_taken_over_and_only_a_secret_that_is_not_trusted_restarts() {
    Flavour::ALL.into_iter().for_each(taken_over);
}

fn taken_over(flavour: Flavour) {
    let world = World::on(flavour);
    deploy_by_docker(&world);
    let before =
        (running(&world, "web"), running(&world, "blog"), version(&world, "web"), version(&world, "blog"));

    declare(&world, |_| ());
    let plan = world.run(&["plan"]).expect(0);
    for said in ["`web_token`", "`blog_token`", "trust_secrets", "rolling restart"] {
        assert!(plan.out.contains(said), "the plan does not say {said}:\n{}", plan.out);
    }
    trusting(&world, |_| ());
    let record = world.apply();
    let written: Vec<&str> =
        record["steps"].as_array().unwrap().iter().map(|step| step["address"].as_str().unwrap()).collect();
    assert!(!written.iter().any(|address| address.starts_with("stack.web")), "{written:?}");
    assert_eq!(
        written.iter().filter(|address| **address == "stack.blog/service.app").count(),
        1,
        "{written:?}"
    );
    let kept = record["plan"]["kept"].to_string();
    assert!(kept.contains("web_token") && kept.contains("web_page") && kept.contains("app:1"), "{kept}");
    assert_eq!(
        (running(&world, "web"), version(&world, "web")),
        (before.0.clone(), before.2),
        "web was touched"
    );
    let blog = running(&world, "blog");
    assert!(blog.is_disjoint(&before.1) && blog.len() == 2 && version(&world, "blog") > before.3);
    world.assert_settled();
    assert_eq!(running(&world, "web"), before.0);

    // What somebody changes by hand is found, and with that restart come names of ours. Docker's objects go when neither
    // the spec before nor the manifest's `keep` asks for them.
    world.engine.docker(&["service", "update", "-q", "--detach", "--env-add", "X=1", "web_app"]);
    let plan = world.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(plan.out.contains("Env") && plan.out.contains("stack.web/service.app"), "{}", plan.out);
    world.apply_unproven();
    for (kind, key) in [("secret", "token"), ("config", "page")] {
        let names = objects(&world, kind);
        assert!(names.contains(&format!("web_{key}")), "the engine cannot roll back: {names:?}");
        assert!(names.iter().any(|name| name.starts_with(&format!("web_{key}_"))), "{names:?}");
    }
    world.assert_settled();
    trusting(&world, |manifest| {
        manifest["keep"] = json!({ "generations": 0, "objects": 0 });
    });
    for label in ["one", "two"] {
        world.engine.docker(&["service", "update", "-q", "--detach", "--label-add", label, "web_app"]);
        world.apply_unproven();
    }
    for (kind, key) in [("secret", "token"), ("config", "page")] {
        let names = objects(&world, kind);
        assert!(!names.contains(&format!("web_{key}")), "docker's {kind} is left: {names:?}");
    }
    world.assert_settled();
}

#[test]
fn a_trusted_secret_that_changes_later_is_rotated() {
    let world = World::new();
    deploy_by_docker(&world);
    let both = |manifest: &mut Value| {
        for stack in ["web", "blog"] {
            manifest["stacks"][stack]["trust_secrets"] = json!(["token"]);
        }
    };
    declare(&world, both);
    world.apply_unproven();
    let before = running(&world, "web");
    let again = world.apply_unproven();
    assert_eq!((&again["writes"], running(&world, "web")), (&json!(0), before));
    world.seal("another-value");
    let plan = world.run(&["plan", "--detailed-exitcode"]).expect(2);
    assert!(
        plan.out.contains("stack.web/secret.token") && plan.out.contains("rolling restart"),
        "{}",
        plan.out
    );
}

/// The two stacks `web` and `blog`, deployed by docker, with an image that the engine holds under a tag of the user's.
fn deploy_by_docker(world: &World) {
    world.edit(|manifest| {
        manifest["stacks"] = json!({});
        manifest["gates"] = json!({});
    });
    world.apply_unproven();
    let images = world.engine.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    let loaded =
        images.lines().find(|name| name.starts_with("holdfast.invalid/app:")).expect("the loaded image");
    world.engine.docker(&["tag", loaded, "app:1"]);
    fs::write(world.path("docker.yml"), DOCKERS).unwrap();
    fs::write(world.path("token.txt"), CANARY).unwrap();
    let file = world.path("docker.yml");
    for stack in ["web", "blog"] {
        let deploy = ["stack", "deploy", "--resolve-image", "never", "--detach=true", "-c"];
        world.engine.docker(&[&deploy[..], &[file.to_str().unwrap(), stack]].concat());
    }
    for stack in ["web", "blog"] {
        for _ in 0..1200 {
            if running(world, stack).len() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(running(world, stack).len(), 2, "{stack} does not run");
    }
}

/// The same stacks as the manifest says them: the image and the secret are the manifest's.
fn declare(world: &World, change: impl FnOnce(&mut Value)) {
    let text = DOCKERS.replace("image: app:1", "image: holdfast.invalid/app");
    fs::write(world.path("ours.yml"), text.replace("{ file: token.txt }", "{ external: true }")).unwrap();
    world.edit(|manifest| {
        let stack = json!({ "compose": ["ours.yml"], "images": { "app": "app" }, "deadline": "2m" });
        manifest["stacks"] = json!({ "web": stack, "blog": stack });
        manifest["gates"] = json!({});
        change(manifest);
    });
}

/// [`declare`], and the secret of `web` is trusted.
fn trusting(world: &World, change: impl FnOnce(&mut Value)) {
    declare(world, |manifest| {
        manifest["stacks"]["web"]["trust_secrets"] = json!(["token"]);
        change(manifest);
    });
}

/// Names of the secrets or configs that there are.
fn objects(world: &World, kind: &str) -> BTreeSet<String> {
    let names = world.engine.docker(&[kind, "ls", "--format", "{{.Name}}"]);
    names.lines().map(str::to_owned).collect()
}

/// Ids of the containers of a stack.
fn running(world: &World, stack: &str) -> BTreeSet<String> {
    let label = format!("label=com.docker.stack.namespace={stack}");
    let ids = world.engine.docker(&["ps", "-q", "--no-trunc", "--filter", &label]);
    ids.lines().map(str::to_owned).collect()
}

/// The version of the service's object: every update raises it.
fn version(world: &World, stack: &str) -> u64 {
    let service = format!("{stack}_app");
    world.engine.docker(&["service", "inspect", "--format", "{{.Version.Index}}", &service]).parse().unwrap()
}
