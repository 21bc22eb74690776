//! Runs all gates at once and keeps the account of their attempts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::context::{Context, Shared};
use super::course::{Course, Next, Patience, words};
use super::probe::Probe;
use super::seen::{Hope, Seen};
use super::{Check, Limits, Planned, Progress, Sources};
use crate::manifest::Gate;
use crate::report::{Attempt, GateResult, Verdict};

/// How many attempts a result keeps: the last ones.
const KEPT_ATTEMPTS: usize = 5;
/// What an attempt gets beyond its own timeout, so that its own words about what took so long come first.
const GRACE: Duration = Duration::from_millis(250);

type Say<'a> = RefCell<&'a mut dyn FnMut(Progress<'_>)>;

/// Runs all gates at once; the results stand in the order of the gates. Never fails: what could not be found out is
/// a result with [`Verdict::Unknown`].
pub async fn verify(
    gates: &[Planned],
    sources: &Sources<'_>,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Vec<GateResult> {
    let shared = Shared::new(sources, limits);
    let say: Say<'_> = RefCell::new(progress);
    join_all(gates.iter().map(|planned| run(planned, &shared, limits, &say))).await
}

async fn run(planned: &Planned, shared: &Shared<'_, '_>, limits: &Limits, say: &Say<'_>) -> GateResult {
    let started = Instant::now();
    let mut account = Account { started, attempts: Vec::new(), count: 0 };
    let probe = match Probe::prepare(&planned.gate) {
        Ok(probe) => probe,
        Err(reason) => {
            let patience = patience(planned, "", limits);
            let seen = Seen::unknown(format!("cannot run: {reason}")).with_hope(Hope::Never);
            account.note(&seen);
            account.say(planned, &seen, (patience.deadline, true), say);
            return account.close(planned, &patience, (String::new(), String::new()), (seen, None));
        }
    };
    let patience = patience(planned, probe.kind(), limits);
    // A swarm gate's soak is the age of the youngest task: a crash starts it anew without being watched.
    let passes_soak = if probe.kind() == "swarm" { Duration::ZERO } else { patience.soak };
    let mut course =
        Course::new(Patience { soak: passes_soak, ..patience.clone() }, &planned.address.to_string());
    loop {
        let until = Instant::now() + patience.attempt;
        let context = Context {
            shared,
            until,
            attempt: patience.attempt,
            soak: patience.soak,
            changed: planned.soak,
            first: account.count == 0,
        };
        let seen = timeout_at(until + GRACE, probe.attempt(&context)).await.unwrap_or_else(|_| {
            Seen::unknown(format!("no answer within {} from {}", words(patience.attempt), probe.source()))
        });
        account.note(&seen);
        let next = course.after(started.elapsed(), &seen);
        account.say(planned, &seen, (patience.deadline, matches!(next, Next::Done(..))), say);
        match next {
            Next::Wait(pause) => sleep(pause).await,
            Next::Done(verdict, reason) => {
                let names = (probe.kind().to_owned(), probe.source());
                return account.close(planned, &patience, names, (seen, Some((verdict, reason))));
            }
        }
    }
}

/// The effective limits of a gate.
fn patience(planned: &Planned, kind: &str, limits: &Limits) -> Patience {
    let none = Gate::default();
    let gate = if let Check::Declared(gate) = &planned.gate { gate.as_ref() } else { &none };
    let attempt = match kind {
        "tcp" => limits.tcp_attempt,
        // Images are large.
        "store" => limits.deadline,
        _ => limits.attempt,
    };
    // A file stays as it is, and so does a build that has ended; asking again says nothing new.
    let stays = matches!(kind, "file" | "closure" | "store" | "runner");
    let soak = if stays || matches!(planned.gate, Check::Manager | Check::Network(_)) {
        Duration::ZERO
    } else {
        limits.soak
    };
    let soak = if planned.soak { gate.soak.map_or(soak, |soak| soak.0) } else { Duration::ZERO };
    Patience {
        deadline: gate.deadline.map_or(limits.deadline, |deadline| deadline.0),
        attempt: gate.attempt.map_or(attempt, |attempt| attempt.0),
        soak,
        suite: limits.suite,
        poll_min: limits.poll_min,
        poll_max: limits.poll_max,
        changed: planned.soak,
    }
}

struct Account {
    started: Instant,
    attempts: Vec<Attempt>,
    count: u32,
}

impl Account {
    fn note(&mut self, seen: &Seen) {
        self.count += 1;
        if self.attempts.len() == KEPT_ATTEMPTS {
            self.attempts.remove(0);
        }
        let at_ms = millis(self.started.elapsed());
        self.attempts.push(Attempt { at_ms, verdict: seen.verdict, reason: seen.reason.clone() });
    }

    fn say(&self, planned: &Planned, seen: &Seen, (deadline, done): (Duration, bool), say: &Say<'_>) {
        let progress = Progress {
            address: &planned.address,
            verdict: seen.verdict,
            reason: &seen.reason,
            elapsed: self.started.elapsed(),
            deadline,
            done,
        };
        (say.borrow_mut())(progress);
    }

    fn close(
        self,
        planned: &Planned,
        patience: &Patience,
        (kind, source): (String, String),
        (seen, end): (Seen, Option<(Verdict, String)>),
    ) -> GateResult {
        let (verdict, summary) = end.unwrap_or((seen.verdict, seen.reason));
        let limits =
            [("deadline", patience.deadline), ("attempt", patience.attempt), ("soak", patience.soak)];
        GateResult {
            address: planned.address.clone(),
            kind,
            derived: planned.derived,
            verdict,
            summary,
            source,
            limits_ms: limits
                .map(|(name, limit)| (name.to_owned(), millis(limit)))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            attempts: self.attempts,
            attempt_count: self.count,
            elapsed_ms: millis(self.started.elapsed()),
            observed: if seen.facts.is_null() { Value::Object(serde_json::Map::new()) } else { seen.facts },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
