//! What is counted of runs: how long each step took, how they ended, and how their ends were noticed.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::histogram::Histogram;
use super::journal::{Row, State, Times};

/// Upper bounds of the steps, in microseconds: from a tenth of a second to an hour.
const BOUNDS: [u64; 12] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
];

/// Steps of a run, each from the one before.
const STEPS: [&str; 4] = ["accepted", "queued", "picked_up", "done"];
/// Ends of runs; what is none of them is `other`.
const RESULTS: [&str; 8] =
    ["success", "failure", "error", "killed", "superseded", "refused", "cancelled", "other"];

/// Why a build was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Drone's stream told of it.
    Stream,
    /// Drone's webhook, or something of our own.
    Wake,
    /// It was time.
    Poll,
}

/// Why a build was looked at, in words.
const LOOKS: [&str; 3] = ["stream", "wake", "poll"];

/// Everything that is counted of runs.
pub struct Runs {
    steps: [Histogram; STEPS.len()],
    results: [AtomicU64; RESULTS.len()],
    looks: [AtomicU64; LOOKS.len()],
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            steps: [BOUNDS; 4].map(Histogram::new),
            results: Default::default(),
            looks: Default::default(),
        }
    }
}

impl Runs {
    /// A command was stored that was written then.
    pub fn accepted(&self, commented: Timestamp, now: Timestamp) {
        self.step(0, commented, now);
    }

    /// A task has come further than where it was.
    pub fn moved(&self, was: State, before: Times, row: &Row) {
        let (queued, picked) = (row.times.queued, row.times.picked);
        if before.queued.is_none()
            && let Some(queued) = queued
        {
            self.step(1, row.entry.received, queued);
        }
        if before.picked.is_none()
            && let (Some(queued), Some(picked)) = (queued, picked)
        {
            self.step(2, queued, picked);
        }
        if was != State::Done && row.state == State::Done {
            if let (Some(picked), Some(told)) = (picked, row.times.told) {
                self.step(3, picked, told);
            }
            let result = row.result.as_deref().unwrap_or_default();
            let word = result.split(':').next().unwrap_or_default();
            let place = RESULTS.iter().position(|one| *one == word).unwrap_or(RESULTS.len() - 1);
            count(&self.results, place);
        }
    }

    /// A build was looked at.
    pub fn looked(&self, look: Look) {
        count(
            &self.looks,
            match look {
                Look::Stream => 0,
                Look::Wake => 1,
                Look::Poll => 2,
            },
        );
    }

    fn step(&self, place: usize, from: Timestamp, to: Timestamp) {
        let took = to.duration_since(from).max(SignedDuration::ZERO);
        if let Some(step) = self.steps.get(place) {
            step.took(Duration::try_from(took).unwrap_or_default());
        }
    }

    /// Their part of the page. `standing`: how many tasks stand where.
    pub fn write(&self, page: &mut String, standing: &[(State, u64)]) {
        let name = "holdfast_bridge_run_seconds";
        let _ = write!(
            page,
            "# HELP {name} From the comment to its delivery, to a build, to a runner, to the end told: each from the one before.\n\
             # TYPE {name} histogram\n"
        );
        for (step, histogram) in STEPS.iter().zip(&self.steps) {
            histogram.write(page, name, &format!("step=\"{step}\","));
        }
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, u64)>| {
            let _ =
                write!(page, "# HELP holdfast_bridge_{name} {help}\n# TYPE holdfast_bridge_{name} {kind}\n");
            for (label, value) in samples {
                let _ = writeln!(page, "holdfast_bridge_{name}{label} {value}");
            }
        };
        let counts = |label: &str, words: &[&str], counts: &[AtomicU64]| {
            let pairs = words.iter().zip(counts);
            pairs.map(|(word, count)| (format!("{{{label}=\"{word}\"}}"), count.load(Relaxed))).collect()
        };
        family(
            "runs_total",
            "counter",
            "Runs that have ended, by how.",
            counts("result", &RESULTS, &self.results),
        );
        let help = "Why builds were looked at.";
        family("looks_total", "counter", help, counts("because", &LOOKS, &self.looks));
        let at = |state: State| standing.iter().find(|(one, _)| *one == state).map_or(0, |(_, count)| *count);
        let under_way = State::ALL.into_iter().filter(|state| *state != State::Done);
        let standing =
            under_way.map(|state| (format!("{{state=\"{}\"}}", state.word()), at(state))).collect();
        family("runs", "gauge", "Runs that have not ended, by where they stand.", standing);
        let queue = at(State::Accepted) + at(State::Checked) + at(State::Asking);
        family("queue_depth", "gauge", "Runs that have no build yet.", vec![(String::new(), queue)]);
    }
}

fn count(counts: &[AtomicU64], place: usize) {
    if let Some(count) = counts.get(place) {
        count.fetch_add(1, Relaxed);
    }
}
