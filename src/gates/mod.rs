//! Proofs: is what was declared really so? Each gate is a small pure judgement over a recorded observation; the code
//! that goes to the network or to files stands apart from it.
//!
//! | file | what |
//! |---|---|
//! | `runner`, `course` | all gates at once: deadline, retry with backoff, soak |
//! | `probe` | one attempt of one gate |
//! | `net`, `tls`, `http`, `legacy`, `read` | connections, handshakes, requests, small files |
//! | `expiry` | when certificates cease to be valid, without a judgement |
//! | `https`, `certificate`, `chain`, `swarm`, `tcp`, `file`, `absence` | the judgements |
//! | `drone` | those about a Drone |
//! | `activity`, `closure`, `store`, `unit` | those about the host: units, the system that runs, the Nix store, what a unit was asked |
//!
//! A gate that could not run is [`Verdict::Unknown`], never a pass; zero gates are [`Exit::Vacuous`].

mod absence;
mod activity;
mod auth;
mod certificate;
mod chain;
mod closure;
mod context;
mod course;
mod drone;
mod expect;
mod expiry;
mod file;
mod hook;
mod http;
mod https;
mod legacy;
mod net;
mod probe;
mod read;
mod runner;
mod seen;
mod store;
mod swarm;
mod tcp;
mod tls;
mod trial;
mod unit;
mod url;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::address::Address;
use crate::manifest;
use crate::observed::{
    Ask, DroneAnswers, HookSeen, OauthSeen, Observed, StoreSeen, SystemSeen, TrialSeen, UnitsSeen,
};
use crate::report::{Exit, GateResult, Verdict, gates_exit};

pub use absence::Tally;
pub use expiry::{Expiry, expiry, expiry_of_file, served};
pub use runner::verify;
pub use tls::fingerprint;
pub use unit::UnitLook;

/// What a gate asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// A gate of the manifest, or one in its form.
    Declared(Box<manifest::Gate>),
    /// This node is a manager that can be written to.
    Manager,
    /// An overlay network of this name exists.
    Network(String),
    /// This unit did what was asked of it, and runs.
    Unit(String, Ask),
    /// The webhook of this name calls, and its receiver has its secret.
    Hook(String),
}

impl From<manifest::Gate> for Check {
    fn from(gate: manifest::Gate) -> Self {
        Self::Declared(Box::new(gate))
    }
}

/// A gate to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// `gate.web_https`; for a derived gate the address of what it proves.
    pub address: Address,
    /// What it asks.
    pub gate: Check,
    /// True when the manifest did not ask for it.
    pub derived: bool,
    /// True when its subject was changed by this run or not proven this boot: a pass must then keep holding.
    pub soak: bool,
}

/// What a service must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The stack that it belongs to.
    pub stack: String,
    /// Replicas; `None` for a global service or a job.
    pub replicas: Option<u64>,
    /// Image text of its spec, exactly.
    pub image: String,
    /// True when the run's plan found its spec equal to the manifest: an old rollback then means nothing.
    pub equal: bool,
}

/// Answers one fresh look at the engine, or why there is none.
pub type Observe<'a> = dyn Fn() -> BoxFuture<'a, Result<Observed, String>> + 'a;

/// Reads the log of a task (by id) into a tally, from its beginning.
pub type TaskLog<'a> = dyn Fn(String, Tally) -> BoxFuture<'a, Result<Tally, String>> + 'a;

/// Looks at a unit of systemd.
pub type LookAtUnit<'a> = dyn Fn(String) -> BoxFuture<'a, Result<UnitLook, String>> + 'a;

/// Looks at a unit of systemd with what starts it.
pub type LookAtState<'a> = dyn Fn(String) -> BoxFuture<'a, Result<UnitsSeen, String>> + 'a;

/// Looks at the system that runs, and at a unit of it.
pub type LookAtSystem<'a> = dyn Fn(Option<&str>) -> SystemSeen + 'a;

/// Looks at a path of the Nix store, until this time.
pub type LookAtStore<'a> = dyn Fn(PathBuf, Instant) -> BoxFuture<'a, Result<StoreSeen, String>> + 'a;

