//! How long things took, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of a histogram.
const BOUNDS: usize = 12;

/// Counts of times up to each of its bounds.
pub struct Histogram {
    /// In microseconds.
    bounds: [u64; BOUNDS],
    counts: [AtomicU64; BOUNDS],
    all: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// With these upper bounds, in microseconds and rising.
    #[must_use]
    pub fn new(bounds: [u64; BOUNDS]) -> Self {
        Self { bounds, counts: Default::default(), all: AtomicU64::new(0), micros: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds.iter().position(|bound| micros <= *bound);
        if let Some(count) = place.and_then(|place| self.counts.get(place)) {
            count.fetch_add(1, Relaxed);
        }
        self.all.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Writes its samples; `label` is one of its own, `name="value",`, or empty.
    pub fn write(&self, page: &mut String, name: &str, label: &str) {
        let mut sum = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            sum += count.load(Relaxed);
            let _ = writeln!(page, "{name}_bucket{{{label}le=\"{}\"}} {sum}", seconds(*bound));
        }
        // A count that came between is in the last bucket at least.
        let all = self.all.load(Relaxed).max(sum);
        let own = label.trim_end_matches(',');
        let own = if own.is_empty() { String::new() } else { format!("{{{own}}}") };
        let _ = writeln!(page, "{name}_bucket{{{label}le=\"+Inf\"}} {all}");
        let _ = writeln!(page, "{name}_sum{own} {}", seconds(self.micros.load(Relaxed)));
        let _ = writeln!(page, "{name}_count{own} {all}");
    }
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
