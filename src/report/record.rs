//! The record of a run: everything that any print needs, and no secret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Exit;
use crate::address::Address;
use crate::plan::{Held, Plan, Verb};
use crate::source::{Problem, ToldProblem};

/// One run.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Record {
    /// Version of this format: 1.
    pub schema: u32,
    /// The command: `apply`, `verify`, ...
    pub command: String,
    /// Holdfast's own version.
    pub tool: String,
    /// Names this run, in logs and files.
    pub run: String,
    /// The manifest's instance.
    pub instance: String,
    /// The manifest's host.
    pub host: String,
    /// SHA-256 of the compiled manifest, hex.
    pub manifest: String,
    /// The kernel's boot id.
    pub boot: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// How long it took, milliseconds.
    pub elapsed_ms: u64,
    /// The first plan of the run.
    pub plan: Plan,
    /// What became of each step, in the order in which they ended.
    pub steps: Vec<StepOutcome>,
    /// What was held back.
    pub held: Vec<Held>,
    /// Secrets and templates that failed.
    pub secrets: Vec<Failure>,
    /// Gates.
    pub gates: Vec<GateResult>,
    /// The generation that was applied.
    pub generation: Option<u64>,
    /// The generation that was brought back.
    pub rollback_of: Option<u64>,
    /// Generations, where the command listed them.
    pub generations: Vec<GenerationRow>,
    /// Services, where the command looked at them.
    pub services: Vec<ServiceStatus>,
    /// What was applied last, where the command looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// Names of services that have not passed their gates since the boot or the last change, where the command looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
    /// Certificates that the manifest declares, where the command looked at them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
    /// What `destroy` left behind or touched.
    pub leaks: Option<Leaks>,
    /// Requests to the engine that were not GET or HEAD.
    pub writes: u64,
    /// Things worth saying.
    pub warnings: Vec<String>,
    /// Errors that belong to no step.
    pub errors: Vec<String>,
    /// How it ended.
    pub exit: Exit,
    /// What is wrong with the manifest or the compose files, with places; each is among the errors too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<ToldProblem>")]
    pub problems: Vec<Problem>,
}

/// A generation that is kept.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GenerationRow {
    /// Its number.
    pub number: u64,
    /// When it was made, RFC 3339.
    pub created: String,
    /// `applying`, `applied`, `proven` or `failed`.
    pub status: String,
    /// SHA-256 of its compiled manifest, hex; empty where a former version made it.
    pub manifest: String,
    /// The generation that it brought back.
    pub rollback_of: Option<u64>,
    /// True for the one that `holdfast rollback` goes back to.
    pub target: bool,
}

/// A service as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceStatus {
    /// Full name.
    pub name: String,
    /// False when it is missing.
    pub exists: bool,
    /// How it is, in one word.
    pub state: ServiceState,
    /// Tasks that run.
    pub running: u64,
    /// Replicas that the manifest asks for; `None` for global services and jobs.
    pub wanted: Option<u64>,
    /// The error of the last task that failed, empty when none did.
    pub last_error: String,
}

/// What was applied last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Applied {
    /// The newest generation.
    pub generation: u64,
    /// `applying`, `applied`, `proven` or `failed`.
    pub status: String,
    /// When the last run of it began that had something to do, RFC 3339.
    pub at: String,
}

/// A certificate chain that the manifest declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CertificateStatus {
    /// The secret, file or gate: `secret.wildcard`, `/etc/ssl/chain.pem`, `gate.web`.
    pub name: String,
    /// Where it is served, of a gate; else empty.
    pub at: String,
    /// When the first certificate of the chain ceases to be valid, RFC 3339; `None` where it could not be read.
    pub not_after: Option<String>,
    /// Why it could not be read; empty where it could.
    pub reason: String,
}

/// How a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It is not there.
    #[default]
    Missing,
    /// As many tasks run as shall; of a job, its tasks run.
    Running,
    /// Fewer tasks run than shall.
    Short,
    /// Swarm is replacing its tasks.
    Updating,
    /// Swarm stopped an update half-way.
    Paused,
    /// Swarm went back to the spec before, or is about to.
    RolledBack,
    /// A job that has run.
    Completed,
}

/// The engine before and after a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Leaks {
    /// What was to go and is still there, `volume NAME`.
    pub left: Vec<String>,
    /// What was not ours and is gone all the same: somebody else removed it meanwhile.
    pub lost: Vec<String>,
    /// How many things that are not ours are still there, by kind.
    pub untouched: BTreeMap<String, u64>,
    /// What came since before the first apply and is there now; `None` where only a part was removed.
    pub since: Option<Since>,
}

