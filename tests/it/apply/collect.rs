//! Proves: `collect` removes the images that earlier runs brought and nothing needs, and no other ones, on both engines.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::engine::Flavour;
use crate::support::faulty::{Fault, Faulty, Spoil};
use crate::support::relay::{Relay, When};
use crate::support::world::{Ran, World};

/// A world whose stack runs another image for each version, on an engine that holds images of somebody else.
struct Yard {
    world: World,
    tasks: usize,
}

impl Yard {
    /// The stack has one task, or none: then a version takes no longer than the images do.
    fn new(flavour: Flavour, tasks: usize) -> Self {
        let world = World::on(flavour);
        world.engine.load_busybox();
        let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
        let text = text.replace("replicas: 1", &format!("replicas: {tasks}"));
        std::fs::write(world.path("web.yml"), text).expect("web.yml");
        Self { world, tasks }
    }

    /// Applies a version without gates; returns the reference of its image.
    fn version(&self, version: u8) -> String {
        self.world.edit(|manifest| {
            manifest["images"]["app"]["config"]["env"] = json!([format!("VERSION={version}")]);
            manifest["swarm"]["task_history"] = json!(0);
            manifest["keep"] = json!({ "generations": 1, "objects": 0 });
            manifest["gates"] = json!({});
        });
        self.world.apply_unproven();
        let image = self.docker(&["service", "inspect", "--format", IMAGE, "web_app"]);
        let containers = ["ps", "-aq", "--filter", "label=com.docker.swarm.service.name=web_app"];
        for _ in 0..1200 {
            if self.docker(&containers).lines().count() == self.tasks {
                return image;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("the containers of former tasks do not go");
    }

    fn docker(&self, args: &[&str]) -> String {
        self.world.engine.docker(args)
    }

    /// Every image of the engine by its names.
    fn images(&self) -> BTreeSet<String> {
        let listed = self.docker(&["image", "ls", "-a", "--format", "{{.Repository}}:{{.Tag}}"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// `collect --json` with more arguments, which must end with `code`.
    fn collect(&self, args: &[&str], code: i32) -> Value {
        self.world.run(&[&["collect", "--json"], args].concat()).expect(code).json()
    }

    /// Collects again and fails unless there was nothing to do.
    fn assert_collected(&self) {
        let again = self.collect(&[], 0);
        assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])), "{again:#}");
    }
}

const IMAGE: &str = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";

fn addresses(record: &Value) -> Vec<&str> {
    let steps = record["plan"]["steps"].as_array().expect("steps").iter();
    steps.filter_map(|step| step["address"].as_str()).collect()
}

fn stays(record: &Value) -> String {
    let all = record["plan"]["stays"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |one: &Value| format!("{} {}", one["name"].as_str().unwrap(), one["because"].as_str().unwrap());
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn address_of(image: &str) -> String {
    format!("image.\"{image}\"")
}

#[test]
fn what_earlier_runs_brought_goes_and_everything_that_is_needed_or_not_ours_stays() {
    for (flavour, tasks) in Flavour::ALL.into_iter().zip([1, 0]) {
        what_is_needed_stays(&Yard::new(flavour, tasks));
    }
}

fn what_is_needed_stays(yard: &Yard) {
    let first = yard.version(1);
    yard.assert_collected();
    let second = yard.version(2);
    assert_eq!(stays(&yard.collect(&[], 0)), "", "a kept generation and the previous spec need it");
    let third = yard.version(3);
    let all = yard.images();
    assert!(all.is_superset(&[&first, &second, &third].map(String::clone).into()), "{all:?}");

    // Three things may use it that are not ours: a container that does not run, another name, another stack's service.
    let container = yard.docker(&["create", "--name", "theirs", &first, "/bin/true"]);
    assert_eq!(stays(&yard.collect(&[], 0)), format!("{first} the container `theirs` uses it"));
    yard.docker(&["rm", &container]);
    yard.docker(&["tag", &first, "example.org/mine:1"]);
    assert_eq!(stays(&yard.collect(&[], 0)), format!("{first} it is also called `example.org/mine:1`"));
    yard.docker(&["rmi", "example.org/mine:1"]);
    let service = ["service", "create", "-d", "--no-resolve-image", "--replicas=0", "--name=foreign"];
    yard.docker(&[&service[..], &[&first, "/bin/true"]].concat());
    assert_eq!(stays(&yard.collect(&[], 0)), format!("{first} the service `foreign` uses it"));
    yard.docker(&["service", "update", "-d", "--no-resolve-image", "--image", &third, "foreign"]);
    assert_eq!(stays(&yard.collect(&[], 0)), format!("{first} the service `foreign` may go back to it"));
    yard.docker(&["service", "rm", "foreign"]);
    assert_eq!(yard.images(), all, "nothing was removed so far");

    let planned = yard.collect(&["--dry-run"], 0);
    assert_eq!(addresses(&planned), [address_of(&first)]);
    assert_eq!((yard.images(), &planned["writes"]), (all.clone(), &json!(0)), "a dry run only says");
    let text = yard.world.run(&["collect", "--dry-run"]).expect(0).out;
    assert!(
        text.contains(&format!("  - {}  delete", address_of(&first))) && text.contains("1 to delete"),
        "{text}"
    );

    // Somebody uses it between the look and the removal: the engine keeps it, which is told and is no failure.
    let faulty = Faulty::start(&yard.world.path("relay.sock"), &yard.world.engine.socket);
    let (address, image) = (yard.world.engine.address(), first.clone());
    let meddle = move || {
        let args = ["--host", &address, "run", "-d", "--name", "late", &image, "/bin/sleep", "600"];
        let started = Command::new("docker").args(args).stdout(Stdio::null()).status();
        assert!(started.expect("docker").success());
    };
    let fault = Fault::Meddle(Arc::new(meddle));
    faulty.spoil(vec![Spoil { what: "DELETE", from: 1, times: 1, fault }]);
    let output = yard.world.command(&["collect", "-H", &faulty.address()]).output().expect("it runs");
    let left = Ran::new(&output).expect(0).out;
    assert!(left.contains("  left     image.") && left.contains("1 left, because something uses"), "{left}");
    assert!(yard.images().contains(&first));
    yard.docker(&["rm", "-f", "late"]);

    let done = yard.collect(&[], 0);
    assert_eq!((addresses(&done), &done["writes"]), (vec![address_of(&first).as_str()], &json!(1)));
    let mut rest = all;
    rest.remove(&first);
    assert_eq!(yard.images(), rest);
    yard.assert_collected();
    let again = yard.world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    assert_eq!(again["writes"], 0, "{again:#}");

    // What is kept for it is there: no archive is read for the way back.
    std::fs::remove_file(yard.world.path("rootfs.tar")).expect("rootfs.tar");
    yard.world.run_on_state(&["rollback", "2", "--no-verify"]).expect(0);
    assert_eq!(yard.docker(&["service", "inspect", "--format", IMAGE, "web_app"]), second);
}

#[test]
fn killed_in_the_middle_the_next_one_finishes() {
    let yard = Yard::new(Flavour::usual(), 0);
    for (number, when) in [(1, When::Before), (1, When::After), (2, When::Before), (2, When::After)] {
        let old = [1, 2].map(|version| yard.version(version));
        yard.version(3);
        yard.version(4);
        let planned = yard.collect(&["--dry-run"], 0);
        let planned: BTreeSet<&str> = addresses(&planned).into_iter().collect();
        assert_eq!(
            planned,
            old.each_ref().map(|image| address_of(image)).iter().map(String::as_str).collect()
        );
        let relay =
            Relay::start(&yard.world.path("relay.sock"), &yard.world.engine.socket, Some((number, when)));
        let address = format!("unix://{}", relay.socket.display());
        let mut child = yard.world.command(&["collect", "-H", &address]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
        assert!(relay.wait(60), "write {number} never came");
        child.kill().expect("kill -9");
        child.wait().expect("it ends");
        yard.collect(&[], 0);
        let there = yard.images();
        assert!(old.iter().all(|image| !there.contains(image)), "{there:?}");
        assert!(there.contains("holdfast-test/busybox:1"), "{there:?}");
        yard.assert_collected();
    }
}

/// A second instance on the host of `yard`, with a stack and folders of its own, that runs the image of a version.
fn sibling(yard: &Yard, version: u8, args: &[&str]) -> Ran {
    let mut manifest = yard.world.manifest();
    manifest["instance"] = json!("second");
    manifest["images"]["app"]["config"]["env"] = json!([format!("VERSION={version}")]);
    manifest["paths"] = json!({ "run": "run-second", "state": "state-second" });
    manifest["stacks"] = json!({ "second": { "compose": ["second.yml"], "images": { "app": "app" } } });
    manifest["gates"] = json!({});
    for key in ["networks", "secrets", "templates", "swarm", "node"] {
        manifest.as_object_mut().unwrap().remove(key);
    }
    let service = "services: {app: {image: app, deploy: {replicas: 0, endpoint_mode: dnsrr}}}\n";
    std::fs::write(yard.world.path("second.yml"), service).unwrap();
    let file = yard.world.path("second.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(args).arg(&file).stdin(Stdio::null()).env_remove("HOLDFAST_MANIFEST");
    Ran::new(&command.output().expect("the program runs")).expect(0)
}

#[test]
fn an_image_that_only_another_instance_can_go_back_to_stays() {
    let yard = Yard::new(Flavour::usual(), 0);
    let first = yard.version(1);
    sibling(&yard, 1, &["apply", "--no-verify"]);
    for version in 2..=4 {
        yard.version(version);
        sibling(&yard, version, &["apply", "--no-verify"]);
    }
    yard.collect(&[], 0);
    assert!(yard.images().contains(&first), "the first generation of the other instance names it");
    yard.assert_collected();
    // Nor does `destroy` take it away.
    yard.world.run(&["destroy"]).expect(0);
    assert!(yard.images().contains(&first), "{:?}", yard.images());
    let state = yard.world.path("state-second");
    let mut back = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    back.args(["rollback", "1", "--no-verify", "--state-dir"]).arg(&state).env_remove("HOLDFAST_MANIFEST");
    Ran::new(&back.output().expect("the program runs")).expect(0);
    assert_eq!(yard.docker(&["service", "inspect", "--format", IMAGE, "second_app"]), first);
}
