//! One attempt of one gate, and what attempts share.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use super::absence::Absence;
use super::certificate::Certificate;
use super::file::File;
use super::https::Https;
use super::net::Budget;
use super::read::aside;
use super::seen::Seen;
use super::swarm::{self, Swarm};
use super::tcp::Tcp;
use super::tls::Roots;
use super::{Check, Limits, Sources, unit};
use crate::manifest::Gate;
use crate::observed::{Ask, Observed, SwarmState};

type Looked = Result<Arc<Observed>, String>;

/// What all gates of a run share.
pub(super) struct Shared<'s, 'a> {
    pub(super) sources: &'s Sources<'a>,
    /// A look that began at most this long ago is fresh enough for everybody.
    fresh_for: Duration,
    last: Mutex<Option<(Instant, Looked)>>,
    system_roots: OnceCell<Result<Arc<Roots>, String>>,
}

/// A look at the engine.
pub(super) enum Look<'a> {
    Given(&'a Observed),
    Fresh(Arc<Observed>),
}

impl Deref for Look<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        match self {
            Self::Given(observed) => observed,
            Self::Fresh(observed) => observed,
        }
    }
}

impl<'s, 'a> Shared<'s, 'a> {
    pub(super) fn new(sources: &'s Sources<'a>, limits: &Limits) -> Self {
        Self {
            sources,
            fresh_for: limits.poll_min / 2,
            last: Mutex::new(None),
            system_roots: OnceCell::new(),
        }
    }

    /// The run's last look for a first attempt, else a fresh one. Whoever asks while a look is under way waits for
    /// it and takes it.
    async fn look(&self, first: bool) -> Result<Look<'a>, String> {
        if let Some(observed) = self.sources.observed.filter(|_| first) {
            return Ok(Look::Given(observed));
        }
        let mut last = self.last.lock().await;
        if let Some((began, result)) = last.as_ref()
            && began.elapsed() <= self.fresh_for
        {
            return result.clone().map(Look::Fresh);
        }
        let began = Instant::now();
        let result = (self.sources.observe)().await.map(Arc::new);
        *last = Some((began, result.clone()));
        result.map(Look::Fresh)
    }

    /// The roots of a file, read anew, or the system's, read once.
    pub(super) async fn roots(&self, ca: Option<&Path>) -> Result<Arc<Roots>, String> {
        match ca.map(Path::to_owned) {
            Some(path) => aside(move || Roots::load(Some(&path)).map(Arc::new)).await,
            None => self.system_roots.get_or_init(|| aside(|| Roots::load(None).map(Arc::new))).await.clone(),
        }
    }
}

/// One attempt's surroundings.
pub(super) struct Context<'s, 'a> {
    pub(super) shared: &'s Shared<'s, 'a>,
    /// When the attempt ends, and how long it is in all.
    pub(super) until: Instant,
    pub(super) attempt: Duration,
    pub(super) soak: Duration,
    /// True when the run changed what the gate looks at.
    pub(super) changed: bool,
    /// True for the first attempt.
    pub(super) first: bool,
}

impl<'a> Context<'_, 'a> {
    pub(super) const fn budget(&self) -> Budget {
        Budget { until: self.until, whole: self.attempt }
    }

    /// A look at the engine; without one the gate cannot know.
    pub(super) async fn look(&self) -> Result<Look<'a>, Seen> {
        self.shared
            .look(self.first)
            .await
            .map_err(|why| Seen::unknown(format!("the engine could not be asked: {why}")))
    }
}

/// A gate, checked and ready to run.
pub(super) enum Probe {
    Https(Box<Https>),
    Certificate(Box<Certificate>),
    Swarm(Swarm),
    Tcp(Box<Tcp>),
    File(Box<File>),
    Absence(Box<Absence>),
    Manager,
    Network(String),
    Unit(String, Ask),
}

