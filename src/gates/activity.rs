//! `unit`: a unit of systemd does what it is there for.
//!
//! `Result=success` is what systemd says of a unit that never ran, too: so a unit that does not run holds only by an
//! invocation of its own, or by what will start it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::context::Context;
use super::course::words;
use super::seen::{Hope, Seen};
use crate::manifest::{UnitGate, UnitSince};
use crate::observed::{UnitState, UnitsSeen};

/// A unit that systemd itself started again is not believed before it has run for so long.
const STEADY: Duration = Duration::from_secs(10);

/// A gate, ready to run.
#[derive(Debug)]
pub(super) struct Activity {
    gate: UnitGate,
    /// What the attempt before found: invocation and restarts.
    before: Mutex<Option<(String, u64)>>,
}

impl Activity {
    pub(super) fn prepare(gate: &UnitGate) -> Self {
        Self { gate: gate.clone(), before: Mutex::new(None) }
    }

    pub(super) fn source(&self) -> String {
        format!("systemd, `{}`", self.gate.name)
    }

    pub(super) async fn attempt(&self, context: &Context<'_, '_>) -> Seen {
        let Some(host) = context.shared.sources.host else {
            return Seen::unknown("systemd cannot be asked here");
        };
        let look = match (host.state)(self.gate.name.clone()).await {
            Ok(look) => look,
            Err(reason) => return Seen::unknown(reason),
        };
        let now = (look.unit.invocation.clone(), look.unit.restarts);
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        let seen = judge(&self.gate, &look, jiff::Timestamp::now());
        let restarts = look.unit.restarts;
        match before.filter(|(invocation, _)| *invocation != look.unit.invocation) {
            Some((_, had)) if seen.verdict == crate::report::Verdict::Pass => {
                let reason = format!(
                    "was started again while it was watched (automatic restarts: {had}, now {restarts})"
                );
                Seen::fail(reason, seen.facts)
            }
            _ => seen,
        }
    }
}

/// Judges how a unit is at this time.
pub(super) fn judge(gate: &UnitGate, look: &UnitsSeen, now: jiff::Timestamp) -> Seen {
    let unit = &look.unit;
    let facts = facts(look);
    if unit.load != "loaded" {
        return Seen::fail(format!("is not loaded: {}", unit.load), facts).with_hope(Hope::OnlyAfterChange);
    }
    if unit.stale {
        let reason = "its files have changed since systemd read them: `systemctl daemon-reload`";
        return Seen::fail(reason, facts).with_hope(Hope::OnlyAfterChange);
    }
    if unit.sub.starts_with("auto-restart") {
        let reason =
            format!("ended with `{}` and waits for its restart number {}", unit.result, unit.restarts + 1);
        return Seen::fail(reason, facts);
    }
    if unit.active == "failed" {
        let log = if look.log.is_empty() {
            String::new()
        } else {
            format!("; its last lines: {}", look.log.join(" | "))
        };
        let reason = format!("failed with `{}`, exit status {}{log}", unit.result, or_none(&unit.status));
        return Seen::fail(reason, facts).with_hope(Hope::OnlyAfterChange);
    }
    if unit.job || !matches!(unit.active.as_str(), "active" | "inactive") {
        return Seen::fail(format!("is {} ({})", unit.active, unit.sub), facts);
    }
    let state = gate.sub_state.as_ref().filter(|wanted| **wanted != unit.sub);
    if let Some(wanted) = state {
        return Seen::fail(format!("is {} ({}), expected {wanted}", unit.active, unit.sub), facts);
    }
    let idle = match if unit.active == "active" { Ok(None) } else { idle(look) } {
        Ok(idle) => idle,
        Err(reason) => return Seen::fail(reason, facts).with_hope(Hope::OnlyAfterChange),
    };
    let age = age(look);
    if unit.restarts > 0 && unit.active == "active" && age < STEADY {
        let reason = format!("was started again {} ago, for the {}. time", words(age), unit.restarts);
        return Seen::fail(reason, facts);
    }
    if let (UnitSince::Activation, None) = (gate.since, &idle) {
        let Some(activated) = look.activated else {
            return Seen::unknown("`/run/current-system` is missing, so that no activation is known");
        };
        let activation = Duration::try_from(now.duration_since(activated)).unwrap_or_default();
        if age > activation {
            let reason = format!(
                "its run began {} before the system was activated: it is not of this activation",
                words(age.saturating_sub(activation))
            );
            return Seen::fail(reason, facts).with_hope(Hope::OnlyAfterChange);
        }
    }
    let reason = idle.unwrap_or_else(|| match unit.active.as_str() {
        "active" => format!("is active ({}) since {}", unit.sub, words(age)),
        _ => format!("has run and ended well, {} after the boot", words(Duration::from_micros(unit.began))),
    });
    Seen::pass(reason, facts)
}

/// Why a unit holds that does not run: a trigger will start it, or (`None`) it has run and ended well.
fn idle(look: &UnitsSeen) -> Result<Option<String>, String> {
    let unit = &look.unit;
    let has_run = !unit.invocation.is_empty() && unit.began > 0;
    if unit.skipped {
        return Err("was not started, because a condition of it does not hold".to_owned());
    }
    if has_run && unit.result != "success" {
        return Err(format!("ended with `{}`", unit.result));
    }
    let ready = look.triggers.iter().find(|(_, trigger)| trigger.active == "active");
    if let Some((name, trigger)) = ready {
        return Ok(Some(format!("does not run, and `{name}` is {} to start it", trigger.sub)));
    }
    if let Some((name, trigger)) = look.triggers.iter().next() {
        return Err(format!("does not run, and `{name}`, which would start it, is {}", trigger.active));
    }
    match (has_run, unit.service_type.as_str()) {
        (true, "oneshot") => Ok(None),
        (true, _) => Err("has ended, and is no oneshot".to_owned()),
        (false, _) => Err("has not run since the boot".to_owned()),
    }
}

