//! The sections that describe what runs: stacks and the reverse proxy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// A stack from compose files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Compose files, merged in this order.
    pub compose: Vec<PathBuf>,
    /// Files of `KEY=VALUE` lines for interpolation; later files win.
    #[serde(default)]
    pub env_files: Vec<PathBuf>,
    /// Values for interpolation; win over `env_files`. The process environment is never read.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Service → name of an image of the manifest, in place of the compose file's `image`.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// How the compose files are read.
    #[serde(default, skip_serializing_if = "Mode::is_strict")]
    pub mode: Mode,
    /// Secrets of the compose file whose object that docker made holds the value of the manifest: its service keeps it
    /// when the stack is taken over, where a service is else updated once, as Swarm never shows a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_secrets: Vec<String>,
    /// How long convergence may take; when absent it is derived from the services (`docs/reference/convergence.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// What must run before anything of this stack is made or changed: other stacks or services of them, `stack.db`,
    /// `stack.db/service.app`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// What may be deleted and made anew where it cannot be changed in place: `service.app`, `network.internal`,
    /// `config.page`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_recreate: Vec<String>,
    /// Service → what somebody else changes while it runs: it stays as it is found. When the service is made, it is
    /// what the compose files say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_to_others: BTreeMap<String, Vec<LeftField>>,
}

/// How compose files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What docker drops, changes or reads in a way nobody means is an error.
    #[default]
    Strict,
    /// As docker reads them, with a warning wherever strict has an error.
    Compat,
}

impl Mode {
    /// True for the default, which is not written.
    #[must_use]
    pub const fn is_strict(&self) -> bool {
        matches!(self, Self::Strict)
    }
}

/// A field of a service that can be left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftField {
    /// How many replicas run: somebody, or an autoscaler, uses `docker service scale`.
    Replicas,
    /// Which image runs: somebody, or an updater, uses `docker service update --image`.
    Image,
}

/// The reverse proxy: becomes the stack `traefik`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traefik {
    /// Name of the Traefik image in `images`.
    pub image: String,
    /// Name of the image in `images` whose program is `holdfast`: it runs the filtering engine proxy.
    pub proxy_image: String,
    /// Certificates from sops secrets or from files of the host; the first is the default one.
    pub certificates: Vec<Certificate>,
    /// The shared overlay network that routed services are on; must be in `networks`.
    #[serde(default = "default_network")]
    pub network: String,
    /// Port of the entry point `web`, which redirects to `web-secure`.
    #[serde(default = "default_web")]
    pub web_port: u16,
    /// Port of the entry point `web-secure`.
    #[serde(default = "default_web_secure")]
    pub web_secure_port: u16,
    /// Host mode with dnsrr (default), or the routing mesh.
    #[serde(default)]
    pub publish: Publish,
    /// How certificates reach Traefik: a folder that is bind-mounted, or Swarm secrets (more than one node).
    #[serde(default)]
    pub delivery: Delivery,
    /// True to print an access log.
    #[serde(default)]
    pub access_log: bool,
    /// Traefik's log level.
    #[serde(default = "default_level")]
    pub log_level: String,
    /// The engine socket on the host that the filtering proxy opens; the engine's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_socket: Option<PathBuf>,
    /// How long convergence may take; when absent it is derived from the services (`docs/reference/convergence.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
}

fn default_network() -> String {
    "proxy".to_owned()
}

const fn default_web() -> u16 {
    80
}

const fn default_web_secure() -> u16 {
    443
}

fn default_level() -> String {
    "INFO".to_owned()
}

/// How ports are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// On the node that runs the task; client addresses are kept, no IPVS is needed.
    #[default]
    Host,
    /// On every node, through the routing mesh.
    Ingress,
}

/// How certificates reach Traefik.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// A folder on this host, bind-mounted; a new certificate is live without a restart.
    #[default]
    Folder,
    /// Swarm secrets; a new certificate is a rolling restart.
    Swarm,
}

/// A certificate chain and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// PEM chain, leaf first.
    pub chain: Material,
    /// PEM private key.
    pub key: Material,
}

/// PEM text: exactly one of `secret` and `file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Name of a secret of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// A file of the host that something else renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}
