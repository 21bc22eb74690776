//! How a wait can end.

use std::fmt;
use std::time::Duration;

use crate::report::{Exit, Outcome, ServiceOutcome};

/// What a wait is about, told at every look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Since the wait began.
    pub elapsed: Duration,
    /// How long it may take in all.
    pub deadline: Duration,
    /// Services that have not converged, with what is missing: `0 of 1 running, task is starting`.
    pub services: Vec<(String, String)>,
    /// Services that failed meanwhile, in the order in which they did, with the reason.
    pub failed: Vec<(String, String)>,
    /// Why the engine itself cannot be asked at the moment, if so.
    pub engine: Option<String>,
}

/// Services that a text names; the report has them all.
const NAMED: usize = 5;

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} s", self.elapsed.as_secs(), self.deadline.as_secs())?;
        for (service, reason) in self.failed.iter().take(NAMED) {
            write!(f, "; {service} failed: {reason}")?;
        }
        for (service, missing) in self.services.iter().take(NAMED) {
            write!(f, "; {service}: {missing}")?;
        }
        if let Some(more) = self.services.len().checked_sub(NAMED).filter(|more| *more > 0) {
            write!(f, "; and {more} more")?;
        }
        self.engine.as_ref().map_or(Ok(()), |engine| write!(f, "; {engine}"))
    }
}

/// A service that did not converge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Full name.
    pub service: String,
    /// Why.
    pub reason: Reason,
    /// The last lines that the failing task wrote; empty when it wrote none.
    pub log: Vec<String>,
}

/// Services that did not converge; the fields name the one that failed first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("service `{service}` did not converge: {reason}{}", more(.others.len()))]
pub struct ConvergeError {
    /// Full name of the service.
    pub service: String,
    /// Why.
    pub reason: Reason,
    /// How long was waited.
    pub elapsed: Duration,
    /// The last lines that the failing task wrote; empty when it wrote none.
    pub log: Vec<String>,
    /// What failed after it, in the same wait.
    pub others: Vec<Failed>,
    /// Every service that was waited for, as it was when the wait ended.
    pub services: Vec<ServiceOutcome>,
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!("; nor did {others} more") }
}

impl ConvergeError {
    /// The exit code of a run that ends with this error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let gone = |reason: &Reason| matches!(reason, Reason::EngineGone { .. });
        if gone(&self.reason) || self.others.iter().any(|one| gone(&one.reason)) {
            Exit::Unreachable
        } else {
            Exit::ApplyFailed
        }
    }

    /// Lines that explain it: the failing task's log, and the same of what else failed.
    #[must_use]
    pub fn detail(&self) -> Vec<String> {
        let mut lines = self.log.clone();
        for one in self.others.iter().take(NAMED) {
            lines.push(format!("service `{}` did not converge: {}", one.service, one.reason));
            lines.extend(one.log.iter().map(|line| format!("  {line}")));
        }
        let more = self.others.len().saturating_sub(NAMED);
        lines.extend((more > 0).then(|| format!("and {more} more")));
        lines
    }
}

/// Why a service did not converge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Swarm went back to the spec before.
    RolledBack {
        /// Swarm's own words.
        message: String,
    },
    /// Swarm stopped the update half-way.
    Paused {
        /// Swarm's own words.
        message: String,
    },
    /// Tasks end soon after they start.
    CrashLoop {
        /// Id of the last one.
        task: String,
        /// Its error.
        error: String,
        /// Exit code of its container.
        exit_code: Option<i64>,
        /// How many tasks of this spec ended so.
        failures: usize,
    },
    /// The container's own health check says no.
    Unhealthy {
        /// Id of the last task.
        task: String,
        /// Its error.
        error: String,
        /// How many tasks of this spec ended so.
        failures: usize,
    },
    /// No node may run it.
    NoSuitableNode {
        /// Swarm's own words.
        message: String,
        /// What is in the way on each node; empty where nothing is found.
        nodes: String,
    },
    /// No node has the image or can get it.
    ImageMissing {
        /// The image as the task names it.
        image: String,
        /// The engine's own words.
        message: String,
    },
    /// Nodes refuse the tasks for another reason.
    Rejected {
        /// Id of the last task.
        task: String,
        /// The engine's own words.
        error: String,
    },
    /// Somebody removed the service.
    Removed,
    /// Time is up.
    Deadline {
        /// What was missing.
        missing: String,
        /// What the last task said, where it said anything.
        error: String,
    },
    /// Time is up, and the engine does not answer.
    EngineGone {
        /// The last error.
        message: String,
    },
}

impl Reason {
    /// The one word for it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::RolledBack { .. } => Outcome::RolledBack,
            Self::Paused { .. } => Outcome::Paused,
            Self::CrashLoop { .. } => Outcome::CrashLoop,
            Self::Unhealthy { .. } => Outcome::Unhealthy,
            Self::NoSuitableNode { .. } => Outcome::Unschedulable,
            Self::ImageMissing { .. } => Outcome::PullFailed,
            Self::Rejected { .. } => Outcome::Rejected,
            Self::Removed => Outcome::Removed,
            Self::Deadline { .. } => Outcome::Deadline,
            Self::EngineGone { .. } => Outcome::EngineGone,
        }
    }

    /// Id of the task that shows it.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::CrashLoop { task, .. } | Self::Unhealthy { task, .. } | Self::Rejected { task, .. } => {
                Some(task)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { message } => write!(f, "swarm rolled it back ({message})"),
            Self::Paused { message } => write!(f, "swarm paused the update ({message})"),
            Self::CrashLoop { error, exit_code, failures, .. } => {
                write!(f, "its task ended {failures} times")?;
                exit_code.map_or(Ok(()), |code| write!(f, ", last with exit code {code}"))?;
                write!(f, " ({error})")
            }
            Self::Unhealthy { error, failures, .. } => {
                write!(f, "its health check failed {failures} times ({error})")
            }
            Self::NoSuitableNode { message, nodes } if nodes.is_empty() => {
                write!(f, "no node can run it ({message})")
            }
            Self::NoSuitableNode { message, nodes } => {
                write!(f, "no node can run it: {nodes} (swarm says: {message})")
            }
            Self::ImageMissing { image, message } => write!(f, "image `{image}` is missing ({message})"),
            Self::Rejected { error, .. } => write!(f, "the node rejects its tasks ({error})"),
            Self::Removed => f.write_str("somebody removed it"),
            Self::Deadline { missing, error } if error.is_empty() => write!(f, "time is up: {missing}"),
            Self::Deadline { missing, error } => write!(f, "time is up: {missing} ({error})"),
            Self::EngineGone { message } => write!(f, "time is up, and {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_few_services_and_counts_the_rest() {
        let waiting = |count: usize| Waiting {
            elapsed: Duration::from_secs(1),
            deadline: Duration::from_secs(9),
            services: (0..count).map(|at| (format!("s{at}"), "0 of 1".to_owned())).collect(),
            ..Waiting::default()
        };
        assert_eq!(waiting(2).to_string(), "1 of 9 s; s0: 0 of 1; s1: 0 of 1");
        assert!(waiting(5).to_string().ends_with("; s4: 0 of 1"));
        assert!(waiting(50).to_string().ends_with("; s4: 0 of 1; and 45 more"));
    }
}