/// What an engine has that it had not before the first apply of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Since {
    /// When the baseline was taken, RFC 3339; `None` where there is none, and then nothing can be told of others.
    pub taken: Option<String>,
    /// What is ours by record or label: `volume web_data`.
    pub ours: Vec<String>,
    /// What others made.
    pub others: Vec<String>,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StepOutcome {
    /// What it changed.
    pub address: Address,
    /// What it did.
    pub verb: Verb,
    /// Milliseconds.
    pub elapsed_ms: u64,
    /// The error, if it failed: one line, causes joined by `: `.
    pub error: Option<String>,
    /// True when the run looked and planned again because of the error, so that it says nothing of how the run ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// True when the engine keeps it because something uses it: a leftover, and no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Lines that explain it: a task's error, the last lines of its log.
    pub detail: Vec<String>,
    /// Of a wait: every service that was waited for, as it was when the wait ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceOutcome>,
}

impl StepOutcome {
    /// True when it failed and nothing made that good.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.error.is_some() && !self.again && !self.left
    }
}

/// A service at the end of a wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServiceOutcome {
    /// Full name.
    pub service: String,
    /// How it was.
    pub outcome: Outcome,
    /// What is missing or wrong; empty where nothing is.
    pub words: String,
}

/// How a service is at the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It runs as told.
    Converged,
    /// It has run and ended well: a job, or a service that is not started again.
    Completed,
    /// Neither, when the wait ended because the engine was gone.
    NotYet,
    /// Swarm went back to the spec before.
    RolledBack,
    /// Swarm stopped the update half-way.
    Paused,
    /// No node may run it.
    Unschedulable,
    /// No node has its image or can get it.
    PullFailed,
    /// Its tasks end soon after they start.
    CrashLoop,
    /// Its own health check says no.
    Unhealthy,
    /// Nodes refuse its tasks for another reason.
    Rejected,
    /// Somebody removed it.
    Removed,
    /// Time was up.
    Deadline,
    /// Time was up, and the engine did not answer.
    EngineGone,
}

/// Something that failed on its own, while the rest went on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// What failed.
    pub address: Address,
    /// Why: file, reason, recipients in the file, identities that were tried.
    pub reason: String,
    /// True when the last good version stays in use.
    pub kept: bool,
}

/// What a gate found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be found out; never counted as holding.
    Unknown,
}

/// A gate's result.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GateResult {
    /// `gate.web_https`; a derived gate has the address of what it proves.
    pub address: Address,
    /// The kind: `https`, `certificate`, ...
    pub kind: String,
    /// True when the manifest did not ask for it.
    pub derived: bool,
    /// What was found.
    pub verdict: Verdict,
    /// One line: what was expected and what was seen.
    pub summary: String,
    /// Where the truth came from: `GET https://... at 198.51.100.7:443`, `engine`.
    pub source: String,
    /// The effective deadline, attempt timeout and soak, milliseconds.
    pub limits_ms: BTreeMap<String, u64>,
    /// Attempts; only the last few are kept.
    pub attempts: Vec<Attempt>,
    /// How many attempts there were.
    pub attempt_count: u32,
    /// Milliseconds from the first attempt to the verdict.
    pub elapsed_ms: u64,
    /// What was observed last, redacted: status, headers, certificate chain.
    pub observed: Value,
}

/// One attempt of a gate.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Attempt {
    /// Milliseconds since the gate started.
    pub at_ms: u64,
    /// What it found.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// The exit code that gates alone lead to: 8 without any, 3 unless every one holds. Their order says nothing.
#[must_use]
pub fn gates_exit(results: &[GateResult]) -> Exit {
    if results.is_empty() {
        Exit::Vacuous
    } else if results.iter().all(|result| result.verdict == Verdict::Pass) {
        Exit::Ok
    } else {
        Exit::GateFailed
    }
}

impl Record {
    /// The exit code that follows from secrets, steps and (where they were to run) gates; what else went wrong is
    /// added by the caller with [`Exit::or`].
    #[must_use]
    pub fn outcome(&self, verified: bool) -> Exit {
        let secrets = if self.secrets.is_empty() { Exit::Ok } else { Exit::SecretFailed };
        let failed = self.steps.iter().any(StepOutcome::failed);
        let steps = if failed { Exit::ApplyFailed } else { Exit::Ok };
        let gates = if verified { gates_exit(&self.gates) } else { Exit::Ok };
        secrets.or(steps).or(gates)
    }
}
