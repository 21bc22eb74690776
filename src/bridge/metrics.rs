//! What is counted, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use super::histogram::Histogram;
use super::journal::State;
use super::judge::Ignored;
use super::receive::Reply;
use super::runs::Runs;

/// Upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 12] =
    [250, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];

/// Everything that is counted.
pub struct Metrics {
    /// Of runs.
    pub runs: Runs,
    replies: [AtomicU64; Reply::ALL.len()],
    ignored: [AtomicU64; Ignored::ALL.len()],
    accepted: AtomicU64,
    refused: AtomicU64,
    known: AtomicU64,
    other: AtomicU64,
    drone: AtomicU64,
    signed_at: AtomicU64,
    took: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            runs: Runs::default(),
            replies: Default::default(),
            ignored: Default::default(),
            accepted: AtomicU64::default(),
            refused: AtomicU64::default(),
            known: AtomicU64::default(),
            other: AtomicU64::default(),
            drone: AtomicU64::default(),
            signed_at: AtomicU64::default(),
            took: Histogram::new(BOUNDS),
        }
    }
}

/// What a signed delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Work.
    Accepted,
    /// A no, which is told.
    Refused,
    /// Nothing.
    Ignored(Ignored),
    /// Stored before.
    Known,
    /// Another event than a comment.
    Other,
    /// A call of Drone's.
    Drone,
}

impl Metrics {
    /// Counts an answer and how long it took.
    pub fn replied(&self, reply: Reply, took: Duration) {
        if let Some(count) = self.replies.get(reply.place()) {
            count.fetch_add(1, Relaxed);
        }
        self.took.took(took);
    }

    /// Counts what a signed delivery came to.
    pub fn came(&self, came: Came) {
        let count = match came {
            Came::Accepted => Some(&self.accepted),
            Came::Refused => Some(&self.refused),
            Came::Known => Some(&self.known),
            Came::Other => Some(&self.other),
            Came::Drone => Some(&self.drone),
            Came::Ignored(why) => {
                Ignored::ALL.iter().position(|one| *one == why).and_then(|place| self.ignored.get(place))
            }
        };
        if let Some(count) = count {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Notes that a delivery was signed with a live secret: the only proof that the forge has it.
    pub fn signed(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.signed_at.store(now.as_secs(), Relaxed);
    }

    /// The page. `waiting` deliveries wait for the disk, `evicted` connections made room for newer ones, `standing` is how
    /// many tasks stand where.
    #[must_use]
    pub fn page(&self, waiting: usize, evicted: u64, standing: &[(State, u64)]) -> String {
        let mut page = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            let _ =
                write!(page, "# HELP holdfast_bridge_{name} {help}\n# TYPE holdfast_bridge_{name} {kind}\n");
            for (labels, value) in samples {
                let _ = writeln!(page, "holdfast_bridge_{name}{labels} {value}");
            }
        };
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let one = |counter: &AtomicU64| vec![(String::new(), count(counter))];
        let replies: Vec<_> = Reply::ALL
            .iter()
            .zip(&self.replies)
            .map(|(reply, counter)| (format!("{{status=\"{}\"}}", reply.status().as_u16()), count(counter)))
            .collect();
        family("replies_total", "counter", "Answers to requests, by status.", &replies);
        let mut verdicts = vec![
            ("{verdict=\"accepted\",reason=\"\"}".to_owned(), count(&self.accepted)),
            ("{verdict=\"refused\",reason=\"\"}".to_owned(), count(&self.refused)),
            ("{verdict=\"known\",reason=\"\"}".to_owned(), count(&self.known)),
            ("{verdict=\"other\",reason=\"\"}".to_owned(), count(&self.other)),
            ("{verdict=\"drone\",reason=\"\"}".to_owned(), count(&self.drone)),
        ];
        verdicts.extend(Ignored::ALL.iter().zip(&self.ignored).map(|(why, counter)| {
            (format!("{{verdict=\"ignored\",reason=\"{}\"}}", why.word()), count(counter))
        }));
        family("verdicts_total", "counter", "Signed deliveries, by what came of them.", &verdicts);
        family(
            "evicted_total",
            "counter",
            "Connections that made room for newer ones.",
            &[(String::new(), evicted)],
        );
        let help = "When a delivery was last signed with a live secret.";
        family("signed_timestamp_seconds", "gauge", help, &one(&self.signed_at));
        let waiting = [(String::new(), u64::try_from(waiting).unwrap_or(u64::MAX))];
        family("waiting", "gauge", "Deliveries that wait for the disk.", &waiting);
        let name = "holdfast_bridge_reply_seconds";
        let _ = write!(page, "# HELP {name} From a request's head to its answer.\n# TYPE {name} histogram\n");
        self.took.write(&mut page, name, "");
        self.runs.write(&mut page, standing);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_counts_what_was_said_and_is_well_formed() {
        let metrics = Metrics::default();
        metrics.replied(Reply::Accepted, Duration::from_micros(700));
        metrics.replied(Reply::Accepted, Duration::from_secs(60));
        metrics.replied(Reply::Unsigned, Duration::from_micros(10));
        metrics.came(Came::Ignored(Ignored::Bot));
        let at = |text: &str| text.parse().unwrap();
        metrics.runs.accepted(at("2026-03-01T10:00:00Z"), at("2026-03-01T10:00:00.3Z"));
        let page = metrics.page(3, 0, &[(State::Asking, 2), (State::Building, 5)]);
        for line in [
            "holdfast_bridge_replies_total{status=\"202\"} 2",
            "holdfast_bridge_replies_total{status=\"401\"} 1",
            "holdfast_bridge_verdicts_total{verdict=\"ignored\",reason=\"bot\"} 1",
            "holdfast_bridge_verdicts_total{verdict=\"accepted\",reason=\"\"} 0",
            "holdfast_bridge_waiting 3",
            "holdfast_bridge_reply_seconds_bucket{le=\"0.000250\"} 1",
            "holdfast_bridge_reply_seconds_bucket{le=\"0.001000\"} 2",
            "holdfast_bridge_reply_seconds_bucket{le=\"5.000000\"} 2",
            "holdfast_bridge_reply_seconds_bucket{le=\"+Inf\"} 3",
            "holdfast_bridge_reply_seconds_sum 60.000710",
            "holdfast_bridge_run_seconds_count{step=\"queued\"} 0",
            "holdfast_bridge_run_seconds_bucket{step=\"accepted\",le=\"0.500000\"} 1",
            "holdfast_bridge_run_seconds_bucket{step=\"accepted\",le=\"0.250000\"} 0",
            "holdfast_bridge_runs{state=\"building\"} 5",
            "holdfast_bridge_queue_depth 2",
        ] {
            assert!(page.lines().any(|one| one == line), "{line} is not in\n{page}");
        }
    }
}
