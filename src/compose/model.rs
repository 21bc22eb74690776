//! Compose files as typed values, each with its place; what [`super::merge`] merges and
//! [`super::convert`] turns into engine objects.

use std::collections::BTreeMap;

use crate::desired::Condition;

use super::place::{At, Place};

/// A text field that may be absent.
pub(super) type Text = Option<At<String>>;
/// A boolean field that may be absent.
pub(super) type Flag = Option<At<bool>>;
/// A length of time in nanoseconds.
pub(super) type Nanos = Option<At<i64>>;
/// A whole number field that may be absent.
pub(super) type Count = Option<At<u64>>;
/// Key → text.
pub(super) type Texts = BTreeMap<String, At<String>>;

/// One file, or several merged ones.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// Services by key.
    pub(super) services: BTreeMap<String, Service>,
    /// Networks by key.
    pub(super) networks: BTreeMap<String, At<Network>>,
    /// Volumes by key.
    pub(super) volumes: BTreeMap<String, At<Volume>>,
    /// Secrets by key.
    pub(super) secrets: BTreeMap<String, At<Object>>,
    /// Configs by key.
    pub(super) configs: BTreeMap<String, At<Object>>,
}

/// A service.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// Where its key stands.
    pub(super) place: Place,
    /// True when a part of it could not be read and was reported.
    pub(super) broken: bool,
    pub(super) image: Text,
    pub(super) platform: Option<At<Platform>>,
    pub(super) groups: Vec<At<String>>,
    pub(super) hostname: Text,
    pub(super) user: Text,
    pub(super) working_dir: Text,
    pub(super) isolation: Text,
    pub(super) stop_signal: Text,
    pub(super) stop_grace_period: Nanos,
    pub(super) init: Flag,
    pub(super) read_only: Flag,
    pub(super) tty: Flag,
    pub(super) stdin_open: Flag,
    pub(super) command: Option<At<Vec<String>>>,
    pub(super) entrypoint: Option<At<Vec<String>>>,
    pub(super) cap_add: Vec<At<String>>,
    pub(super) cap_drop: Vec<At<String>>,
    pub(super) dns: Vec<At<String>>,
    pub(super) dns_search: Vec<At<String>>,
    pub(super) dns_options: Vec<At<String>>,
    /// Whether `dns` or `dns_search` stands in the first file that has the service, be it empty.
    pub(super) dns_named: bool,
    pub(super) environment: Texts,
    /// Names that are sent without a value.
    pub(super) bare: BTreeMap<String, Place>,
    /// `restart`, which docker uses where `deploy.restart_policy` is missing.
    pub(super) restart: Text,
    /// `HOST:ADDRESS`.
    pub(super) extra_hosts: Vec<At<String>>,
    pub(super) labels: Texts,
    pub(super) sysctls: Texts,
    pub(super) logging: Option<At<Logging>>,
    pub(super) networks: BTreeMap<String, At<Attachment>>,
    pub(super) ports: Vec<At<Port>>,
    pub(super) secrets: Vec<At<FileRef>>,
    pub(super) configs: Vec<At<FileRef>>,
    pub(super) volumes: Vec<At<Mount>>,
    pub(super) ulimits: BTreeMap<String, At<Ulimit>>,
    pub(super) healthcheck: Option<Health>,
    pub(super) credential_spec: Option<At<CredentialSpec>>,
    pub(super) depends_on: Vec<At<Depends>>,
    pub(super) deploy: Deploy,
}

/// One service of `depends_on`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Depends {
    pub(super) service: String,
    pub(super) condition: Condition,
    /// False when the stack may lack that service.
    pub(super) required: bool,
}

/// `logging`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Logging {
    pub(super) driver: Text,
    pub(super) options: Option<Texts>,
}

/// A network of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attachment {
    pub(super) aliases: Vec<At<String>>,
    pub(super) driver_opts: Option<Texts>,
    /// True when a map was written, even an empty one.
    pub(super) written: bool,
}

/// `platform`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
}

/// One item of `env_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EnvFile {
    pub(super) path: String,
    /// False when the file may be missing.
    pub(super) required: bool,
    /// True when values stand as they are written, as docker stack always has it.
    pub(super) raw: bool,
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Port {
    pub(super) name: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) target: u32,
    pub(super) published: u32,
    pub(super) protocol: Option<String>,
}

/// A secret or config of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileRef {
    pub(super) source: String,
    pub(super) target: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) gid: Option<String>,
    pub(super) mode: Option<u32>,
}

