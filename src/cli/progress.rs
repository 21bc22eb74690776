//! Progress on stderr: one live line on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::logging;
use super::notify::Notify;
use super::settings::Settings;
use crate::apply::Event;
use crate::gates;
use crate::plan::Verb;
use crate::report::{StepOutcome, Verdict, plain};
use crate::run::Said;

/// Without a terminal a wait is said again this often.
const STILL: Duration = Duration::from_secs(10);

/// Where progress goes, and what was said last.
pub(crate) struct Progress {
    live: bool,
    /// True under a service manager: the journal gets fields, and no line twice.
    journal: bool,
    said: Instant,
    shown: bool,
    notify: Notify,
}

impl Progress {
    pub(crate) fn new(settings: &Settings) -> Self {
        let live = std::io::stderr().is_terminal() && !settings.json;
        Self {
            live,
            journal: logging::stderr_is_journal(),
            said: Instant::now(),
            shown: false,
            notify: Notify::from_environment(),
        }
    }

    /// Says one thing.
    pub(crate) fn tell(&mut self, said: &Said<'_>) {
        self.notify.status(&status(said));
        match said {
            Said::Plan(plan) if plan.is_empty() => {}
            Said::Plan(plan) => self.line(&format!("plan: {} steps", plan.steps.len())),
            Said::Step(Event::Started(step)) => {
                self.live(&format!("{} {} ...", word(step.verb), step.address));
            }
            Said::Step(Event::Waiting(step, waiting)) => self.wait(&format!("{}: {waiting}", step.address)),
            Said::Step(Event::Ended(outcome)) => self.step(outcome),
            Said::Gate(gate) if gate.done => self.gate(gate),
            Said::Gate(gate) => self.wait(&format!(
                "{}: {} ({} of {} s)",
                gate.address,
                gate.reason,
                gate.elapsed.as_secs(),
                gate.deadline.as_secs()
            )),
        }
    }

    fn step(&mut self, outcome: &StepOutcome) {
        let (verb, address, elapsed_ms) = (word(outcome.verb), &outcome.address, outcome.elapsed_ms);
        match &outcome.error {
            None if self.journal => tracing::info!(%address, verb, elapsed_ms, "step done"),
            None => self.line(&format!("{verb} {address}: done in {elapsed_ms} ms")),
            Some(error) if outcome.again => {
                self.say_again(&format!("{verb} {address}: {error}; looking again"));
            }
            Some(error) if self.journal => tracing::error!(%address, verb, elapsed_ms, error, "step failed"),
            Some(error) => self.line(&format!("{verb} {address}: failed after {elapsed_ms} ms: {error}")),
        }
    }

    fn say_again(&mut self, text: &str) {
        if self.journal { tracing::warn!("{text}") } else { self.line(text) }
    }

    fn gate(&mut self, gate: &gates::Progress<'_>) {
        let (verdict, address, reason) = (verdict(gate.verdict), gate.address, gate.reason);
        match gate.verdict {
            Verdict::Pass if self.journal => tracing::info!(%address, verdict, reason, "gate"),
            _ if self.journal => tracing::error!(%address, verdict, reason, "gate"),
            _ => self.line(&format!("{verdict} {address}: {reason}")),
        }
    }

    /// Takes the live line away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            Settings::say("\r\x1b[K");
        }
    }

    /// A line that stays.
    fn line(&mut self, text: &str) {
        self.clear();
        Settings::say(&whole(text));
        self.said = Instant::now();
    }

    /// A wait: always on the live line, now and then as a line that stays.
    fn wait(&mut self, text: &str) {
        if self.live {
            self.live(text);
        } else if self.said.elapsed() >= STILL {
            self.line(&format!("still waiting: {text}"));
        }
    }

    fn live(&mut self, text: &str) {
        if self.live {
            Settings::say(&format!("\r\x1b[K{}", short(text)));
            self.shown = true;
        }
    }
}

/// What is under way, for a service manager.
fn status(said: &Said<'_>) -> String {
    match said {
        Said::Plan(plan) => format!("plan: {} steps", plan.steps.len()),
        Said::Step(Event::Started(step)) => format!("{} {}", word(step.verb), step.address),
        Said::Step(Event::Waiting(step, waiting)) => format!("{}: {waiting}", step.address),
        Said::Step(Event::Ended(outcome)) => format!("{} {}: ended", word(outcome.verb), outcome.address),
        Said::Gate(gate) => format!("{} {}: {}", verdict(gate.verdict), gate.address, gate.reason),
    }
}

/// A line that stays. What it tells of comes from servers and tasks, and may not steer the terminal.
fn whole(text: &str) -> String {
    format!("{}\n", plain(text))
}

/// Longer than most terminals are wide would wrap, and a wrapped line cannot be taken away.
fn short(text: &str) -> String {
    plain(text).chars().take(100).collect()
}

const fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Replace => "take down",
        Verb::Delete => "delete",
        Verb::Await => "await",
        Verb::Restart => "restart",
        Verb::Reload => "reload",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_or_header_cannot_steer_the_terminal() {
        let subject = "certificate expired: `CN=a\r\u{1b}[2Kpass\u{9b}1A\nall gates hold`";
        for shown in [whole(subject), short(subject)] {
            assert!(shown.trim_end().chars().all(|letter| !letter.is_control()), "{shown:?}");
        }
        assert!(whole(subject).ends_with("`\n") && short(&"x".repeat(500)).len() == 100);
    }
}
