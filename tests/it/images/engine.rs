//! Images of a real registry on a real engine: pulled, pinned, with a login that is kept fresh.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::texts;
use crate::support::engine::busybox_rootfs;
use crate::support::faulty::{Fault, Faulty, Spoil};
use crate::support::registry::{FIRST, Registry, SECOND, USER};
use crate::support::world::{Ran, World};

/// A world whose stack runs one image of a registry.
struct Harbour {
    world: World,
    registry: Registry,
}

impl Harbour {
    fn new() -> Self {
        let world = World::new();
        let registry = Registry::beside(&world.engine);
        world.seal(FIRST.0);
        Self { world, registry }
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/team/app:{tag}", self.registry.name)
    }

    /// Pushes a runnable image, another one for each mark, and leaves none of it on the engine.
    fn push(&self, tag: &str, mark: &str) {
        let (engine, image) = (&self.world.engine, self.image(tag));
        // Docker's own file of logins lies elsewhere: what the program keeps is searched for passwords.
        let home = self.registry.path("docker");
        fs::create_dir_all(&home).unwrap();
        let login = json!({ "auths": { self.registry.name.clone(): { "auth": STANDARD.encode(format!("{USER}:{}", FIRST.0)) } } });
        fs::write(home.join("config.json"), login.to_string()).unwrap();
        let tar = self.world.path("rootfs.tar");
        fs::write(&tar, busybox_rootfs()).unwrap();
        engine.docker(&[
            "import",
            "--change",
            &format!("LABEL mark={mark}"),
            &tar.display().to_string(),
            &image,
        ]);
        engine.docker(&["--config", &home.display().to_string(), "push", &image]);
        engine.docker(&["rmi", &image]);
    }

    /// A manifest with the stack `web` of one service that runs `image`.
    fn write(&self, image: &str, replicas: u8) {
        let compose = format!(
            "services:\n  app:\n    image: {image}\n    command: [/bin/sleep, \"3600\"]\n    stop_grace_period: 1s\n    \
             deploy: {{replicas: {replicas}, endpoint_mode: dnsrr}}\n"
        );
        fs::write(self.world.path("web.yml"), compose).unwrap();
        self.world.edit(|manifest| {
            manifest["images"] = json!({});
            manifest["templates"] = json!({});
            manifest["stacks"] = json!({ "web": { "compose": ["web.yml"], "deadline": "1m" } });
            manifest["gates"] = json!({});
            manifest["registries"] = json!({ self.registry.name.clone(): {
                "username": USER, "password": { "secret": "token" }, "ca": self.registry.path("ca.pem"),
            } });
        });
    }

    /// Runs the program; nothing that it prints, and nothing that the engine or any file but the secret itself shows,
    /// holds a password.
    fn run(&self, args: &[&str]) -> Ran {
        let ran = self.world.run(&[args, &["-vv"]].concat());
        let services = self.world.engine.docker_output(&["service", "inspect", "web_app"]).stdout;
        let shown = [ran.out.clone(), ran.err.clone(), String::from_utf8_lossy(&services).into_owned()];
        for text in shown.into_iter().chain(texts(&self.world.path("."))) {
            for password in [FIRST.0, SECOND.0, "wrong-pass"] {
                assert!(!text.contains(password), "a password shows in:\n{text}");
                let packed = STANDARD.encode(format!("{USER}:{password}"));
                assert!(!text.contains(packed.trim_end_matches('=')), "a login shows in:\n{text}");
            }
        }
        ran
    }

    fn apply(&self) -> Value {
        self.run(&["apply", "--json"]).expect(0).json()
    }

    fn settled(&self) {
        let record = self.apply();
        assert_eq!((&record["writes"], &record["plan"]["steps"]), (&json!(0), &json!([])), "{record:#}");
    }

    fn lock(&self, args: &[&str]) -> Ran {
        self.run(&[&["image", "lock"], args].concat())
    }

