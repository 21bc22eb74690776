//! Both sides of a comparison: this crate and the real docker CLI, over the same files.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Exit};
use std::sync::OnceLock;

use holdfast::compose::{Input, Output, compile, compile_alone};
use holdfast::desired::{ImageSpec, ObjectRef, StackSpec};
use holdfast::manifest::{ImagePolicy, Mode, Stack};
use holdfast::pins::Pins;
use holdfast::source::Problem;
use serde_json::{Value, json};

use crate::support::stub::Stub;

/// The stack's name in every fixture.
pub(super) const STACK: &str = "web";

/// Kind of object → name → body.
pub(super) type Requests = BTreeMap<&'static str, BTreeMap<String, Value>>;

/// A fixture: a folder of `tests/golden/compose`.
pub(crate) struct Case {
    /// `*.yml` in the order of their names.
    pub(crate) files: Vec<PathBuf>,
    /// `vars` of the folder: variables for interpolation.
    pub(crate) env: BTreeMap<String, String>,
    /// `manifest-networks` of the folder.
    pub(crate) networks: BTreeSet<String>,
    /// `stack.json` of the folder.
    stack: Manifest,
}

/// What a fixture says in the manifest's place.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Manifest {
    /// The stack's name.
    name: String,
    /// Compose files in place of all `*.yml`.
    compose: Option<Vec<String>>,
    /// Service → the image `page` of the manifest.
    images: BTreeMap<String, String>,
    trust_secrets: Vec<String>,
    image_policy: Option<ImagePolicy>,
}

impl Default for Manifest {
    fn default() -> Self {
        let (images, trust_secrets) = Default::default();
        Self { name: STACK.to_owned(), compose: None, images, trust_secrets, image_policy: None }
    }
}

impl Case {
    /// Reads a fixture.
    pub(crate) fn open(folder: &Path) -> Self {
        let mut files: Vec<PathBuf> = entries(folder);
        files.retain(|path| path.extension().is_some_and(|ext| ext == "yml"));
        assert!(!files.is_empty(), "{} has no file", folder.display());
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let mut stack = Manifest::default();
        if folder.join("stack.json").exists() {
            stack = serde_json::from_str(&read("stack.json")).unwrap();
        }
        if let Some(names) = &stack.compose {
            files = names.iter().map(|name| folder.join(name)).collect();
        }
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let env = read("vars").lines().filter_map(|line| line.split_once('=')).map(pair).collect();
        let networks = read("manifest-networks").lines().map(str::to_owned).collect();
        Self { files, env, networks, stack }
    }

    /// What this crate makes of it.
    pub(super) fn ours(&self) -> Result<Output, Vec<Problem>> {
        self.read(Mode::Strict)
    }

    /// What this crate makes of it in a mode.
    pub(super) fn read(&self, mode: Mode) -> Result<Output, Vec<Problem>> {
        self.with(mode, &|input| compile(input, &|path| fs::read(path)))
    }

    /// The problems of it under docker's own rules, without a manifest; none where nothing is wrong.
    pub(super) fn alone(&self) -> Vec<Problem> {
        let problems = |input: &Input<'_>| compile_alone(input, &|path| fs::read(path)).err();
        self.with(Mode::Compat, &problems).unwrap_or_default()
    }

