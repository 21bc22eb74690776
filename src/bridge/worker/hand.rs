//! Which tasks are worked on, and which have failed and wait for their next try: those hold no place meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{GRACE, Halt};

/// Tasks worked on at once. Most of them wait for their build, and must not keep a `cancel` waiting.
pub(super) const PLACES: usize = 128;
/// The longest pause before something that failed is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a step went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    /// While it may have been done by an earlier run: until when that is left alone.
    pub(super) resumed: Option<Instant>,
    /// How often it failed.
    pub(super) failures: u32,
    /// How often in a row, to the last one, because somebody answered with a no.
    pub(super) refusals: u32,
}

impl Tries {
    /// Whether it may have been done already.
    pub(super) const fn uncertain(self) -> bool {
        self.resumed.is_some() || self.failures > 0
    }

    /// After one more failure. A request that failed may still be at work when that is told.
    pub(super) fn failed(self, halt: &Halt) -> Again {
        let refused = matches!(halt, Halt::Forge(error) if error.status().is_some());
        let refusals = if refused { self.refusals + 1 } else { 0 };
        let pause = LONGEST_PAUSE.min(Duration::from_secs(1 << self.failures.min(6)));
        let pause = if matches!(halt, Halt::Wait(_)) { pause } else { pause.max(GRACE) };
        let tries = Self { failures: self.failures + 1, refusals, ..self };
        Again { at: Instant::now() + pause, tries }
    }
}

/// What is to be tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    at: Instant,
    tries: Tries,
}

/// The tasks that were taken from the journal and are not done, by their numbers. They are taken in the journal's order: what
/// is not known here is newer than all that is.
#[derive(Default)]
pub(super) struct Hand {
    /// How each went before it was taken.
    known: BTreeMap<i64, Tries>,
    /// Those of them that wait, by when they are tried again; all others have a place.
    waiting: BTreeSet<(Instant, i64)>,
    /// Whose the last place was. Who has waited and who is new take them by turns, so that neither keeps the other out, however
    /// many they are.
    waited: bool,
}

impl Hand {
    /// Free places.
    pub(super) fn room(&self) -> usize {
        (PLACES + self.waiting.len()).saturating_sub(self.known.len())
    }

    /// The newest task that was taken; 0 where there is none.
    pub(super) fn newest(&self) -> i64 {
        self.known.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Gives the free places to those whose time has come and to new ones, which begin with `first`.
    pub(super) fn take(&mut self, now: Instant, new: Vec<i64>, first: Tries) -> Vec<(i64, Tries)> {
        let (mut new, mut taken) = (new.into_iter(), Vec::new());
        while self.room() > 0 {
            self.waited = !self.waited;
            let next = if self.waited {
                self.due(now).or_else(|| new.next())
            } else {
                new.next().or_else(|| self.due(now))
            };
            let Some(id) = next else { break };
            taken.push((id, *self.known.entry(id).or_insert(first)));
        }
        taken
    }

    fn due(&mut self, now: Instant) -> Option<i64> {
        let (at, _) = self.waiting.first()?;
        if *at > now { None } else { self.waiting.pop_first().map(|(_, id)| id) }
    }

    /// A task gives its place back: it is done, or is tried again.
    pub(super) fn left(&mut self, id: i64, again: Option<Again>) {
        self.known.remove(&id);
        if let Some(Again { at, tries }) = again {
            self.known.insert(id, tries);
            self.waiting.insert((at, id));
        }
    }

    /// How long nobody can be given a place for having waited, at most `most`.
    pub(super) fn pause(&self, now: Instant, most: Duration) -> Duration {
        let next = self.waiting.first().filter(|_| self.room() > 0);
        next.map_or(most, |(at, _)| most.min(at.saturating_duration_since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    fn numbers(taken: &[(i64, Tries)]) -> Vec<i64> {
        taken.iter().map(|(id, _)| *id).collect()
    }

    /// A hand whose tasks have all failed, and are tried again as many seconds later as their numbers say.
    fn failed(now: Instant, tasks: std::ops::RangeInclusive<i64>) -> Hand {
        let mut hand = Hand::default();
        for id in tasks {
            assert_eq!(numbers(&hand.take(now, vec![id], Tries::default())), [id]);
            let tries = Tries { failures: 1, ..Tries::default() };
            hand.left(id, Some(Again { at: after(now, id.unsigned_abs()), tries }));
        }
        hand
    }

    #[test]
    fn what_waits_holds_no_place_and_comes_again_when_its_time_has_come() {
        let now = Instant::now();
        let mut hand = failed(now, 1..=1000);
        assert_eq!((hand.room(), hand.newest()), (PLACES, 1000));
        assert_eq!(hand.pause(now, Duration::from_secs(30)), Duration::from_secs(1));
        assert_eq!(hand.pause(now, Duration::from_millis(20)), Duration::from_millis(20));
        assert!(hand.take(now, vec![], Tries::default()).is_empty());
        let again = hand.take(after(now, 2), vec![], Tries::default());
        assert_eq!(numbers(&again), [1, 2]);
        assert!(again.iter().all(|(_, tries)| tries.failures == 1), "how they went is known");
        assert_eq!(hand.room(), PLACES - 2);
        hand.left(1, None);
        hand.left(2, None);
        assert_eq!(hand.room(), PLACES);
    }

    #[test]
    fn neither_those_that_have_failed_nor_those_that_are_new_keep_the_others_out() {
        let now = Instant::now();
        let mut hand = failed(now, 1..=1000);
        let all = after(now, 1000);
        let taken = hand.take(all, (1001..=2000).collect(), Tries::default());
        let new = taken.iter().filter(|(id, _)| *id > 1000).count();
        assert_eq!((taken.len(), new, hand.room()), (PLACES, PLACES / 2, 0));
        assert_eq!(hand.pause(all, Duration::from_secs(30)), Duration::from_secs(30), "there is no place");
        // Where places come free one by one, too.
        let mut next = |left: i64| {
            hand.left(left, None);
            let newest = hand.newest();
            numbers(&hand.take(all, (newest + 1..=newest + 9).collect(), Tries::default()))
        };
        assert_eq!([next(1), next(1001), next(2), next(1002)].concat(), [65, 1065, 66, 1066]);
        // A number that is free again is taken again.
        let mut hand = Hand::default();
        assert_eq!(numbers(&hand.take(now, vec![7], Tries::default())), [7]);
        hand.left(7, None);
        assert_eq!(hand.newest(), 0);
    }
}
