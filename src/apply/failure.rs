//! Why a step failed, and what that means for the run.

use crate::forge::error::ForgeError;
use crate::report::{Exit, ServiceOutcome, chain};
use crate::swarm::EngineError;

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
    /// True when the step may have taken effect all the same.
    pub(super) open: bool,
    /// True when something uses what was to go, so that it stays.
    pub(super) left: bool,
    /// True when it shows that what is recorded is not so.
    pub(super) refutes: bool,
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
            open: false,
            left: false,
            refutes: false,
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
            open: false,
            left: false,
            refutes: false,
            services: Vec::new(),
        }
    }

    pub(super) fn forge(error: &ForgeError) -> Self {
        let detail = error.hint().into_iter().map(ToOwned::to_owned).collect();
        let refutes = matches!(error, ForgeError::Unheard { .. });
        Self { again: error.is_passing(), detail, refutes, ..Self::new(error, error.exit()) }
    }

    pub(super) fn engine(error: &EngineError) -> Self {
        let again = error.is_stale() || error.is_passing() || matches!(error, EngineError::Answer { .. });
        Self { again, open: error.is_open(), ..Self::new(error, error.exit()) }
    }
}