    /// A field of the service.
    fn service(&self, format: &str) -> String {
        self.world.engine.docker(&["service", "inspect", "--format", format, "web_app"])
    }

    /// Ids of the tasks that run.
    fn tasks(&self) -> String {
        let filter = ["service", "ps", "-q", "--filter", "desired-state=running", "--no-trunc", "web_app"];
        self.world.engine.docker(&filter)
    }
}

fn reasons(record: &Value) -> Vec<(&str, &str)> {
    let steps = record["plan"]["steps"].as_array().unwrap();
    let changing = steps.iter().filter(|step| step["verb"] != "await");
    changing.map(|step| (step["address"].as_str().unwrap(), step["consequence"].as_str().unwrap())).collect()
}

const SERVICE: &str = "stack.web/service.app";

#[test]
fn a_private_image_is_pulled_pinned_and_keeps_a_fresh_login() {
    let mut harbour = Harbour::new();
    // A login that the wrong base64 alphabet would garble.
    let login = json!({ "password": FIRST.0, "serveraddress": harbour.registry.name, "username": USER });
    assert!(STANDARD.encode(login.to_string()).contains(['+', '/']), "the password proves nothing");
    harbour.push("1.0", "one");
    let image = harbour.image("1.0");
    harbour.write(&image, 1);
    let unlocked = harbour.run(&["apply"]).expect(78);
    assert!(
        unlocked.err.contains("web.yml:3:12") && unlocked.err.contains("holdfast image lock"),
        "{}",
        unlocked.err
    );
    harbour.lock(&[]).expect(0);
    let first = harbour.apply();
    let pull = format!("image.\"{image}\"");
    assert!(reasons(&first).contains(&(pull.as_str(), "none")), "{:?}", reasons(&first));
    let running = harbour.service("{{.Spec.TaskTemplate.ContainerSpec.Image}}");
    assert!(running.starts_with(&format!("{image}@sha256:")), "{running}");
    harbour.settled();

    // The tag moves: nothing happens until the lock file is told.
    harbour.push("1.0", "two");
    harbour.lock(&[]).expect(0);
    harbour.settled();
    harbour.lock(&["--update-all"]).expect(0);
    let moved = harbour.apply();
    assert_eq!(reasons(&moved), [(pull.as_str(), "none"), (SERVICE, "rolling_restart")]);
    assert_ne!(harbour.service("{{.Spec.TaskTemplate.ContainerSpec.Image}}"), running);
    harbour.settled();

    // The registry is down: what runs is a no-op, and the lock file keeps its pins.
    let locked = fs::read_to_string(harbour.world.path("holdfast.lock.json")).unwrap();
    harbour.registry.stop();
    harbour.settled();
    harbour.lock(&["--update-all"]).expect(75);
    assert_eq!(fs::read_to_string(harbour.world.path("holdfast.lock.json")).unwrap(), locked);
    harbour.registry.resume();

    // A new password: one write, no new task, nothing more after it.
    let tasks = harbour.tasks();
    harbour.registry.let_in(SECOND);
    harbour.world.seal(SECOND.0);
    let fresh = harbour.apply();
    assert_eq!(
        reasons(&fresh).into_iter().filter(|(address, _)| address.contains("service")).collect::<Vec<_>>(),
        [(SERVICE, "none")]
    );
    sleep(Duration::from_secs(2));
    assert_eq!(harbour.tasks(), tasks, "a login that changed must restart nothing");
    harbour.settled();
    // The engine uses it: without the image on the node, a new task pulls with the login of its service.
    let engine = &harbour.world.engine;
    engine.docker(&["service", "scale", "--detach", "web_app=0"]);
    let digest = harbour.service("{{.Spec.TaskTemplate.ContainerSpec.Image}}");
    let gone = (0..600).any(|_| {
        sleep(Duration::from_millis(200));
        engine.docker_output(&["rmi", "-f", &digest]).status.success()
    });
    assert!(gone, "the image was not removed");
    harbour.apply();
    harbour.settled();
}