    /// Gives the fixture's part of a manifest to `job`.
    fn with<T>(&self, mode: Mode, job: &dyn Fn(&Input<'_>) -> T) -> T {
        let stack = Stack {
            compose: self.files.clone(),
            env: self.env.clone(),
            images: self.stack.images.clone(),
            trust_secrets: self.stack.trust_secrets.clone(),
            mode,
            ..Stack::default()
        };
        let secrets = ["s_one", "s_two", "s_three"].map(str::to_owned).into();
        let page = ImageSpec { reference: "holdfast.invalid/page:0123456789ab".to_owned(), source: None };
        let images = BTreeMap::from([("page".to_owned(), page)]);
        let pins = Pins { policy: self.stack.image_policy.clone(), ..Pins::default() };
        let input = Input {
            name: &self.stack.name,
            stack: &stack,
            images: &images,
            secrets: &secrets,
            networks: &self.networks,
            pins: &pins,
        };
        job(&input)
    }

    /// What docker sends for it. The foreign objects that `spec` names are there before.
    pub(super) fn docker(&self, spec: &StackSpec) -> Result<Requests, String> {
        let temp = tempfile::tempdir().expect("temporary folder");
        let socket = temp.path().join("engine.sock");
        let stub = Stub::start(&socket);
        let external = spec.external_networks.iter().map(|network| &network.name);
        for name in external.chain(&self.networks) {
            stub.preload("networks", name);
        }
        for secret in spec.secrets.values() {
            stub.preload("secrets", &secret.source);
        }
        for config in spec.services.values().flat_map(|service| &service.configs) {
            if config.external {
                stub.preload("configs", &config.key);
            }
        }
        let exit = self.deploy(&socket, temp.path());
        if !exit.status.success() {
            return Err(String::from_utf8_lossy(&exit.stderr).into_owned());
        }
        Ok(["networks", "secrets", "configs", "services"].map(|kind| (kind, stub.created(kind))).into())
    }

    /// True when docker deploys the files, all foreign objects of the fixtures being there.
    pub(crate) fn docker_accepts(&self) -> bool {
        let temp = tempfile::tempdir().expect("temporary folder");
        let socket = temp.path().join("engine.sock");
        let stub = Stub::start(&socket);
        for (kind, name) in [
            ("networks", "n"),
            ("networks", "real"),
            ("networks", "ingress"),
            ("secrets", "s_one"),
            ("secrets", "s_on"),
            ("secrets", "nowhere"),
        ] {
            stub.preload(kind, name);
        }
        self.deploy(&socket, temp.path()).status.success()
    }

    /// `docker stack deploy` with nothing in its environment but the case's variables.
    fn deploy(&self, socket: &Path, home: &Path) -> Exit {
        deploy(&self.stack.name, &self.files, &self.env, (socket, home))
    }
}

/// `docker stack deploy` with nothing in its environment but `env`, to the engine at a socket and with a home of its own.
pub(super) fn deploy(
    name: &str,
    files: &[PathBuf],
    env: &BTreeMap<String, String>,
    (socket, home): (&Path, &Path),
) -> Exit {
    require_docker();
    let mut command = Command::new("docker");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("DOCKER_CONFIG", home);
    command.envs(env).args(["stack", "deploy", "--resolve-image", "never", "--detach=true"]);
    for file in files {
        command.arg("-c").arg(file);
    }
    command.arg(name).output().expect("run docker")
}

/// The folder of the fixtures.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/compose")
}

/// The sorted entries of a folder.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The comparison is with a docker CLI of major version 28; another one or none is no proof.
pub(super) fn require_docker() {
    static VERSION: OnceLock<String> = OnceLock::new();
    let version = VERSION.get_or_init(|| {
        let output = Command::new("docker").arg("--version").output();
        let output =
            output.unwrap_or_else(|error| panic!("docker cannot be started ({error}): run `make setup`"));
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        eprintln!("comparing with {version}");
        version
    });
    assert!(version.starts_with("Docker version 28."), "`{version}` is not version 28: run `make setup`");
}

/// Our stack in the shape of docker's requests. Configs and secrets get docker's names, contents stay.
pub(super) fn requests(spec: &StackSpec) -> Requests {
    let networks =
        spec.networks.values().map(|network| (network.name.clone(), network.body.clone())).collect();
    let configs = spec.configs.values().map(|config| {
        let mut body = json!({ "Name": config.base, "Labels": config.labels });
        if !config.data.is_empty() {
            body["Data"] = json!(config.data);
        }
        if let Some(templating) = &config.templating {
            body["Templating"] = templating.clone();
        }
        (config.base.clone(), body)
    });
    let services = spec.services.values().map(|service| {
        let mut body = service.body.clone();
        let container = &mut body["TaskTemplate"]["ContainerSpec"];
        let secret = |key: &str| spec.secrets[key].source.clone();
        let config =
            |key: &str| spec.configs.get(key).map_or_else(|| key.to_owned(), |config| config.base.clone());
        references(container, "Secret", &service.secrets, &secret);
        references(container, "Config", &service.configs, &config);
        (service.name.clone(), body)
    });
    [
        ("networks", networks),
        ("secrets", BTreeMap::new()),
        ("configs", configs.collect()),
        ("services", services.collect()),
    ]
    .into()
}

/// Puts references where docker does, under the ids that the stub hands out.
fn references(container: &mut Value, kind: &str, refs: &[ObjectRef], name: &dyn Fn(&str) -> String) {
    let list: Vec<Value> = refs
        .iter()
        .map(|reference| {
            let (name, file) = (name(&reference.key), &reference.file);
            let id = format!("id_{name}");
            json!({
                "File": { "Name": file.name, "UID": file.uid, "GID": file.gid, "Mode": file.mode },
                (format!("{kind}ID")): id,
                (format!("{kind}Name")): name,
            })
        })
        .collect();
    if !list.is_empty() {
        container[format!("{kind}s")] = Value::Array(list);
    }
}
