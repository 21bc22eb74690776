//! A host to apply to: a real engine, a manifest that uses most of what there is, and the real program.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::engine::{Engine, Flavour, busybox_rootfs};
use super::sops::{Form, Keys};

/// The value of the world's secret: searched for wherever it must not be.
pub(crate) const CANARY: &str = "canary-4c1f0b-do-not-print";

/// A real engine and a folder with a manifest for it.
pub(crate) struct World {
    pub(crate) engine: Engine,
    keys: Keys,
}

/// What a run of the program came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn new(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The record, when the run was given `--json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.out, self.err))
    }

    /// Fails unless the program ended with `code`.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }
}

impl World {
    /// An engine in no swarm, and a manifest that makes one and runs the stack `web`.
    pub(crate) fn new() -> Self {
        Self::on(Flavour::usual())
    }

    /// The same on an engine of this flavour.
    pub(crate) fn on(flavour: Flavour) -> Self {
        let world = Self { engine: Engine::start_flavour(flavour), keys: Keys::new() };
        fs::write(world.path("rootfs.tar"), busybox_rootfs()).expect("rootfs.tar");
        world.seal(CANARY);
        fs::write(world.path("web.yml"), WEB).expect("web.yml");
        fs::write(world.path("page.html"), "hello\n").expect("page.html");
        world.write(&world.manifest());
        world
    }

    /// A path in the world's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.keys.path(name)
    }

    /// Encrypts a new value of the secret `token`.
    pub(crate) fn seal(&self, value: &str) {
        let plain = format!("token: {value}\nother: unused\n");
        self.keys.encrypt("secrets.yaml", plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
    }

    /// Who reads what this host makes.
    pub(crate) fn recipient(&self) -> String {
        self.keys.recipient(Form::AgeFile)
    }

    /// Encrypts a file of these lines (YAML) for this host.
    pub(crate) fn encrypt(&self, name: &str, plain: &str) {
        self.keys.encrypt(name, plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
    }

    /// The manifest as a value to change.
    pub(crate) fn manifest(&self) -> Value {
        let ip = &self.engine.ip;
        json!({
            "version": 1,
            "host": { "name": "test" },
            "engine": { "address": self.engine.address() },
            "swarm": { "advertise": ip, "listen": format!("{ip}:2377"), "task_history": 2 },
            "node": { "labels": { "zone": "a" } },
            "networks": { "proxy": { "attachable": true } },
            "images": { "app": { "rootfs": "rootfs.tar", "config": { "entrypoint": ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"] } } },
            "identities": { "age_key_files": ["age.txt"], "ssh_key_files": [] },
            "secrets": { "token": { "file": "secrets.yaml" } },
            "templates": { "env": { "content": "TOKEN={{ token }}\n" } },
            "stacks": { "web": { "compose": ["web.yml"], "images": { "app": "app" }, "deadline": "3m" } },
            "gates": {
                "page": {
                    "https": { "url": format!("http://{ip}:8080/index.html"), "status": ["200"], "body": "hello" },
                    "soak": "1s"
                }
            },
            "paths": { "run": "run", "state": "state" },
        })
    }

    /// Writes the manifest.
    pub(crate) fn write(&self, manifest: &Value) {
        fs::write(self.path("manifest.json"), serde_json::to_vec_pretty(manifest).expect("JSON"))
            .expect("manifest.json");
    }

    /// Changes the manifest.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.write(&manifest);
    }

    /// The program with the manifest, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(args).arg(self.path("manifest.json")).stdin(Stdio::null());
        command.env_remove("HOLDFAST_MANIFEST").env_remove("SOPS_AGE_KEY");
        command
    }

    /// Runs the program with the manifest.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).output().expect("the program runs"))
    }

    /// Runs the program with its state folder and nothing else of the manifest.
    pub(crate) fn run_on_state(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(args).arg("--state-dir").arg(self.path("state")).stdin(Stdio::null());
        command.env_remove("HOLDFAST_MANIFEST").env_remove("SOPS_AGE_KEY");
        Ran::new(&command.output().expect("the program runs"))
    }

    /// `apply --json`, which must end well.
    pub(crate) fn apply(&self) -> Value {
        self.run(&["apply", "--json"]).expect(0).json()
    }

    /// As [`Self::apply`], without gates: a test of another engine need not wait for the same soak again.
    pub(crate) fn apply_unproven(&self) -> Value {
        self.run(&["apply", "--no-verify", "--json"]).expect(0).json()
    }

    /// Applies again and fails unless nothing at all was written or planned.
    pub(crate) fn assert_settled(&self) {
        let record = self.apply();
        assert_eq!(record["writes"], 0, "a second run wrote: {}", record["steps"]);
        assert_eq!(record["plan"]["steps"], json!([]));
    }

    /// The run folder.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unmount_below(self.keys.dir.path());
    }
}

/// Lets go of every mount below a folder, innermost first.
pub(crate) fn unmount_below(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let inside = |line: &&str| line.split(' ').nth(1).is_some_and(|path| Path::new(path).starts_with(folder));
    for line in mounts.lines().filter(inside).collect::<Vec<_>>().into_iter().rev() {
        let path = line.split(' ').nth(1).unwrap_or_default();
        drop(Command::new("umount").args(["-l", path]).status());
    }
}

const WEB: &str = r"
services:
  app:
    image: holdfast.invalid/app
    networks: [proxy]
    configs:
      - source: page
        target: /www/index.html
    secrets: [token]
    stop_grace_period: 1s
    deploy:
      replicas: 1
      endpoint_mode: dnsrr
    ports:
      - target: 8080
        published: 8080
        protocol: tcp
        mode: host
configs:
  page:
    file: page.html
secrets:
  token:
    external: true
networks:
  proxy:
    external: true
";

/// A second stack, that does nothing.
pub(crate) const OTHER: &str = r"
services:
  app:
    image: holdfast.invalid/app
    stop_grace_period: 1s
    networks: [proxy]
    deploy:
      endpoint_mode: dnsrr
networks:
  proxy:
    external: true
";
