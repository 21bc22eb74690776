//! The course of one gate, without a clock: what follows from each attempt.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::seen::{Hope, Seen};
use crate::report::Verdict;

/// Passes in a row that a soak needs at least.
const SOAK_PASSES: u32 = 3;
/// Equal failures in a row after which a gate whose subject did not change stops waiting for time to cure it.
const HOPELESS_AFTER: u32 = 3;

/// How patient one gate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// By then it must have begun to hold.
    pub(super) deadline: Duration,
    /// One attempt.
    pub(super) attempt: Duration,
    /// How long it must keep holding; zero for one pass.
    pub(super) soak: Duration,
    /// By then everything ends.
    pub(super) suite: Duration,
    pub(super) poll_min: Duration,
    pub(super) poll_max: Duration,
    /// True when the run changed what the gate looks at.
    pub(super) changed: bool,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait(Duration),
    Done(Verdict, String),
}

/// Where one gate stands.
#[derive(Clone, Debug)]
pub(super) struct Course {
    patience: Patience,
    /// Sets the gates' pauses apart from each other.
    seed: u64,
    /// Since when it holds, and how often that was seen.
    streak: Option<(Duration, u32)>,
    failures: u32,
    same: (String, u32),
}

impl Course {
    pub(super) fn new(patience: Patience, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self { patience, seed: hasher.finish(), streak: None, failures: 0, same: (String::new(), 0) }
    }

    /// Takes in an attempt that ended `now` after the gate's start.
    pub(super) fn after(&mut self, now: Duration, seen: &Seen) -> Next {
        if seen.verdict == Verdict::Pass { self.after_pass(now, seen) } else { self.after_failure(now, seen) }
    }

    fn after_pass(&mut self, now: Duration, seen: &Seen) -> Next {
        let (since, passes) = self.streak.map_or((now, 1), |(since, passes)| (since, passes + 1));
        self.streak = Some((since, passes));
        self.failures = 0;
        self.same.1 = 0;
        let held = now.saturating_sub(since);
        let soak = self.patience.soak;
        if soak.is_zero() || (held >= soak && passes >= SOAK_PASSES) {
            return Next::Done(Verdict::Pass, seen.reason.clone());
        }
        if now >= self.patience.suite {
            let reason = format!(
                "held for {} of the {} it must keep holding when the time for all gates was over",
                words(held),
                words(soak)
            );
            return Next::Done(Verdict::Unknown, reason);
        }
        let even = (soak / (SOAK_PASSES + 2)).clamp(self.patience.poll_min, self.patience.poll_max);
        let rest = soak.saturating_sub(held).max(self.patience.poll_min / 2);
        Next::Wait(even.min(rest))
    }

    fn after_failure(&mut self, now: Duration, seen: &Seen) -> Next {
        let broken = self.streak.take();
        self.failures += 1;
        if self.same.0 == seen.reason {
            self.same.1 += 1;
        } else {
            self.same = (seen.reason.clone(), 1);
        }
        let hopeless = match seen.hope {
            Hope::Retry => false,
            Hope::OnlyAfterChange => !self.patience.changed && self.same.1 >= HOPELESS_AFTER,
            Hope::Never => true,
        };
        let end = self.patience.deadline.min(self.patience.suite);
        if hopeless || now >= end {
            let reason = broken.map_or_else(
                || seen.reason.clone(),
                |(since, passes)| {
                    format!(
                        "held for {} ({passes} passes), then: {}",
                        words(now.saturating_sub(since)),
                        seen.reason
                    )
                },
            );
            return Next::Done(seen.verdict, reason);
        }
        Next::Wait(self.pause().min(end.saturating_sub(now)))
    }

    /// Doubles from the shortest to the longest pause, and varies by a fifth either way, so that gates do not ask in
    /// step.
    fn pause(&self) -> Duration {
        let doubled = self.patience.poll_min.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let base = doubled.min(self.patience.poll_max);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.failures).hash(&mut hasher);
        let percent = 80 + u32::try_from(hasher.finish() % 41).unwrap_or(20);
        base * percent / 100
    }
}

