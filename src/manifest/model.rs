//! The whole manifest, and the sections that describe the host: engine, swarm, networks, images, paths.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bridge, Duration, Forge, Gate, ImagePolicy, Registry, Secret, Stack, Template, Traefik};

/// A whole manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// Which of several Holdfasts on one host this is; part of state paths and object names.
    #[serde(default = "default_instance")]
    pub instance: String,
    /// The machine that the manifest is for.
    pub host: Host,
    /// Where the Docker engine listens.
    #[serde(default)]
    pub engine: Engine,
    /// The swarm; without this section a swarm must already be there and its settings are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<Swarm>,
    /// This node's own settings.
    #[serde(default)]
    pub node: Node,
    /// Overlay networks that stacks share, by name.
    #[serde(default)]
    pub networks: BTreeMap<String, Network>,
    /// Images that are loaded from files or pinned by digest, by name.
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    /// The lock file of images; `holdfast.lock.json` beside the manifest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_lock: Option<PathBuf>,
    /// Which images may run; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_policy: Option<ImagePolicy>,
    /// Registries that want a login or are reached in another way than by HTTPS, by `HOST[:PORT]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, Registry>,
    /// What opens the secrets.
    #[serde(default)]
    pub identities: Identities,
    /// Secrets in sops files, by name; installed at `<paths.run>/secrets/NAME`.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Files of `secrets` that may be older than what was applied here; each is else refused, unless the whole manifest is
    /// one that was applied here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_older: Vec<PathBuf>,
    /// The secret whose bytes key the names of Swarm secrets. Without it a key file in the state folder does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming_key: Option<String>,
    /// Files rendered from secrets, by name; installed at `<paths.run>/secrets/rendered/NAME`.
    #[serde(default)]
    pub templates: BTreeMap<String, Template>,
    /// Stacks from compose files, by name.
    #[serde(default)]
    pub stacks: BTreeMap<String, Stack>,
    /// The reverse proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traefik: Option<Traefik>,
    /// Builds that comments on pull requests ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Box<Bridge>>,
    /// Forges: what a Gitea and a Drone shall hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<Box<Forge>>,
    /// What must be proven, by name; everything declared above carries derived gates beside these.
    #[serde(default)]
    pub gates: BTreeMap<String, Gate>,
    /// For how long what runs must keep holding after a change, where its gate does not say; 10 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Duration>,
    /// How much of what was before is kept.
    #[serde(default)]
    pub keep: Keep,
    /// Folders.
    #[serde(default)]
    pub paths: Paths,
}

/// How much of what was before is kept, for a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Generations besides the current one; the last proven one before it always stays.
    #[serde(default = "five")]
    pub generations: usize,
    /// Former versions of each Swarm secret and config; what a kept generation or a service's previous spec refers to
    /// always stays.
    #[serde(default = "five")]
    pub objects: usize,
}

const fn five() -> usize {
    5
}

impl Default for Keep {
    fn default() -> Self {
        Self { generations: five(), objects: five() }
    }
}

fn default_instance() -> String {
    "main".to_owned()
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name, as reports print it.
    pub name: String,
}

/// The Docker engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// `unix:///run/docker.sock`; the flag `-H` goes before it, `DOCKER_HOST` is ignored.
    pub address: String,
}

impl Default for Engine {
    fn default() -> Self {
        Self { address: "unix:///var/run/docker.sock".to_owned() }
    }
}

/// The swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// Address (or interface) that other nodes reach this one at: `198.51.100.7`, `eth0`, with an optional port.
    pub advertise: String,
    /// Address to listen on.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Address for overlay traffic; the advertised one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path: Option<String>,
    /// UDP port for overlay traffic; 4789 when absent. Fixed when the swarm is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path_port: Option<u16>,
    /// Pools that overlay subnets are cut from, in CIDR form. Fixed when the swarm is made.
    #[serde(default)]
    pub address_pools: Vec<String>,
    /// Prefix length of each subnet cut from a pool; 24 when absent. Fixed when the swarm is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_size: Option<u8>,
    /// How many old tasks are kept per slot; the engine's default is 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_history: Option<u32>,
    /// Labels of the swarm itself.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn default_listen() -> String {
    "0.0.0.0:2377".to_owned()
}

