//! How often somebody may ask: one token bucket for each user in each repository.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::manifest::BridgePolicy;

/// Buckets that are kept. Users who may write are few; this bounds what a forge with many could make us hold.
const MOST: usize = 4096;

/// The buckets.
pub struct Buckets {
    burst: f64,
    per_second: f64,
    levels: Mutex<Levels>,
}

/// How full each one was, and when that was.
type Levels = HashMap<(u64, u64), (f64, Instant)>;

impl Buckets {
    /// Buckets that are all full.
    #[must_use]
    pub fn new(policy: &BridgePolicy) -> Self {
        let per_second = f64::from(policy.per_minute) / 60.0;
        Self { burst: f64::from(policy.burst), per_second, levels: Mutex::default() }
    }

    /// Takes one from the bucket of a user in a repository; false when it is empty.
    pub fn take(&self, repository: u64, user: u64, now: Instant) -> bool {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if levels.len() >= MOST {
            self.forget(&mut levels, now);
        }
        let (level, since) = levels.entry((repository, user)).or_insert((self.burst, now));
        *level = self
            .per_second
            .mul_add(now.saturating_duration_since(*since).as_secs_f64(), *level)
            .min(self.burst);
        *since = now;
        let enough = *level >= 1.0;
        if enough {
            *level -= 1.0;
        }
        enough
    }

    /// Forgets who has not asked for so long that their bucket is full again; all, where that frees nothing.
    fn forget(&self, levels: &mut Levels, now: Instant) {
        levels.retain(|_, (level, since)| {
            self.per_second.mul_add(now.saturating_duration_since(*since).as_secs_f64(), *level) < self.burst
        });
        if levels.len() >= MOST {
            levels.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_let_through_then_so_many_a_minute_and_nobody_pays_for_another() {
        let policy = BridgePolicy { burst: 3, per_minute: 6, ..BridgePolicy::default() };
        let buckets = Buckets::new(&policy);
        let start = Instant::now();
        let at = |user, seconds| buckets.take(7, user, start + Duration::from_secs(seconds));
        assert_eq!([at(1, 0), at(1, 0), at(1, 0), at(1, 0)], [true, true, true, false]);
        assert!(at(2, 0), "somebody else");
        assert_eq!([at(1, 9), at(1, 11), at(1, 12)], [false, true, false]);
        assert_eq!([at(1, 3600), at(1, 3600), at(1, 3600), at(1, 3600)], [true, true, true, false]);
        // A clock that goes back gives nothing and takes nothing.
        assert!(!at(1, 0));
    }

    #[test]
    fn a_million_users_do_not_fill_the_memory() {
        let buckets = Buckets::new(&BridgePolicy::default());
        let now = Instant::now();
        assert!((0..1_000_000).all(|user| buckets.take(7, user, now)));
        assert!(buckets.levels.lock().unwrap().len() <= MOST);
    }
}
