//! Proves, on a real systemd: who is told of a changed secret, what becomes of it, and what happens at a boot.

mod credentials;
mod failing;
mod gates;
mod power;
mod told;
mod users;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::machine::Machine;
use crate::support::sops::{Form, Keys};
use crate::support::world::Ran;

/// A scenario on the shared machine: keys, a manifest, folders and units of its own.
struct Scenario {
    machine: Arc<Machine>,
    name: &'static str,
    folder: PathBuf,
    keys: Keys,
}

impl Scenario {
    fn new(name: &'static str) -> Self {
        let machine = Machine::shared();
        let folder = machine.folder(name);
        let keys = Keys::new();
        fs::copy(keys.path("age.txt"), folder.join("age.txt")).expect("the identity");
        Self { machine, name, folder, keys }
    }

    /// Seals the values of all secrets.
    fn seal(&self, values: &[(&str, &str)]) {
        let lines: Vec<String> = values.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let plain = lines.concat();
        self.keys.encrypt("s.yaml", plain.as_bytes(), &self.keys.recipient(Form::AgeFile), &[]);
        fs::copy(self.keys.path("s.yaml"), self.folder.join("s.yaml")).expect("the sops file");
    }

    /// Writes a manifest with these secrets; each is in `s.yaml` under its own name.
    fn write(&self, secrets: &Value, more: Value) {
        let mut secrets = secrets.clone();
        for secret in secrets.as_object_mut().expect("a map").values_mut() {
            secret["file"] = json!("s.yaml");
        }
        let mut manifest = json!({
            "version": 1,
            "host": { "name": "machine" },
            "identities": { "age_key_files": ["age.txt"], "ssh_key_files": [] },
            "secrets": secrets,
            "paths": { "run": self.run_dir(), "state": format!("/var/lib/holdfast-{}", self.name) },
        });
        if let (Some(manifest), Value::Object(more)) = (manifest.as_object_mut(), more) {
            manifest.extend(more);
        }
        let text = serde_json::to_vec_pretty(&manifest).expect("JSON");
        fs::write(self.folder.join("manifest.json"), text).expect("the manifest");
    }

    /// The run folder inside.
    fn run_dir(&self) -> String {
        format!("/run/holdfast-{}", self.name)
    }

    /// The manifest inside.
    fn manifest(&self) -> String {
        format!("/srv/share/{}/manifest.json", self.name)
    }

    fn holdfast(&self, args: &[&str]) -> Ran {
        let manifest = self.manifest();
        self.machine.holdfast(&[args, &[&manifest]].concat())
    }

    /// `secrets install`, which must end well; gives the addresses of what it did.
    fn install(&self) -> Vec<String> {
        steps(&self.holdfast(&["secrets", "install", "--json"]).expect(0).json())
    }

    fn invocation(&self, unit: &str) -> String {
        self.machine.property(unit, "InvocationID")
    }

    fn start(&self, units: &[&str]) {
        self.machine.sh(&format!("systemctl start {}", units.join(" ")));
    }

    /// Names of the generations that are there.
    fn generations(&self) -> String {
        self.machine.sh(&format!("ls {}/secrets.d | tr '\\n' ' '", self.run_dir()))
    }
}

/// Addresses of what a run did, in order.
fn steps(record: &Value) -> Vec<String> {
    let steps = record["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["error"].is_null()), "{record}");
    steps.iter().map(|step| step["address"].as_str().expect("an address").to_owned()).collect()
}

fn sleeper(more: &str) -> String {
    format!("[Service]\nExecStart=/bin/sleep infinity\n{more}")
}
