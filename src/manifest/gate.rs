//! Gates as the manifest declares them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, Password};

/// A gate: exactly one of the kinds, and how patient it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// A request over HTTPS (or plain HTTP) and what must come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<HttpsGate>,
    /// The certificate that an address serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateGate>,
    /// A stack's truth in the swarm; derived for every stack without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<SwarmGate>,
    /// A TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpGate>,
    /// A file of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileGate>,
    /// Lines that must not appear in a service's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absence: Option<AbsenceGate>,
    /// The NixOS system that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<ClosureGate>,
    /// A unit of systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitGate>,
    /// What lies in the Nix store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreGate>,
    /// A door that is there, and closed to whoever shows no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthGate>,
    /// A Drone server answers, and takes the runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drone: Option<DroneGate>,
    /// Gitea lets Drone in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OauthGate>,
    /// A runner takes builds, and one of them is green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerGate>,
    /// How long it may take to hold; 60 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// How long one attempt may take; 5 s when absent (`tcp`: 2 s, `store`: 60 s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Duration>,
    /// For how long it must keep holding after a change; 10 s when absent (`file`, `closure`, `store`: one pass),
    /// `0s` for one pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<Duration>,
}

/// A request and what must come back. At least one expectation must stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpsGate {
    /// The URL; `http://` is allowed and then no certificate is looked at.
    pub url: String,
    /// Addresses to connect to in place of what the name resolves to, as `curl --resolve`; all must hold.
    #[serde(default)]
    pub at: Vec<SocketAddr>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Request method; GET when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Request headers.
    #[serde(default)]
    pub request_headers: BTreeMap<String, String>,
    /// Statuses that hold: `200`, `2xx`.
    #[serde(default)]
    pub status: Vec<String>,
    /// Statuses that must not come back.
    #[serde(default)]
    pub status_not: Vec<String>,
    /// Response headers: name → regular expression that one value must match.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Response headers that must be absent.
    #[serde(default)]
    pub headers_not: Vec<String>,
    /// Regular expression that the body must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Regular expression that the body must not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_not: Option<String>,
    /// A redirect that must be answered; redirects are never followed unless `follow` says how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// How many redirects to follow before the expectations are judged; 0 when absent.
    #[serde(default)]
    pub follow: u8,
}

/// An expected redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// The exact `Location`.
    pub to: String,
    /// The exact status; any 3xx when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// TLS protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// The certificate that an address serves for a name. Validity and the name itself are always judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateGate {
    /// The server name to ask for (SNI); must be covered by the leaf.
    pub name: String,
    /// Addresses to connect to; what the name resolves to, port 443, when empty. All must hold.
    #[serde(default)]
    pub at: Vec<SocketAddr>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// DNS names that must stand in the leaf, as they stand there (`*.example.org`).
    #[serde(default)]
    pub subject_names: Vec<String>,
    /// Regular expression for the issuer's distinguished name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Days every certificate of the served chain must still be valid; 14 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_days: Option<u32>,
    /// Percent of its lifetime that every certificate must have left; 10 when absent. Where only one of the two
    /// limits is given it counts alone, else the smaller one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lifetime_percent: Option<u8>,
    /// The lowest TLS version that may be negotiated; lower ones must be refused. 1.2 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tls: Option<TlsVersion>,
    /// PEM file whose first certificate must be the very leaf that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<PathBuf>,
    /// PEM private key that must belong to the served leaf; the key is read and never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// A stack's truth in the swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwarmGate {
    /// The stack.
    pub stack: String,
    /// One service of it; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpGate {
    /// The address.
    pub address: SocketAddr,
    /// Regular expression for the first bytes that the server sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
    /// True when the connection must be refused.
    #[serde(default)]
    pub closed: bool,
}

/// A file of the host. At least one expectation beside the path must stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileGate {
    /// The path; a symlink is followed.
    pub path: PathBuf,
    /// Octal mode, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Owner by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Size in bytes, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Regular expression that the whole content must match; the content is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<String>,
    /// True when the path must not exist.
    #[serde(default)]
    pub absent: bool,
}

/// Lines that must not appear in a service's log since the run started, or since its tasks did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbsenceGate {
    /// The stack.
    pub stack: String,
    /// The service.
    pub service: String,
    /// Regular expression that no line may match.
    pub pattern: String,
    /// Regular expression that at least one line must match, whenever the tasks that are there wrote it: proof that the log
    /// was really read.
    pub proof_of_life: String,
    /// From when on unwanted lines count.
    #[serde(default, skip_serializing_if = "LogSince::is_run")]
    pub since: LogSince,
}

/// From when on the lines of a log count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogSince {
    /// Since the run started that made the change which is being proven; else since this one did.
    #[default]
    Run,
    /// Since the tasks that are there began: their whole log.
    Task,
}

impl LogSince {
    /// True for the default, which is not written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

/// The NixOS system that runs. At least one expectation must stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosureGate {
    /// A unit of `/run/current-system` that must name this very manifest by its store path: `holdfast-apply.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The store path that `/run/current-system` must lead to. What contains this manifest cannot be named in it, so a
    /// host's own system is given with `verify --expect-closure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<PathBuf>,
    /// True when kernel, initrd, modules and systemd of the current system must be those that were booted.
    #[serde(default)]
    pub booted: bool,
}

/// A unit of systemd that does what it is there for: it runs, or has run and ended well, or is started when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitGate {
    /// The unit, with its ending: `sshd.service`.
    pub name: String,
    /// The exact sub-state: `running`, `exited`, `listening`, `waiting`, `dead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_state: Option<String>,
    /// From when on its run counts.
    #[serde(default, skip_serializing_if = "UnitSince::is_boot")]
    pub since: UnitSince,
}

/// From when on the run of a unit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnitSince {
    /// Since the boot.
    #[default]
    Boot,
    /// Since the system was activated last, by a boot or a switch.
    Activation,
}

impl UnitSince {
    /// True for the default, which is not written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_boot(&self) -> bool {
        *self == Self::Boot
    }
}

/// Paths of the Nix store that must be what Nix recorded of them: this manifest's own, those of its images, and more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreGate {
    /// Further paths of the store.
    #[serde(default)]
    pub paths: Vec<PathBuf>,
}

/// A request without credentials, which must be answered 401, and one to a path beside it that nobody has, which must be
/// answered 404.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthGate {
    /// The URL; `http://` is allowed and then no certificate is looked at.
    pub url: String,
    /// Addresses to connect to in place of what the name resolves to; all must hold.
    #[serde(default)]
    pub at: Vec<SocketAddr>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Request method, for both; GET when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A Drone server that answers, and takes the runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DroneGate {
    /// Where it is; that of `forge.drone`, with its `connect` and `ca`, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `HOST:PORT` that is dialled in place of the URL's; name and TLS stay those of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The secret that runners share with it (`DRONE_RPC_SECRET`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_secret: Option<Password>,
}

/// Gitea lets the Drone of `forge.drone` in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OauthGate {
    /// How old the last sign-in may be; its age is not judged when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// A build that the gate asks for, of a repository of `forge.drone`, is taken by a runner and is green.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunnerGate {
    /// The repository, `OWNER/NAME`: its pipeline is asked for with the event `custom` and the parameter `HOLDFAST_GATE`.
    pub repository: String,
    /// The branch whose pipeline runs; `main` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How old a green build of this gate may be that counts in place of a new one; none counts when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}
