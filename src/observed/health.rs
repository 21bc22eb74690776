//! What a look at the host as a whole has found: who listens, units, disks, processes.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostHealth {
    /// TCP sockets that listen and UDP sockets that are bound, in the network namespace that was looked from.
    pub listeners: Vec<Listener>,
    /// Holdfast's own units, and those of the engine.
    pub units: Vec<UnitHealth>,
    /// File systems of the folders that matter.
    pub disks: Vec<Disk>,
    /// Processes that run what is no longer installed.
    pub stale: Vec<StaleProcess>,
    /// Process ids that could not be looked into.
    pub not_readable: Vec<u32>,
    /// What was not asked, and why.
    pub not_asked: Vec<String>,
    /// What was asked and gave no answer, and why.
    pub failed: Vec<String>,
}

/// A socket that others can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// The address that it is bound to.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Who holds it; empty where that is the kernel, or a process that could not be looked into.
    pub processes: Vec<Process>,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The process that started it, or took it over.
    pub parent: u32,
    /// The name that it gives itself, at most 15 bytes.
    pub command: String,
    /// The file that it runs, as its own root folder has it.
    pub executable: String,
    /// True when that file is no longer there: it was removed, or another one took its place.
    pub deleted: bool,
    /// The path in the Nix store that the file lies in.
    pub store_path: Option<String>,
    /// Its control group.
    pub cgroup: String,
    /// The unit of systemd that it belongs to.
    pub unit: Option<String>,
    /// The id of the container that it belongs to, 64 hex digits.
    pub container: Option<String>,
}

/// A process that runs what is no longer installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StaleProcess {
    /// Why it is taken for one.
    pub why: Stale,
    /// The process.
    pub process: Process,
}

/// Why a process is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    /// Its executable was removed or replaced.
    Deleted,
    /// The NixOS system that runs knows nothing of its executable.
    NotInSystem,
}

/// A unit of systemd, as far as a crash loop shows in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitHealth {
    /// Its name.
    pub name: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `failed`, ...
    pub active: String,
    /// `running`, `exited`, `auto-restart`, ...
    pub sub: String,
    /// How its last run ended: `success`, `exit-code`, ...
    pub result: String,
    /// How often systemd itself has started it again.
    pub restarts: u64,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Disk {
    /// Which of the folders that were asked for lie on it.
    pub folders: Vec<String>,
    /// Bytes; `null` where it has no limit of its own.
    pub bytes: Option<Room>,
    /// Inodes; `null` where it has no limit of its own.
    pub inodes: Option<Room>,
    /// True when it lies in memory.
    pub memory: bool,
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Room {
    /// How much of it is left for programs that are not root's.
    pub left: u64,
    /// How much there is.
    pub total: u64,
}