/// What kind of mount it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MountKind {
    #[default]
    Volume,
    Bind,
    Tmpfs,
    Npipe,
    Cluster,
    Image,
}

/// A mount.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mount {
    pub(super) kind: MountKind,
    pub(super) source: Option<String>,
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) consistency: Option<String>,
    /// `bind.propagation`; `Some("")` for an empty `bind` block.
    pub(super) propagation: Option<String>,
    /// `volume.nocopy`.
    pub(super) nocopy: Option<bool>,
    /// `volume.subpath`.
    pub(super) subpath: Option<String>,
    /// `tmpfs.size` in bytes; `Some(0)` for a `tmpfs` block without it.
    pub(super) tmpfs_size: Option<i64>,
    /// `tmpfs.mode`.
    pub(super) tmpfs_mode: Option<u32>,
}

/// One ulimit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ulimit {
    pub(super) soft: i64,
    pub(super) hard: i64,
}

/// `healthcheck`.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    pub(super) test: Option<At<Vec<String>>>,
    pub(super) interval: Nanos,
    pub(super) timeout: Nanos,
    pub(super) start_period: Nanos,
    pub(super) start_interval: Nanos,
    pub(super) retries: Count,
    pub(super) disable: Flag,
}

/// `credential_spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CredentialSpec {
    pub(super) file: Text,
    pub(super) registry: Text,
}

/// `deploy`.
#[derive(Clone, Debug, Default)]
pub(super) struct Deploy {
    pub(super) mode: Text,
    pub(super) endpoint_mode: Text,
    pub(super) replicas: Count,
    pub(super) labels: Texts,
    pub(super) update_config: Option<Update>,
    pub(super) rollback_config: Option<Update>,
    pub(super) limits: Option<Resources>,
    pub(super) reservations: Option<Resources>,
    pub(super) restart_policy: Option<Restart>,
    pub(super) constraints: Vec<At<String>>,
    pub(super) preferences: Vec<At<String>>,
    pub(super) max_replicas: Count,
}

/// `update_config` and `rollback_config`.
#[derive(Clone, Debug, Default)]
pub(super) struct Update {
    pub(super) parallelism: Count,
    pub(super) delay: Nanos,
    pub(super) failure_action: Text,
    pub(super) monitor: Nanos,
    pub(super) max_failure_ratio: Option<At<f32>>,
    pub(super) order: Text,
}

/// `resources.limits` and `resources.reservations`.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources {
    /// As it is written: docker reads it when all files are merged.
    pub(super) cpus: Option<At<String>>,
    pub(super) memory: Nanos,
    pub(super) pids: Nanos,
    pub(super) generic: Vec<At<Generic>>,
}

/// One `discrete_resource_spec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Generic {
    pub(super) kind: String,
    pub(super) value: i64,
}

/// `restart_policy`.
#[derive(Clone, Debug, Default)]
pub(super) struct Restart {
    pub(super) condition: Text,
    pub(super) delay: Nanos,
    pub(super) max_attempts: Count,
    pub(super) window: Nanos,
}

/// A network of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Network {
    pub(super) name: Text,
    pub(super) driver: Text,
    pub(super) driver_opts: Option<Texts>,
    pub(super) ipam_driver: Text,
    pub(super) pools: Vec<Pool>,
    pub(super) ipv6: Flag,
    pub(super) external: Flag,
    pub(super) internal: Flag,
    pub(super) attachable: Flag,
    pub(super) labels: Texts,
}

/// One item of `ipam.config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pool {
    pub(super) subnet: Text,
    pub(super) gateway: Text,
    pub(super) range: Text,
}

/// A volume of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Volume {
    pub(super) name: Text,
    pub(super) driver: Text,
    pub(super) driver_opts: Option<Texts>,
    pub(super) external: Flag,
    pub(super) labels: Texts,
}

/// A secret or config of the stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object {
    /// True when it could not be read and was reported.
    pub(super) broken: bool,
    pub(super) name: Text,
    pub(super) file: Text,
    /// Content that stands in the compose file or in a variable.
    pub(super) content: Text,
    pub(super) external: Flag,
    pub(super) labels: Texts,
    /// Of a secret, where docker's own rules hold.
    pub(super) driver: Text,
    pub(super) driver_opts: Texts,
    pub(super) template_driver: Text,
}

/// True for a field that is there and says true.
pub(super) fn is_true(flag: &Flag) -> bool {
    flag.as_ref().is_some_and(|at| at.value)
}
