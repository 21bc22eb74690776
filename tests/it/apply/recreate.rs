//! Proves: what the engine cannot change is refused, or made anew where that is allowed, whatever kills the run.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::relay::{Relay, When};
use crate::support::world::World;

/// A stack whose every part can be changed in a way that the engine refuses.
const FIXED: &str = r"
services:
  app:
    image: holdfast.invalid/app
    stop_grace_period: 1s
    networks: [proxy, inner]
    configs:
      - source: page
        target: /www/index.html
    deploy:
      MODE
      endpoint_mode: dnsrr
      update_config: { monitor: 500ms }
networks:
  inner: { INNER }
  proxy: { external: true }
configs:
  page:
    name: the_page
    file: page.html
";

/// What the manifest and its compose file say.
struct Says {
    mode: &'static str,
    inner: &'static str,
    label: String,
    allow: Value,
}

impl Says {
    fn write(&self, world: &World) {
        let text = FIXED.replace("MODE", self.mode).replace("INNER", self.inner);
        std::fs::write(world.path("web.yml"), text).expect("web.yml");
        world.edit(|manifest| {
            manifest["networks"]["proxy"]["labels"] = json!({ "label": self.label });
            manifest["stacks"]["web"]["allow_recreate"] = self.allow.clone();
            manifest["gates"] = json!({});
        });
    }
}

fn inspect(world: &World, kind: &str, name: &str, format: &str) -> String {
    world.engine.docker(&[kind, "inspect", "--format", format, name])
}

#[test]
fn networks_modes_and_named_configs_are_refused_or_made_anew() {
    let world = World::new();
    let mut says = Says { mode: "replicas: 1", inner: "", label: "one".into(), allow: json!([]) };
    says.write(&world);
    world.run(&["apply", "--no-verify"]).expect(0);
    let id = |name: &str| inspect(&world, "service", name, "{{.ID}}");
    let first = id("web_app");
    says.allow = json!(["service.ghost"]);
    says.write(&world);
    let refused = world.run(&["plan"]).expect(78);
    assert!(refused.err.contains("`service.ghost` is not in the stack"), "{}", refused.err);
    says.allow = json!([]);

    // Each change is refused by its address, its flag and its field, and nothing at all is written.
    says.label = "two".into();
    says.inner = "driver_opts: { com.docker.network.driver.mtu: '1400' }";
    says.mode = "mode: global";
    says.write(&world);
    std::fs::write(world.path("page.html"), "another\n").expect("page.html");
    let refused = world.run(&["apply", "--no-verify"]).expect(78);
    for address in
        ["network.proxy", "stack.web/network.inner", "stack.web/service.app", "stack.web/config.page"]
    {
        let flag = format!("--allow-recreate {address}");
        assert!(refused.err.contains(&flag), "`{flag}` is not in:\n{}", refused.err);
    }
    assert!(refused.err.contains(r#""allow_recreate": ["network.inner"]"#), "{}", refused.err);
    assert_eq!(id("web_app"), first);

    // The manifest allows what is in the stack, the command line the rest.
    says.allow = json!(["network.inner", "service.app", "config.page"]);
    says.write(&world);
    let plan = world.run(&["plan", "--allow-recreate", "network.proxy"]).expect(0);
    assert!(plan.out.contains("-/+ stack.web/service.app  delete, and make anew"), "{}", plan.out);
    let args = ["apply", "--no-verify", "--json", "--allow-recreate", "network.proxy"];
    let record = world.run(&args).expect(0).json();
    let steps = record["steps"].as_array().expect("steps");
    let verbs = |verb: &str| steps.iter().filter(|step| step["verb"] == verb).count();
    assert_eq!((verbs("replace"), verbs("create")), (4, 4), "{steps:#?}");
    assert_ne!(id("web_app"), first);
    assert_eq!(inspect(&world, "service", "web_app", "{{json .Spec.Mode}}"), r#"{"Global":{}}"#);
    assert_eq!(inspect(&world, "config", "the_page", "{{printf \"%s\" .Spec.Data}}"), "another");
    assert_eq!(inspect(&world, "network", "proxy", "{{.Labels.label}}"), "two");
    assert_eq!(
        inspect(&world, "network", "web_inner", "{{index .Options \"com.docker.network.driver.mtu\"}}"),
        "1400"
    );
    let again = world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])));

    // A service of somebody else is not taken down for it.
    says.label = "three".into();
    says.write(&world);
    let foreign = ["service", "create", "-q", "--detach", "--name", "foreign", "--network", "proxy"];
    world
        .engine
        .docker(&[&foreign[..], &["--replicas", "0", "--endpoint-mode", "dnsrr", "busybox"]].concat());
    let refused = world.run(&args).expect(78);
    assert!(refused.err.contains("`foreign` is not ours"), "{}", refused.err);
    assert_eq!(id("foreign").len(), 25);
}

/// Applies with the allowance, and kills the run at a write.
fn kill(world: &World, at: (usize, When)) {
    let relay = Relay::start(&world.path("relay.sock"), &world.engine.socket, Some(at));
    let address = format!("unix://{}", relay.socket.display());
    let mut child = world
        .command(&["apply", "--no-verify", "--allow-recreate", "network.proxy", "-H", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    assert!(relay.wait(60), "write {at:?} never came");
    child.kill().expect("kill -9");
    child.wait().expect("it ends");
}

#[test]
fn killed_between_delete_and_create_the_next_run_needs_no_leave_to_finish() {
    let world = World::new();
    let mut says = Says { mode: "replicas: 1", inner: "", label: "0".into(), allow: json!([]) };
    says.write(&world);
    world.run(&["apply", "--no-verify"]).expect(0);
    // Service and network go, network and service come.
    let all: Vec<(usize, When)> =
        (1..=4).flat_map(|number| [(number, When::Before), (number, When::After)]).collect();
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    let sample = if full { &all[..] } else { &all[1..=3] };
    for (number, at) in sample.iter().enumerate() {
        says.label = (number + 1).to_string();
        says.write(&world);
        world.run(&["apply", "--no-verify"]).expect(78);
        kill(&world, *at);
        world.run(&["apply", "--no-verify"]).expect(0);
        assert_eq!(inspect(&world, "network", "proxy", "{{.Labels.label}}"), says.label);
        let again = world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
        assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])), "{at:?}");
        assert!(!world.path("state/recreating.json").exists(), "the allowance was not forgotten");
    }
    println!("killed at {} of {} points", sample.len(), all.len());
}
