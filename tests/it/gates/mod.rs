//! Gates against real servers on loopback: each fault fails with its own reason, and its good twin passes.

mod auth;
mod certificate;
mod host;
mod https;
mod nix;
mod patience;
mod pki;
mod server;
mod swarm;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast::address::{Address, Kind};
use holdfast::gates::{Check, Expected, Limits, Planned, Sources, verify};
use holdfast::manifest::Gate;
use holdfast::observed::Observed;
use holdfast::report::{GateResult, Verdict};

/// Limits that keep tests short.
fn quick() -> Limits {
    Limits {
        suite: Duration::from_secs(10),
        deadline: Duration::from_millis(150),
        attempt: Duration::from_millis(1_500),
        tcp_attempt: Duration::from_millis(300),
        soak: Duration::from_millis(250),
        poll_min: Duration::from_millis(20),
        poll_max: Duration::from_millis(60),
    }
}

fn planned(gate: impl Into<Check>) -> Planned {
    Planned { address: Address::new(Kind::Gate, "x"), gate: gate.into(), derived: false, soak: false }
}

/// Runs gates that need no engine.
async fn run_all(gates: &[Planned], limits: &Limits) -> Vec<GateResult> {
    let expected = BTreeMap::new();
    let sources = Sources {
        unit: None,
        host: None,
        forges: None,
        observed: None,
        observe: &|| Box::pin(async { Err("there is no engine here".to_owned()) }),
        task_log: &|_, _| Box::pin(async { Err("there is no engine here".to_owned()) }),
        expected: &expected,
        declared: &std::collections::BTreeSet::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        changed: None,
    };
    verify(gates, &sources, limits, &mut |_| {}).await
}

async fn run(gate: Gate) -> GateResult {
    run_all(&[planned(gate)], &quick()).await.remove(0)
}

/// Runs gates over one look at the engine.
async fn run_over(
    gates: &[Planned],
    look: &Observed,
    expected: &BTreeMap<String, Expected>,
) -> Vec<GateResult> {
    let sources = Sources {
        unit: None,
        host: None,
        forges: None,
        observed: None,
        observe: &|| Box::pin(async { Ok(look.clone()) }),
        task_log: &|_, mut tally| {
            Box::pin(async move {
                tally.read("listening", None);
                Ok(tally)
            })
        },
        expected,
        declared: &std::collections::BTreeSet::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        changed: None,
    };
    verify(gates, &sources, &quick(), &mut |_| {}).await
}

#[track_caller]
fn assert_fails(result: &GateResult, because: &str) {
    assert_eq!(result.verdict, Verdict::Fail, "{because}: {}", result.summary);
    assert!(result.summary.contains(because), "expected {because:?}, got {:?}", result.summary);
}

#[track_caller]
fn assert_unknown(result: &GateResult, because: &str) {
    assert_eq!(result.verdict, Verdict::Unknown, "{because}: {}", result.summary);
    assert!(result.summary.contains(because), "expected {because:?}, got {:?}", result.summary);
}

#[track_caller]
fn assert_passes(result: &GateResult) {
    assert_eq!(result.verdict, Verdict::Pass, "{}", result.summary);
}
