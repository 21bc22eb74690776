//! What one attempt found.

use serde_json::Value;

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