/// This node in the swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Labels that placement constraints can name; labels not listed here are left alone.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// An overlay network outside any stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the engine's own switches, one a field")]
pub struct Network {
    /// Network driver; `overlay` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options of the driver. The overlay option `encrypted` is the empty string when set.
    #[serde(default)]
    pub driver_opts: BTreeMap<String, String>,
    /// True when containers outside of services may join.
    #[serde(default)]
    pub attachable: bool,
    /// True when the network has no way out.
    #[serde(default)]
    pub internal: bool,
    /// True for the routing mesh's own network.
    #[serde(default)]
    pub ingress: bool,
    /// True for IPv6 beside IPv4.
    #[serde(default)]
    pub ipv6: bool,
    /// Labels of the network.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Addresses; chosen by the engine when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
    /// True when it may be deleted and made anew, with the services that use it, where it cannot be changed in place.
    #[serde(default)]
    pub allow_recreate: bool,
}

/// Address management of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ipam {
    /// IPAM driver; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options of the IPAM driver.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Subnets.
    #[serde(default)]
    pub subnets: Vec<Subnet>,
}

/// One subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// In CIDR form.
    pub subnet: String,
    /// The gateway's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The part of the subnet that addresses are given from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
}

/// An image: exactly one of `archive`, `rootfs` and `reference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// A `docker save` tarball, or an OCI layout (folder or tarball).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<PathBuf>,
    /// A tarball (or folder) of a root file system; `config` says how to run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rootfs: Option<PathBuf>,
    /// How to run a `rootfs`; refused beside anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ImageConfig>,
    /// An image in a registry: `name:tag@sha256:...`, or `name:tag` with its digest in the lock file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// How to run a root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// The program.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// Environment, `KEY=VALUE`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// User, as in a Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Exposed ports, `8080/tcp`.
    #[serde(default)]
    pub ports: Vec<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// CPU architecture in Go's words; the build machine's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

/// Where identities are looked for; all of them are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// Files of age identities, one `AGE-SECRET-KEY-1...` or `AGE-PLUGIN-NAME-1...` a line.
    #[serde(default)]
    pub age_key_files: Vec<PathBuf>,
    /// OpenSSH private keys; each ed25519 key is tried as an SSH recipient and as its converted age recipient.
    #[serde(default = "default_ssh_keys")]
    pub ssh_key_files: Vec<PathBuf>,
    /// Folders with programs `age-plugin-NAME`, looked through before `PATH`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugin_folders: Vec<PathBuf>,
    /// Public halves of the host's keys (`ssh-ed25519 AAAA...`, `age1...`): with them `check` and `compile` prove that the
    /// host can open every file of `secrets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<String>,
    /// Recipients of the people who run the host (`age1...`, `ssh-ed25519 ...`): beside the host itself they can open what
    /// is made on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admins: Vec<String>,
}

fn default_ssh_keys() -> Vec<PathBuf> {
    vec!["/etc/ssh/ssh_host_ed25519_key".into()]
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            age_key_files: Vec::new(),
            ssh_key_files: default_ssh_keys(),
            plugin_folders: Vec::new(),
            public_keys: Vec::new(),
            admins: Vec::new(),
        }
    }
}

/// Folders, and how long to wait for the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// Lock, decrypted files, sockets; memory only.
    #[serde(default = "default_run")]
    pub run: PathBuf,
    /// Generations, marks, ownership; survives a boot.
    #[serde(default = "default_state")]
    pub state: PathBuf,
}

fn default_run() -> PathBuf {
    "/run/holdfast".into()
}

fn default_state() -> PathBuf {
    "/var/lib/holdfast".into()
}

impl Default for Paths {
    fn default() -> Self {
        Self { run: default_run(), state: default_state() }
    }
}
