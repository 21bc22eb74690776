//! `auth`: who shows no credentials is refused where something is, and finds nothing where nothing is.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use futures_util::future::join;
use serde_json::json;

use super::context::Context;
use super::https::Https;
use super::seen::Seen;
use super::url::Target;
use crate::manifest::{AuthGate, HttpsGate};
use crate::report::Verdict;

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Auth {
    gate: AuthGate,
    closed: Https,
}

impl Auth {
    pub(super) fn prepare(gate: &AuthGate) -> Result<Self, String> {
        Ok(Self { gate: gate.clone(), closed: Https::prepare(&request(gate, &gate.url, 401))? })
    }

    pub(super) fn source(&self) -> String {
        format!("{}, without credentials", self.closed.source())
    }

    /// A 401 alone may be said of anything that is asked for, and a 404 of a door that was never built: only both show that
    /// what is closed is there.
    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let beside = match self.beside() {
            Ok(beside) => beside,
            Err(reason) => return Seen::unknown(reason),
        };
        let (closed, nothing) =
            join(Box::pin(self.closed.attempt(context)), Box::pin(beside.attempt(context))).await;
        let facts = json!({ "closed": closed.facts, "nothing": nothing.facts });
        let reason = match (closed.verdict, nothing.verdict) {
            (Verdict::Pass, Verdict::Pass) => {
                return Seen::pass("401 without credentials, 404 for a path beside it", facts);
            }
            (Verdict::Pass, _) => format!("a path beside it that nobody has: {}", nothing.reason),
            (_, _) => format!("without credentials: {}", closed.reason),
        };
        let worse = if closed.verdict == Verdict::Pass { nothing } else { closed };
        Seen { reason, facts, ..worse }
    }

    /// A path of the same folder that exists nowhere, another one each time.
    fn beside(&self) -> Result<Https, String> {
        let name = format!("holdfast-{:016x}", RandomState::new().build_hasher().finish());
        let url = Target::parse(&self.gate.url)?.join(&name)?.url();
        Https::prepare(&request(&self.gate, &url, 404))
    }
}

fn request(gate: &AuthGate, url: &str, status: u16) -> HttpsGate {
    HttpsGate {
        url: url.to_owned(),
        at: gate.at.clone(),
        ca: gate.ca.clone(),
        method: gate.method.clone(),
        status: vec![status.to_string()],
        ..HttpsGate::default()
    }
}