#[test]
fn a_pull_that_breaks_off_is_asked_for_again() {
    let harbour = Harbour::new();
    let engine = &harbour.world.engine;
    let relay = Faulty::start(&harbour.world.path("relay.sock"), &engine.socket);
    let faults = [Fault::DropBefore, Fault::DropAfter, Fault::Cut, Fault::error(503, "busy")];
    for (number, fault) in (1..).zip(faults) {
        let tag = format!("1.{number}");
        harbour.push(&tag, &tag);
        harbour.write(&harbour.image(&tag), 1);
        harbour.lock(&[]).expect(0);
        relay.spoil(vec![Spoil { what: "POST /images/create", from: 1, times: 1, fault }]);
        let record = harbour.run(&["apply", "--json", "-H", &relay.address()]).expect(0).json();
        assert_eq!(relay.spoilt().len(), 1, "{tag}: nothing was pulled");
        let cured: Vec<_> =
            record["steps"].as_array().unwrap().iter().filter(|step| step["again"] == true).collect();
        assert!(cured.len() == 1 && cured[0]["address"].as_str().unwrap().starts_with("image."), "{cured:?}");
        assert!(
            harbour.service("{{.Spec.TaskTemplate.ContainerSpec.Image}}").starts_with(&harbour.image(&tag))
        );
    }
    harbour.settled();
}

#[test]
fn a_refused_pull_names_registry_user_and_secret_and_changes_nothing() {
    let harbour = Harbour::new();
    harbour.push("1.0", "one");
    harbour.push("2.0", "two");
    harbour.write(&harbour.image("1.0"), 1);
    harbour.lock(&[]).expect(0);
    harbour.apply();
    let tasks = harbour.tasks();
    harbour.write(&harbour.image("2.0"), 1);
    harbour.lock(&[]).expect(0);
    harbour.world.seal("wrong-pass");
    let refused = harbour.run(&["apply"]).expect(4);
    let said = [refused.out, refused.err].concat();
    let who = format!(
        "`{}` was asked as the user `{USER}`; check the password in the secret `token`",
        harbour.registry.name
    );
    assert!(said.contains(&who), "{said}");
    assert_eq!(harbour.tasks(), tasks, "what runs must go on");
    harbour.world.seal(FIRST.0);
    harbour.apply();
    assert_ne!(harbour.tasks(), tasks);
    harbour.settled();
}

#[test]
fn a_stack_that_docker_deployed_from_the_registry_is_taken_over_without_a_restart() {
    let harbour = Harbour::new();
    let engine = &harbour.world.engine;
    let platforms = ["linux/amd64", "linux/arm/v7", "linux/arm64/v8", "unknown/unknown"];
    let digest = harbour.registry.push_index("team/app", "3.0", &platforms, "index");
    let image = harbour.image("3.0");
    harbour.write(&image, 0);
    harbour.lock(&[]).expect(0);
    let listen = format!("{}:2377", engine.ip);
    engine.docker(&["swarm", "init", "--advertise-addr", &engine.ip, "--listen-addr", &listen]);
    let home = harbour.registry.path("docker");
    fs::create_dir_all(&home).unwrap();
    let login = STANDARD.encode(format!("{USER}:{}", FIRST.0));
    let config = json!({ "auths": { harbour.registry.name.clone(): { "auth": login } } });
    fs::write(home.join("config.json"), config.to_string()).unwrap();
    let file = harbour.world.path("web.yml").display().to_string();
    let deploy = [
        "stack",
        "deploy",
        "--with-registry-auth",
        "--resolve-image",
        "always",
        "--detach=true",
        "-c",
        &file,
        "web",
    ];
    engine.docker(&[&["--config", &home.display().to_string()], deploy.as_slice()].concat());
    let spec = || -> Value { serde_json::from_str(&harbour.service("{{json .Spec}}")).unwrap() };
    let dockers = spec();
    assert_eq!(dockers["TaskTemplate"]["ContainerSpec"]["Image"], format!("{image}@{digest}"));

    harbour.run(&["compile", "-o", &harbour.world.path("out").display().to_string()]).expect(0);
    let ours: Value =
        serde_json::from_slice(&fs::read(harbour.world.path("out/specs/web.json")).unwrap()).unwrap();
    let ours = &ours["services"]["app"]["body"];
    let known = |spec: &Value| -> Vec<Value> {
        let all = spec["TaskTemplate"]["Placement"]["Platforms"].as_array().unwrap();
        all.iter().filter(|platform| platform["OS"] != "unknown").cloned().collect()
    };
    assert_eq!(known(ours), known(&dockers), "platforms are not docker's");
    assert_eq!(
        ours["TaskTemplate"]["ContainerSpec"]["Image"],
        dockers["TaskTemplate"]["ContainerSpec"]["Image"]
    );
    assert_eq!(ours["Labels"], dockers["Labels"]);

    let adopted = harbour.apply();
    let restarts: Vec<_> =
        reasons(&adopted).into_iter().filter(|(_, consequence)| *consequence != "none").collect();
    assert!(restarts.is_empty(), "{restarts:?}");
    assert_eq!(spec(), dockers, "the service must stay as docker made it");
    harbour.settled();
}

