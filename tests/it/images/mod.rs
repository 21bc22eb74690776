//! Images of registries: the lock file against a real registry, and tokens against a scripted one.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod engine;
mod lock;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::registry::{FIRST, Registry, USER};
use crate::support::sops::{Form, Keys};
use crate::support::world::Ran;

/// A folder with a manifest, a compose file and the password of a registry in a sops file; no engine.
struct Desk {
    keys: Keys,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { keys: Keys::new() };
        desk.seal(FIRST.0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keys.path(name)
    }

    /// Encrypts a password of the registry.
    fn seal(&self, password: &str) {
        let plain = format!("password: \"{password}\"\n");
        self.keys.encrypt("secrets.yaml", plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
    }

    /// A manifest whose one stack runs these images as services `a`, `b`, ...
    fn write(&self, images: &[&str], change: impl FnOnce(&mut Value)) {
        let services = images.iter().zip('a'..).map(|(image, key)| format!("  {key}:\n    image: {image}\n"));
        let services: Vec<String> = services.collect();
        fs::write(self.path("web.yml"), format!("services:\n{}", services.concat())).unwrap();
        let mut manifest = json!({
            "version": 1,
            "host": { "name": "test" },
            "identities": { "age_key_files": ["age.txt"], "ssh_key_files": [] },
            "stacks": { "web": { "compose": ["web.yml"] } },
            "paths": { "run": "run", "state": "state" },
        });
        change(&mut manifest);
        fs::write(self.path("manifest.json"), manifest.to_string()).unwrap();
    }

    /// Lets the manifest log in to a registry.
    fn login(registry: &Registry) -> impl FnOnce(&mut Value) {
        let (name, ca) = (registry.name.clone(), registry.path("ca.pem").display().to_string());
        move |manifest| {
            manifest["secrets"] = json!({ "pull": { "file": "secrets.yaml", "key": "password" } });
            manifest["registries"] =
                json!({ name: { "username": USER, "password": { "secret": "pull" }, "ca": ca } });
        }
    }

    /// Runs the program; what it prints never holds a password.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(args).env_remove("HOLDFAST_MANIFEST").env_remove("SOPS_AGE_KEY").stdin(Stdio::null());
        command.current_dir(self.keys.dir.path());
        let ran = Ran::new(&command.output().expect("the program runs"));
        for said in [&ran.out, &ran.err] {
            assert!(!said.contains("pass-"), "a password was printed:\n{said}");
        }
        ran
    }

    /// `image lock manifest.json` with more arguments.
    fn lock(&self, args: &[&str]) -> Ran {
        self.run(&[&["image", "lock", "manifest.json"], args].concat())
    }

    /// The text of the lock file; empty when there is none.
    fn locked(&self) -> String {
        fs::read_to_string(self.path("holdfast.lock.json")).unwrap_or_default()
    }

    /// The body of a service of the compiled stack.
    fn compiled(&self, service: &str) -> Value {
        self.run(&["compile", "manifest.json", "-o", "out"]).expect(0);
        let spec: Value =
            serde_json::from_slice(&fs::read(self.path("out/specs/web.json")).unwrap()).unwrap();
        spec["services"][service]["body"].clone()
    }
}

/// Every file below a folder but the installed secrets.
fn texts(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let entries = entries.filter(|entry| !entry.path().to_string_lossy().contains("/run/secrets"));
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => texts(&path),
            path => vec![String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()],
        })
        .collect()
}