impl Probe {
    /// Checks everything that needs no look at the world; an error says why the gate cannot run.
    pub(super) fn prepare(check: &Check) -> Result<Self, String> {
        match check {
            Check::Manager => Ok(Self::Manager),
            Check::Network(name) => Ok(Self::Network(name.clone())),
            Check::Unit(name, ask) => Ok(Self::Unit(name.clone(), ask.clone())),
            Check::Declared(gate) => Self::declared(gate),
        }
    }

    fn declared(gate: &Gate) -> Result<Self, String> {
        let Gate { https, certificate, swarm, tcp, file, absence, .. } = gate;
        let mut probes: Vec<Result<Self, String>> = Vec::new();
        probes.extend(https.as_ref().map(|gate| Ok(Self::Https(Box::new(Https::prepare(gate)?)))));
        probes.extend(
            certificate.as_ref().map(|gate| Ok(Self::Certificate(Box::new(Certificate::prepare(gate)?)))),
        );
        probes.extend(swarm.as_ref().map(|gate| Ok(Self::Swarm(Swarm::prepare(gate)))));
        probes.extend(tcp.as_ref().map(|gate| Ok(Self::Tcp(Box::new(Tcp::prepare(gate)?)))));
        probes.extend(file.as_ref().map(|gate| Ok(Self::File(Box::new(File::prepare(gate)?)))));
        probes.extend(absence.as_ref().map(|gate| Ok(Self::Absence(Box::new(Absence::prepare(gate)?)))));
        let several = probes.len() > 1;
        match probes.pop() {
            None => {
                Err("it says no kind (`https`, `certificate`, `swarm`, `tcp`, `file`, `absence`)".to_owned())
            }
            Some(_) if several => Err("it says more than one kind".to_owned()),
            Some(probe) => probe,
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Https(_) => "https",
            Self::Certificate(_) => "certificate",
            Self::Swarm(_) | Self::Manager => "swarm",
            Self::Tcp(_) => "tcp",
            Self::File(_) => "file",
            Self::Absence(_) => "absence",
            Self::Network(_) => "network",
            Self::Unit(..) => "unit",
        }
    }

    /// Where the truth comes from.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Https(gate) => gate.source(),
            Self::Certificate(gate) => gate.source(),
            Self::Swarm(_) | Self::Manager | Self::Network(_) => "engine".to_owned(),
            Self::Unit(name, _) => format!("systemd, `{name}`"),
            Self::Tcp(gate) => gate.source(),
            Self::File(gate) => gate.source(),
            Self::Absence(gate) => gate.source(),
        }
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        match self {
            Self::Https(gate) => gate.attempt(context).await,
            Self::Certificate(gate) => gate.attempt(context).await,
            Self::Tcp(gate) => gate.attempt(context).await,
            Self::File(gate) => gate.attempt().await,
            Self::Absence(gate) => gate.attempt(context).await,
            Self::Swarm(gate) => match context.look().await {
                Ok(look) => gate.judge(&look, context),
                Err(seen) => seen,
            },
            Self::Manager => context.look().await.map_or_else(|seen| seen, |look| judge_manager(&look)),
            Self::Unit(name, ask) => match context.shared.sources.unit {
                Some(look) => {
                    look(name.clone()).await.map_or_else(Seen::unknown, |look| unit::judge(ask, &look))
                }
                None => Seen::unknown("systemd cannot be asked here"),
            },
            Self::Network(name) => {
                context.look().await.map_or_else(|seen| seen, |look| swarm::judge_network(name, &look))
            }
        }
    }
}

fn judge_manager(look: &Observed) -> Seen {
    match &look.swarm {
        SwarmState::Manager(state) => {
            let facts =
                json!({ "swarm_id": state.swarm_id, "node_id": state.node_id, "address": state.node_addr });
            Seen::pass("this node is a manager and answers", facts)
        }
        SwarmState::NotManager(state) => Seen::fail(
            format!("this node is in a swarm but cannot manage it ({state})"),
            json!({ "state": state }),
        ),
        SwarmState::Inactive => Seen::fail("this node is in no swarm", json!({ "state": "inactive" })),
    }
}