/// How long ago its last activation began.
fn age(look: &UnitsSeen) -> Duration {
    Duration::from_micros(look.now.saturating_sub(look.unit.began))
}

fn or_none(status: &str) -> &str {
    if status.is_empty() { "unknown" } else { status }
}

fn facts(look: &UnitsSeen) -> Value {
    let UnitState { load, active, sub, result, service_type, invocation, restarts, .. } = &look.unit;
    json!({
        "load": load, "active": active, "sub": sub, "result": result, "type": service_type,
        "invocation": invocation, "restarts": restarts, "began_us": look.unit.began, "now_us": look.now,
        "triggers": look.triggers.iter().map(|(name, unit)| (name.clone(), json!(unit.active))).collect::<Value>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn service(change: impl FnOnce(&mut UnitState)) -> UnitsSeen {
        let mut unit = UnitState {
            load: "loaded".into(),
            active: "active".into(),
            sub: "running".into(),
            result: "success".into(),
            service_type: "simple".into(),
            invocation: "a".into(),
            began: 5_000_000,
            ..UnitState::default()
        };
        change(&mut unit);
        UnitsSeen { unit, now: 65_000_000, ..UnitsSeen::default() }
    }

    fn judged(gate: &UnitGate, look: &UnitsSeen) -> (Verdict, String) {
        let seen = judge(gate, look, jiff::Timestamp::from_second(1_000).unwrap());
        (seen.verdict, seen.reason)
    }

    #[track_caller]
    fn fails(look: &UnitsSeen, because: &str) {
        let (verdict, reason) = judged(&UnitGate::default(), look);
        assert_eq!(verdict, Verdict::Fail, "{reason}");
        assert!(reason.contains(because), "expected {because:?}, got {reason:?}");
    }

    #[track_caller]
    fn holds(look: &UnitsSeen) {
        let (verdict, reason) = judged(&UnitGate::default(), look);
        assert_eq!(verdict, Verdict::Pass, "{reason}");
    }

    fn dead(unit: &mut UnitState) {
        (unit.active, unit.sub) = ("inactive".into(), "dead".into());
    }

    #[test]
    fn a_unit_holds_by_what_it_does_and_never_by_a_result_that_nobody_earned() {
        holds(&service(|_| ()));
        fails(&service(|unit| unit.load = "not-found".into()), "not-found");
        fails(&service(|unit| unit.load = "masked".into()), "masked");
        fails(&service(|unit| unit.stale = true), "daemon-reload");
        fails(&service(|unit| unit.active = "activating".into()), "is activating");
        fails(&service(|unit| unit.job = true), "is active (running)");
        fails(
            &service(|unit| (unit.active, unit.sub) = ("activating".into(), "auto-restart".into())),
            "restart number 1",
        );
        fails(
            &service(|unit| (unit.active, unit.result) = ("failed".into(), "exit-code".into())),
            "`exit-code`",
        );
        fails(&service(dead), "is no oneshot");
        // A oneshot that ran is well; one that never did says `success` as well, and is not.
        let oneshot = |change: fn(&mut UnitState)| {
            service(|unit| {
                dead(unit);
                unit.service_type = "oneshot".into();
                change(unit);
            })
        };
        holds(&oneshot(|_| ()));
        fails(
            &oneshot(|unit| (unit.invocation, unit.began) = (String::new(), 0)),
            "has not run since the boot",
        );
        fails(&oneshot(|unit| unit.skipped = true), "a condition");
        fails(&oneshot(|unit| unit.result = "timeout".into()), "`timeout`");
    }

    #[test]
    fn one_that_a_socket_starts_may_rest_while_the_socket_listens() {
        let with = |active: &str, change: fn(&mut UnitState)| {
            let mut look = service(|unit| {
                dead(unit);
                (unit.invocation, unit.began) = (String::new(), 0);
                change(unit);
            });
            let socket = UnitState { active: active.into(), sub: "listening".into(), ..UnitState::default() };
            look.triggers.insert("sshd.socket".into(), socket);
            look
        };
        holds(&with("active", |_| ()));
        fails(&with("inactive", |_| ()), "`sshd.socket`, which would start it, is inactive");
        let ended = |unit: &mut UnitState| {
            (unit.invocation, unit.began, unit.result) = ("b".into(), 7, "signal".into());
        };
        fails(&with("active", ended), "`signal`");
    }

    #[test]
    fn what_systemd_started_again_has_to_run_for_a_while() {
        let again = |began| service(move |unit| (unit.restarts, unit.began) = (3, began));
        fails(&again(60_000_000), "5s ago, for the 3. time");
        holds(&again(50_000_000));
    }

    #[test]
    fn a_run_of_an_older_activation_does_not_count_where_it_must_be_of_this_one() {
        let gate = UnitGate { since: UnitSince::Activation, ..UnitGate::default() };
        let mut look = service(|_| ());
        // It is 1000 s; the unit began 60 s ago.
        look.activated = jiff::Timestamp::from_second(930).ok();
        assert_eq!(judged(&gate, &look).0, Verdict::Pass);
        look.activated = jiff::Timestamp::from_second(950).ok();
        let (verdict, reason) = judged(&gate, &look);
        assert!(verdict == Verdict::Fail && reason.contains("10s before"), "{reason}");
        look.activated = None;
        assert_eq!(judged(&gate, &look).0, Verdict::Unknown);
        assert_eq!(judged(&UnitGate { sub_state: Some("exited".into()), ..gate }, &look).0, Verdict::Fail);
    }
}