/// A duration as people say it: `350ms`, `4.2s`, `2m 5s`.
pub(super) fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{}m {}s", seconds / 60, seconds % 60)
    } else if duration.subsec_millis() == 0 {
        format!("{seconds}s")
    } else if seconds >= 1 {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn patience(changed: bool, soak: u64) -> Patience {
        Patience {
            deadline: Duration::from_secs(60),
            attempt: Duration::from_secs(5),
            soak: Duration::from_secs(soak),
            suite: Duration::from_secs(300),
            poll_min: Duration::from_millis(500),
            poll_max: Duration::from_secs(5),
            changed,
        }
    }

    /// Plays verdicts (`p`, `f`, `u`) with no time for the attempts; the last one repeats. Returns the end and when.
    fn play(patience: Patience, script: &str, hope: Hope) -> (Verdict, String, Duration, u32) {
        let mut course = Course::new(patience, "gate.x");
        let (mut now, mut count) = (Duration::ZERO, 0);
        let mut script = script.chars().peekable();
        let mut last = 'f';
        loop {
            last = script.next().unwrap_or(last);
            let seen = match last {
                'p' => Seen::pass("ok", Value::Null),
                'u' => Seen::unknown("unclear"),
                _ => Seen::fail("no", Value::Null).with_hope(hope),
            };
            count += 1;
            match course.after(now, &seen) {
                Next::Wait(pause) => now += pause,
                Next::Done(verdict, reason) => return (verdict, reason, now, count),
            }
        }
    }

    #[test]
    fn one_pass_is_enough_without_soak() {
        assert_eq!(play(patience(false, 0), "p", Hope::Retry).3, 1);
    }

    #[test]
    fn a_soak_lasts_its_time_and_three_passes() {
        let (verdict, _, at, count) = play(patience(true, 10), "p", Hope::Retry);
        assert_eq!(verdict, Verdict::Pass);
        assert!(at >= Duration::from_secs(10) && at < Duration::from_secs(13), "{at:?}");
        assert!(count >= 3);
    }

    #[test]
    fn a_failure_within_the_soak_starts_it_again() {
        let (verdict, _, at, _) = play(patience(true, 10), "ppfp", Hope::Retry);
        assert_eq!(verdict, Verdict::Pass);
        assert!(at >= Duration::from_secs(12), "{at:?}");
    }

    #[test]
    fn what_dies_within_the_soak_fails_at_the_deadline() {
        let (verdict, reason, at, _) = play(patience(true, 10), "ppf", Hope::Retry);
        assert_eq!((verdict, at), (Verdict::Fail, Duration::from_secs(60)));
        assert_eq!(reason, "no");
    }

    #[test]
    fn the_deadline_ends_it_with_the_last_verdict_after_a_growing_pause() {
        let (verdict, _, at, count) = play(patience(false, 0), "u", Hope::Retry);
        assert_eq!((verdict, at), (Verdict::Unknown, Duration::from_secs(60)));
        assert!((12..24).contains(&count), "{count} attempts");
    }

    #[test]
    fn what_time_cannot_cure_ends_early_unless_the_run_changed_it() {
        assert_eq!(play(patience(false, 0), "f", Hope::OnlyAfterChange).3, 3);
        assert_eq!(play(patience(true, 10), "f", Hope::OnlyAfterChange).2, Duration::from_secs(60));
        assert_eq!(play(patience(true, 10), "f", Hope::Never).3, 1);
    }

    #[test]
    fn a_soak_that_outlasts_the_suite_is_unknown() {
        let mut patience = patience(true, 600);
        patience.suite = Duration::from_secs(20);
        assert_eq!(play(patience, "p", Hope::Retry).0, Verdict::Unknown);
    }

    #[test]
    fn durations_read_well() {
        let text = |ms| words(Duration::from_millis(ms));
        assert_eq!([text(350), text(4200), text(5000), text(125_000)], ["350ms", "4.2s", "5s", "2m 5s"]);
    }
}