#[test]
fn what_was_pulled_for_an_earlier_generation_is_collected_and_what_somebody_else_pulled_is_not() {
    let mut harbour = Harbour::new();
    let engine = &harbour.world.engine;
    let names = || {
        let listed = engine.docker(&["image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}"]);
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let home = harbour.registry.path("docker").display().to_string();
    let mut digests = Vec::new();
    for version in ["1", "2", "3", "4"] {
        harbour.push(version, version);
        harbour.write(&harbour.image(version), 0);
        let ran = harbour.world.run(&["image", "lock"]).expect(0);
        let digest = ran.out.split_whitespace().find(|word| word.starts_with("sha256:")).expect("a digest");
        let name = format!("{}/team/app@{digest}", harbour.registry.name);
        if version == "1" {
            // Somebody else has it before.
            engine.docker(&["--config", &home, "pull", "-q", &name]);
        }
        let manifest = std::fs::read_to_string(harbour.world.path("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
        manifest["keep"] = json!({ "generations": 1, "objects": 0 });
        // One task for a moment: the engine pulls what a service runs.
        harbour.world.write(&manifest);
        let text = fs::read_to_string(harbour.world.path("web.yml")).unwrap();
        fs::write(harbour.world.path("web.yml"), text.replace("replicas: 0", "replicas: 1")).unwrap();
        harbour.world.run(&["apply", "--no-verify"]).expect(0);
        assert!(names().contains(&name), "{:?}", names());
        digests.push(name);
    }
    // The containers of former tasks hold their images.
    let containers = engine.docker(&["ps", "-aq", "--filter", "status=exited", "--filter", "status=created"]);
    for container in containers.lines() {
        drop(engine.docker_output(&["rm", "-f", container]));
    }
    let gone = harbour.world.run(&["collect", "--json"]).expect(0).json();
    assert_eq!(reasons(&gone), [(format!("image.\"{}\"", digests[1]).as_str(), "none")], "{gone:#}");
    assert_eq!(
        digests.iter().map(|name| names().contains(name)).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    let again = harbour.world.run(&["collect", "--json"]).expect(0).json();
    assert_eq!(again["writes"], 0);

    // The way back needs neither the registry nor the file of secrets: the image is on the node, as that generation is
    // kept.
    harbour.registry.stop();
    fs::remove_file(harbour.world.path("secrets.yaml")).expect("secrets.yaml");
    harbour.world.run_on_state(&["rollback", "3", "--no-verify"]).expect(0);
    let running = harbour.service("{{.Spec.TaskTemplate.ContainerSpec.Image}}");
    assert!(digests[2].ends_with(running.rsplit('@').next().unwrap()), "{running} is not {}", digests[2]);
}