/// How gates learn of the host, without naming the room that asks it.
pub struct HostLooks<'a> {
    /// A unit of systemd.
    pub state: &'a LookAtState<'a>,
    /// The system that runs.
    pub system: &'a LookAtSystem<'a>,
    /// A path of the Nix store.
    pub store: &'a LookAtStore<'a>,
    /// The store path that the manifest lies in.
    pub manifest: Option<&'a Path>,
    /// Store paths of the images that the manifest names.
    pub archives: &'a [PathBuf],
}

/// Asks a Drone server what anybody may ask, and as a runner.
pub type LookAtDrone<'a> = dyn Fn(manifest::DroneGate) -> BoxFuture<'a, Result<DroneAnswers, NoLook>> + 'a;

/// Asks the Drone of the manifest whether Gitea lets it in.
pub type LookAtOauth<'a> = dyn Fn() -> BoxFuture<'a, Result<OauthSeen, NoLook>> + 'a;

/// Finds the build that a gate asked for with this mark, or asks for it.
pub type TryRunner<'a> =
    dyn Fn(manifest::RunnerGate, String) -> BoxFuture<'a, Result<TrialSeen, NoLook>> + 'a;

/// Why something was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLook {
    /// It does not answer, or not as it should.
    Refused(String),
    /// It could not be asked.
    Unasked(String),
}

/// Looks at a webhook of the manifest's Gitea.
pub type LookAtHook<'a> = dyn Fn(String) -> BoxFuture<'a, Result<HookSeen, NoLook>> + 'a;

/// How gates learn of forges, without naming the room that asks them.
pub struct ForgeLooks<'a> {
    /// A webhook.
    pub hook: &'a LookAtHook<'a>,
    /// A Drone server.
    pub server: &'a LookAtDrone<'a>,
    /// Its sign-in.
    pub oauth: &'a LookAtOauth<'a>,
    /// A build, taken by a runner.
    pub runner: &'a TryRunner<'a>,
}

/// How gates learn of the engine, without naming the room that speaks with it.
pub struct Sources<'a> {
    /// The run's last look; used for the first attempt, so hand it in only when nothing changed since.
    pub observed: Option<&'a Observed>,
    /// A fresh look; one is shared by all gates that ask at about the same time.
    pub observe: &'a Observe<'a>,
    /// The log of a task.
    pub task_log: &'a TaskLog<'a>,
    /// A unit of systemd; without it no unit is known.
    pub unit: Option<&'a LookAtUnit<'a>>,
    /// The host beside it; without it nothing of it is known.
    pub host: Option<&'a HostLooks<'a>>,
    /// Forges; without them nothing of one is known.
    pub forges: Option<&'a ForgeLooks<'a>>,
    /// What each service must be, by full name.
    pub expected: &'a BTreeMap<String, Expected>,
    /// [`fingerprint`]s of the certificates that are to be served: what is wrong with one of these, once it is on the
    /// wire, no waiting cures.
    pub declared: &'a BTreeSet<String>,
    /// When the run started.
    pub since: Timestamp,
    /// When the run started that made the change which is being proven, where that was another one.
    pub changed: Option<Timestamp>,
}

/// How patient gates are where the manifest does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For all gates together.
    pub suite: Duration,
    /// For one gate to begin to hold.
    pub deadline: Duration,
    /// For one attempt.
    pub attempt: Duration,
    /// For one attempt of a `tcp` gate.
    pub tcp_attempt: Duration,
    /// How long a pass must keep holding where soak applies.
    pub soak: Duration,
    /// The first pause between attempts.
    pub poll_min: Duration,
    /// The longest pause between attempts.
    pub poll_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            suite: Duration::from_secs(300),
            deadline: Duration::from_secs(60),
            attempt: Duration::from_secs(5),
            tcp_attempt: Duration::from_secs(2),
            soak: Duration::from_secs(10),
            poll_min: Duration::from_millis(500),
            poll_max: Duration::from_secs(5),
        }
    }
}

/// Said after each attempt of each gate.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The gate.
    pub address: &'a Address,
    /// What the attempt found.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'a str,
    /// Since the gate started.
    pub elapsed: Duration,
    /// When the gate gives up.
    pub deadline: Duration,
    /// True when this was its last attempt.
    pub done: bool,
}

/// The exit code that gates alone lead to: 8 without any, 3 unless every one holds.
#[must_use]
pub fn exit(results: &[GateResult]) -> Exit {
    gates_exit(results)
}
