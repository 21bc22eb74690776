//! The types of a compiled manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::{Duration, ImageConfig, Manifest, Material};

/// A manifest with everything resolved that needs no host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// Version of this format: 1.
    pub compiled: u32,
    /// The manifest with defaults filled in and every path absolute.
    pub manifest: Manifest,
    /// Images by manifest name.
    pub images: BTreeMap<String, ImageSpec>,
    /// Files below the run folder that are made from secrets and host files.
    #[serde(default)]
    pub generated: Vec<GeneratedFile>,
    /// Stacks by name; written one file each.
    #[serde(skip)]
    pub stacks: BTreeMap<String, StackSpec>,
}

/// An image, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// What services name: `name:tag@sha256:...`, or `holdfast.invalid/NAME:<12 hex>` for an archive.
    pub reference: String,
    /// Where the bytes come from; `None` for an image of a registry.
    pub source: Option<ImageSource>,
}

/// An image that is made from a file, and what it will be once loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSource {
    /// Archive, layout or root file system.
    pub path: PathBuf,
    /// For a root file system: how to run it.
    pub rootfs: Option<ImageConfig>,
    /// `sha256:...` of the config: the image id on an engine with the classic store.
    pub config_digest: String,
    /// `sha256:...` of the manifest: the image id on an engine with the containerd store.
    pub manifest_digest: String,
}

/// A stack, complete but for ids and secret values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackSpec {
    /// The stack's name: namespace label and prefix.
    pub name: String,
    /// Networks to create, by key of the compose file.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// Networks that must already be there, by their real name.
    pub external_networks: Vec<ExternalObject>,
    /// Configs to create, by key of the compose file.
    pub configs: BTreeMap<String, ConfigSpec>,
    /// Secrets to create, by key of the compose file.
    pub secrets: BTreeMap<String, SecretSpec>,
    /// Keys of `secrets` whose object that docker made holds the same value, which the engine cannot tell.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub trust_secrets: BTreeSet<String>,
    /// Services, by key of the compose file.
    pub services: BTreeMap<String, ServiceSpec>,
    /// Full names of the named volumes that services mount; never created, removed only on demand.
    pub volumes: Vec<String>,
    /// How long convergence may take.
    pub deadline: Option<Duration>,
    /// Where files name objects that something else makes, and ports that somebody else may have: `network.NAME`,
    /// `config.NAME` or `port.NUMBER/PROTOCOL` → `FILE:LINE:COLUMN`.
    /// Never written: a comment that moves a line makes no other generation.
    #[serde(skip)]
    pub places: BTreeMap<String, String>,
}

/// An object that something else made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalObject {
    /// Its real name.
    pub name: String,
}

/// A network to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Full name.
    pub name: String,
    /// The body of `POST /networks/create`, `Name` included.
    pub body: Value,
}

/// A Swarm config to create. Its object's name is [`object_name`] of `base` and the content's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigSpec {
    /// `<stack>_<key>`, or the compose file's `name`.
    pub base: String,
    /// True when `base` is used as it stands, because the compose file gave the `name`.
    pub fixed_name: bool,
    /// The content, base64 (standard alphabet).
    pub data: String,
    /// First 12 hex digits of the content's SHA-256.
    pub digest: String,
    /// Labels, the stack's own included.
    pub labels: BTreeMap<String, String>,
    /// `Templating` of the engine's config spec.
    pub templating: Option<Value>,
}

/// A Swarm secret to create. Its object's name is [`object_name`] of `base` and the keyed digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    /// `<stack>_<name>`.
    pub base: String,
    /// True when `base` is used as it stands: docker's names, which only a stack without a manifest has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed_name: bool,
    /// The manifest secret or template whose bytes it holds.
    pub source: String,
    /// Labels, the stack's own included.
    pub labels: BTreeMap<String, String>,
    /// `Driver` of the engine's secret spec, which then holds no bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Value>,
    /// `Templating` of the engine's secret spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templating: Option<Value>,
}

/// A service, complete but for the ids of what it refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Full name, `<stack>_<service>`.
    pub name: String,
    /// The engine's service spec exactly as docker would send it, without `TaskTemplate.ContainerSpec.Secrets` and
    /// `.Configs`, which `secrets` and `configs` become. Networks are named in `Target` by their full name.
    pub body: Value,
    /// Secrets to mount, sorted as docker sorts them.
    pub secrets: Vec<ObjectRef>,
    /// Configs to mount, sorted as docker sorts them.
    pub configs: Vec<ObjectRef>,
    /// Names of manifest images that the service runs.
    pub image: Option<String>,
    /// What must have come up before it, sorted by service; each service once.
    pub depends_on: Vec<Dependency>,
}

/// A service that another one of the same stack waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its key in the stack's `services`.
    pub service: String,
    /// What is waited for.
    pub condition: Condition,
}

/// How far a service must have come before those that depend on it begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// Its tasks run. The list form of `depends_on` means this. The engine counts a task as running only once its
    /// health check has passed, if it has one.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// Its tasks run and their health check has passed; a service without one never satisfies this.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// Its tasks have ended with exit code 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

impl ServiceSpec {
    /// How many replicas there shall be; `None` for global services and jobs.
    #[must_use]
    pub fn replicas(&self) -> Option<u64> {
        let mode = self.body.get("Mode")?.get("Replicated")?;
        // The engine's default.
        Some(mode.get("Replicas").and_then(Value::as_u64).unwrap_or(1))
    }
}

/// A reference of a service to a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// Key in the stack's `secrets` or `configs`; or, when `external`, the object's real name.
    pub key: String,
    /// True when the object is not ours.
    pub external: bool,
    /// Where the task sees it.
    pub file: FileTarget,
}

/// Where a task sees a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// File name or path inside the container.
    pub name: String,
    /// Owner in the container.
    pub uid: String,
    /// Group in the container.
    pub gid: String,
    /// Mode bits.
    pub mode: u32,
}

/// A file that is rendered from secrets and host files, besides secrets and templates. It holds no value: bytes
/// come in when it is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratedFile {
    /// Path below `<run>/generated`, `traefik/dynamic/tls.yml`. It is also the `source` of a [`SecretSpec`] that
    /// holds the rendered bytes.
    pub path: PathBuf,
    /// True when it is a file of the host; false when only a Swarm secret holds it.
    pub installed: bool,
    /// What it is made of, in order.
    pub pieces: Vec<Piece>,
}

/// A part of a generated file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Piece {
    /// Text as it stands.
    Text(String),
    /// PEM blocks of a secret or host file, each line indented.
    Pem {
        /// Where the bytes come from.
        material: Material,
        /// Which blocks of it.
        kind: PemKind,
        /// Spaces before each line.
        indent: usize,
    },
}

/// Which PEM blocks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PemKind {
    /// All certificates, at least one.
    Chain,
    /// The one private key.
    Key,
}

/// The name of a content-named object: `<base>_<digest>`, the base cut so that the whole fits the engine's 64
/// characters. `digest` is 12 hex digits.
#[must_use]
pub fn object_name(base: &str, digest: &str) -> String {
    let room = 64_usize.saturating_sub(digest.len() + 1);
    let kept: String = base.chars().take(room).collect();
    format!("{kept}_{digest}")
}
