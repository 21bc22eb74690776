//! What one attempt found.

use serde_json::Value;

use super::NoLook;
use crate::report::Verdict;

/// Whether a later attempt may find something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hope {
    /// It may.
    Retry,
    /// Only if the run has just changed something: time alone does not cure it.
    OnlyAfterChange,
    /// It cannot.
    Never,
}

/// What one attempt found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) verdict: Verdict,
    /// One line.
    pub(super) reason: String,
    /// What was observed, redacted.
    pub(super) facts: Value,
    pub(super) hope: Hope,
}

impl Seen {
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>, facts: Value) -> Self {
        Self { verdict, reason: reason.into(), facts, hope: Hope::Retry }
    }

    pub(super) fn pass(reason: impl Into<String>, facts: Value) -> Self {
        Self::new(Verdict::Pass, reason, facts)
    }

    pub(super) fn fail(reason: impl Into<String>, facts: Value) -> Self {
        Self::new(Verdict::Fail, reason, facts)
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, reason, Value::Null)
    }

    /// A pass when there is no problem, else a failure that names them all.
    pub(super) fn judged(problems: &[String], holds: impl Into<String>, facts: Value) -> Self {
        if problems.is_empty() { Self::pass(holds, facts) } else { Self::fail(problems.join("; "), facts) }
    }

    /// Without hope where it only had some while a server may still be reading its new files.
    pub(super) fn hopeless_if(mut self, settled: bool) -> Self {
        if settled && self.hope == Hope::OnlyAfterChange {
            self.hope = Hope::Never;
        }
        self
    }

    pub(super) fn with_hope(mut self, hope: Hope) -> Self {
        self.hope = hope;
        self
    }
}

impl From<NoLook> for Seen {
    fn from(why: NoLook) -> Self {
        match why {
            NoLook::Refused(reason) => Self::fail(reason, Value::Null),
            NoLook::Unasked(reason) => Self::unknown(reason),
        }
    }
}

/// What kept an attempt from an answer: a verdict and its one-line reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) verdict: Verdict,
    pub(super) reason: String,
}

impl Trouble {
    pub(super) fn fail(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, reason: reason.into() }
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, reason: reason.into() }
    }
}

impl From<Trouble> for Seen {
    fn from(trouble: Trouble) -> Self {
        Self::new(trouble.verdict, trouble.reason, Value::Null)
    }
}

/// All addresses together: every one must hold. A single one without a name keeps its own words.
pub(super) fn together(mut each: Vec<(String, Seen)>) -> Seen {
    if each.len() == 1 {
        let (at, seen) = each.remove(0);
        let at = if at.is_empty() { "resolved".to_owned() } else { at };
        let facts = Value::from_iter([(at, seen.facts.clone())]);
        return Seen { facts, ..seen };
    }
    let failing: Vec<_> = each.iter().filter(|(_, seen)| seen.verdict != Verdict::Pass).collect();
    let verdict = if failing.iter().any(|(_, seen)| seen.verdict == Verdict::Fail) {
        Verdict::Fail
    } else if failing.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Unknown
    };
    let reason = if failing.is_empty() {
        let words = each.first().map(|(_, seen)| seen.reason.clone()).unwrap_or_default();
        format!("{words} at all {} addresses", each.len())
    } else {
        failing.iter().map(|(at, seen)| format!("at {at}: {}", seen.reason)).collect::<Vec<_>>().join("; ")
    };
    // One that cannot hold any more is enough, since all must.
    let never = failing.iter().any(|(_, seen)| seen.hope == Hope::Never);
    let lasting = !failing.is_empty() && failing.iter().all(|(_, seen)| seen.hope == Hope::OnlyAfterChange);
    let facts = each.iter().map(|(at, seen)| (at.clone(), seen.facts.clone())).collect();
    let seen = Seen::new(verdict, reason, facts);
    match (never, lasting) {
        (true, _) => seen.with_hope(Hope::Never),
        (false, true) => seen.with_hope(Hope::OnlyAfterChange),
        (false, false) => seen,
    }
}
