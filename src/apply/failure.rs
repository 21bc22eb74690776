//! Why a step failed, and what that means for the run.

use crate::forge::error::ForgeError;
use crate::report::{Exit, ServiceOutcome, chain};
use crate::swarm::EngineError;

/// What a failure tells of the step's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// No more than the message.
    Nothing,
    /// The step may have taken effect all the same.
    Open,
    /// Something uses what was to go, so that it stays.
    InUse,
    /// What is recorded of it is not so.
    Refuted,
}

/// Why a step failed.
pub(super) struct Failure {
    /// One line, causes joined by `: `.
    pub(super) message: String,
    /// Lines that explain it.
    pub(super) detail: Vec<String>,
    /// The exit code of a run that ends here.
    pub(super) exit: Exit,
    /// True when looking and planning again is the cure.
    pub(super) again: bool,
    /// What it tells of the step's object.
    pub(super) tells: Tells,
    /// Of a wait: the services that were waited for.
    pub(super) services: Vec<ServiceOutcome>,
}

impl Failure {
    pub(super) fn new(error: &dyn std::error::Error, exit: Exit) -> Self {
        Self {
            message: chain(error),
            detail: Vec::new(),
            exit,
            again: false,
            tells: Tells::Nothing,
            services: Vec::new(),
        }
    }

    /// A step that needs an engine, where there is none.
    pub(super) fn no_engine() -> Self {
        Self {
            message: "this needs the engine, which this command does not ask".to_owned(),
            detail: Vec::new(),
            exit: Exit::Internal,
            again: false,
            tells: Tells::Nothing,
            services: Vec::new(),
        }
    }

    pub(super) fn forge(error: &ForgeError) -> Self {
        let detail = error.hint().into_iter().map(ToOwned::to_owned).collect();
        let is_refuted = matches!(error, ForgeError::Unheard { .. });
        let tells = if is_refuted { Tells::Refuted } else { Tells::Nothing };
        Self { again: error.is_passing(), detail, tells, ..Self::new(error, error.exit()) }
    }

    pub(super) fn engine(error: &EngineError) -> Self {
        let again = error.is_stale() || error.is_passing() || matches!(error, EngineError::Answer { .. });
        let tells = if error.is_open() { Tells::Open } else { Tells::Nothing };
        Self { again, tells, ..Self::new(error, error.exit()) }
    }
}
