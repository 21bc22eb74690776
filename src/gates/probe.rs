//! One attempt of one gate.

use serde_json::json;

use super::absence::Absence;
use super::activity::Activity;
use super::auth::Auth;
use super::certificate::Certificate;
use super::closure::Closure;
use super::context::Context;
use super::drone::{Drone, Oauth};
use super::file::File;
use super::https::Https;
use super::seen::Seen;
use super::store::Store;
use super::swarm::{self, Swarm};
use super::tcp::Tcp;
use super::trial::Trial;
use super::{Check, hook, unit};
use crate::manifest::Gate;
use crate::observed::{Ask, Observed, SwarmState};

/// A gate, checked and ready to run.
pub(super) enum Probe {
    Https(Box<Https>),
    Certificate(Box<Certificate>),
    Swarm(Swarm),
    Tcp(Box<Tcp>),
    File(Box<File>),
    Absence(Box<Absence>),
    Closure(Closure),
    Activity(Box<Activity>),
    Store(Store),
    Auth(Box<Auth>),
    Drone(Box<Drone>),
    Oauth(Oauth),
    Trial(Trial),
    Manager,
    Network(String),
    Unit(String, Ask),
    Hook(String),
}

impl Probe {
    /// Checks everything that needs no look at the world; an error says why the gate cannot run.
    pub(super) fn prepare(check: &Check) -> Result<Self, String> {
        match check {
            Check::Manager => Ok(Self::Manager),
            Check::Network(name) => Ok(Self::Network(name.clone())),
            Check::Unit(name, ask) => Ok(Self::Unit(name.clone(), ask.clone())),
            Check::Hook(name) => Ok(Self::Hook(name.clone())),
            Check::Declared(gate) => Self::declared(gate),
        }
    }

    fn declared(gate: &Gate) -> Result<Self, String> {
        let Gate { https, certificate, swarm, tcp, file, absence, closure, unit, store, auth, .. } = gate;
        let Gate { drone, oauth, runner, .. } = gate;
        let mut probes: Vec<Result<Self, String>> = Vec::new();
        probes.extend(https.as_ref().map(|gate| Ok(Self::Https(Box::new(Https::prepare(gate)?)))));
        probes.extend(
            certificate.as_ref().map(|gate| Ok(Self::Certificate(Box::new(Certificate::prepare(gate)?)))),
        );
        probes.extend(swarm.as_ref().map(|gate| Ok(Self::Swarm(Swarm::prepare(gate)))));
        probes.extend(tcp.as_ref().map(|gate| Ok(Self::Tcp(Box::new(Tcp::prepare(gate)?)))));
        probes.extend(file.as_ref().map(|gate| Ok(Self::File(Box::new(File::prepare(gate)?)))));
        probes.extend(absence.as_ref().map(|gate| Ok(Self::Absence(Box::new(Absence::prepare(gate)?)))));
        probes.extend(closure.as_ref().map(|gate| Ok(Self::Closure(Closure::prepare(gate)?))));
        probes.extend(unit.as_ref().map(|gate| Ok(Self::Activity(Box::new(Activity::prepare(gate))))));
        probes.extend(store.as_ref().map(|gate| Ok(Self::Store(Store::prepare(gate)))));
        probes.extend(auth.as_ref().map(|gate| Ok(Self::Auth(Box::new(Auth::prepare(gate)?)))));
        probes.extend(drone.as_ref().map(|gate| Ok(Self::Drone(Box::new(Drone::prepare(gate))))));
        probes.extend(oauth.as_ref().map(|gate| Ok(Self::Oauth(Oauth::prepare(gate)))));
        probes.extend(runner.as_ref().map(|gate| Ok(Self::Trial(Trial::prepare(gate)))));
        let several = probes.len() > 1;
        match probes.pop() {
            None => {
                Err("it says no kind (`https`, `certificate`, `swarm`, `tcp`, `file`, `absence`, `closure`, \
                     `unit`, `store`, `auth`, `drone`, `oauth`, `runner`)"
                    .to_owned())
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
            Self::Unit(..) | Self::Activity(_) => "unit",
            Self::Closure(_) => "closure",
            Self::Store(_) => "store",
            Self::Auth(_) => "auth",
            Self::Drone(_) => "drone",
            Self::Oauth(_) => "oauth",
            Self::Trial(_) => "runner",
            Self::Hook(_) => "hook",
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
            Self::Activity(gate) => gate.source(),
            Self::Closure(_) => Closure::source(),
            Self::Store(_) => Store::source(),
            Self::Auth(gate) => gate.source(),
            Self::Drone(gate) => gate.source(),
            Self::Oauth(_) => Oauth::source(),
            Self::Trial(gate) => gate.source(),
            Self::Hook(_) => "forge.gitea, and what was heard of it".to_owned(),
        }
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        match self {
            Self::Https(gate) => gate.attempt(context).await,
            Self::Certificate(gate) => gate.attempt(context).await,
            Self::Tcp(gate) => gate.attempt(context).await,
            Self::File(gate) => gate.attempt().await,
            Self::Absence(gate) => gate.attempt(context).await,
            Self::Activity(gate) => gate.attempt(context).await,
            Self::Closure(gate) => gate.attempt(context),
            Self::Store(gate) => gate.attempt(context).await,
            Self::Auth(gate) => gate.attempt(context).await,
            Self::Drone(gate) => gate.attempt(context).await,
            Self::Trial(gate) => gate.attempt(context).await,
            Self::Oauth(gate) => gate.attempt(context).await,
            Self::Hook(name) => hook::attempt(name, context).await,
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
