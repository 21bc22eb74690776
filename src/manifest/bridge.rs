//! The section that describes the bridge: from a comment on a pull request to a build and its answer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, Password};

/// The comment bridge, which `holdfast bridge serve` runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// Where deliveries arrive, at the path `/hook`. A socket that systemd hands over goes before it.
    #[serde(default = "hook_address")]
    pub listen: SocketAddr,
    /// Where the status page, `/healthz`, `/readyz` and `/metrics` are.
    #[serde(default = "status_address")]
    pub status_listen: SocketAddr,
    /// What has to be shown to read anything there but `/healthz` and `/readyz`: as a bearer token, or as the password of
    /// any user. Without it everybody who reaches the address may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_token: Option<Password>,
    /// The journal, on a disk that survives a boot; `<paths.state>/bridge/journal.db` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<PathBuf>,
    /// Whose deliveries are taken.
    pub forge: BridgeForge,
    /// As whom the bridge answers.
    pub bot: BridgeBot,
    /// Where builds are made.
    pub drone: BridgeDrone,
    /// Repositories whose comments count, by `owner/name`.
    pub repositories: BTreeMap<String, BridgeRepository>,
    /// What a comment may ask for.
    #[serde(default)]
    pub policy: BridgePolicy,
    /// What one client may take.
    #[serde(default)]
    pub limits: BridgeLimits,
}

/// The forge that sends deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeForge {
    /// Which header carries the signature, and what the payload looks like.
    pub kind: ForgeKind,
    /// Its URL, as people use it.
    pub url: String,
    /// Address to connect to in place of what the name resolves to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<SocketAddr>,
    /// A PEM file of the roots that its certificate is trusted by, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Secrets that deliveries are signed with: one, or the new and the old one while it is being changed.
    pub hook_secrets: Vec<Password>,
}

/// Kinds of forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// Gitea: `X-Gitea-Signature`.
    Gitea,
    /// Forgejo: `X-Forgejo-Signature`.
    Forgejo,
    /// GitHub: `X-Hub-Signature-256`.
    Github,
}

/// The account that comments, reacts and sets statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeBot {
    /// Its login; what it writes itself is never a command.
    pub login: String,
    /// Its access token. Where it is missing, deliveries are kept and wait.
    pub token: Password,
}

/// The Drone server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeDrone {
    /// Its URL, as people use it.
    pub url: String,
    /// Address to connect to in place of what the name resolves to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<SocketAddr>,
    /// A PEM file of the roots that its certificate is trusted by, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The token of a Drone user who may write to the repositories.
    pub token: Password,
    /// Drone's `DRONE_WEBHOOK_SECRET`: its calls of `/drone` beside the hook say that a build is to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Password>,
}

/// One repository whose comments count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeRepository {
    /// Its number at the forge: a repository of the same name made later is another one.
    #[schemars(range(min = 1))]
    pub id: u64,
    /// The branch whose pipeline runs; never the branch of a pull request.
    #[serde(default = "main_branch")]
    pub branch: String,
    /// Parameters that a comment may set, by name in capitals: `!testme RECIPE=nextcloud`.
    #[serde(default)]
    pub parameters: BTreeMap<String, BridgeParameter>,
}

/// What a parameter may be: exactly one of the kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeParameter {
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// A whole number, not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integer: Option<Range>,
    /// True for a commit in full: 40 or 64 hex digits.
    #[serde(default)]
    pub commit: bool,
}

/// From, to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// What a comment may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgePolicy {
    /// The word that a command begins with.
    #[serde(default = "trigger")]
    pub trigger: String,
    /// True when drafts may be tested.
    #[serde(default = "yes")]
    pub drafts: bool,
    /// An older comment is no command any more, whoever sends it again.
    #[serde(default = "a_day")]
    pub max_age: Duration,
    /// True when a newer comment that asks for a test of the same pull request stops the older one's build.
    #[serde(default)]
    pub supersede: bool,
    /// Runs that are done are forgotten after this time, at least twice `max_age`.
    #[serde(default = "a_month")]
    pub keep: Duration,
    /// Commands of one user in one repository at once.
    #[serde(default = "burst")]
    #[schemars(range(min = 1))]
    pub burst: u32,
    /// Commands of one user in one repository in a minute, beyond `burst`.
    #[serde(default = "per_minute")]
    #[schemars(range(min = 1))]
    pub per_minute: u32,
}

impl Default for BridgePolicy {
    fn default() -> Self {
        Self {
            trigger: trigger(),
            drafts: yes(),
            max_age: a_day(),
            supersede: false,
            keep: a_month(),
            burst: burst(),
            per_minute: per_minute(),
        }
    }
}

/// What one client may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeLimits {
    /// Bytes of a delivery's body.
    #[serde(default = "body")]
    #[schemars(range(min = 1))]
    pub body: usize,
    /// Connections at once.
    #[serde(default = "connections")]
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// Time for a request's line and headers, and then again for its body.
    #[serde(default = "read")]
    pub read: Duration,
}

impl Default for BridgeLimits {
    fn default() -> Self {
        Self { body: body(), connections: connections(), read: read() }
    }
}

const fn hook_address() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8787)
}

const fn status_address() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8788)
}

fn main_branch() -> String {
    "main".to_owned()
}

fn trigger() -> String {
    "!testme".to_owned()
}

const fn yes() -> bool {
    true
}

const fn a_day() -> Duration {
    Duration::seconds(24 * 60 * 60)
}

const fn a_month() -> Duration {
    Duration::seconds(30 * 24 * 60 * 60)
}

const fn burst() -> u32 {
    5
}

const fn per_minute() -> u32 {
    2
}

const fn body() -> usize {
    8 << 20
}

const fn connections() -> usize {
    512
}

const fn read() -> Duration {
    Duration::seconds(10)
}
