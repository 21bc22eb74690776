//! What ends a run before its end.

use crate::plan::Refusal;
use crate::report::{Exit, chain};
use crate::secrets::FilesError;
use crate::source::Problem;
use crate::state::{LockError, StateError};
use crate::swarm::EngineError;

/// Why a run ended early. Each names its object, its cause and the next command.
#[derive(Debug)]
pub enum Stop {
    /// Manifest or compose files.
    Problems(Vec<Problem>),
    /// A compiled manifest that cannot be read.
    Compiled(String),
    /// The lock.
    Lock(LockError),
    /// The state folder.
    State(StateError),
    /// The engine.
    Engine(EngineError),
    /// Installed files.
    Files(FilesError),
    /// Asked for and not possible.
    Refused(Vec<Refusal>),
    /// A step failed; its outcome says why.
    Apply(Exit),
    /// Anything else, in words.
    Other(Exit, String),
}

impl Stop {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problems(_) | Self::Compiled(_) => Exit::BadConfig,
            Self::Lock(LockError::Held { .. }) => Exit::Locked,
            Self::Lock(LockError::State(error)) | Self::State(error) => error.exit(),
            Self::Engine(error) => error.exit(),
            Self::Files(_) => Exit::SecretFailed,
            Self::Refused(refusals) => refusals.iter().fold(Exit::Ok, |exit, refusal| exit.or(refusal.exit)),
            Self::Apply(exit) | Self::Other(exit, _) => *exit,
        }
    }

    /// One line for each thing that is wrong.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Problems(problems) => problems.iter().map(ToString::to_string).collect(),
            Self::Compiled(text) | Self::Other(_, text) => vec![text.clone()],
            Self::Lock(error) => vec![chain(error)],
            Self::State(error) => vec![chain(error)],
            Self::Engine(error) => vec![chain(error)],
            Self::Files(error) => vec![chain(error)],
            Self::Refused(refusals) => refusals
                .iter()
                .map(|refusal| format!("{}: {} (fix: {})", refusal.address, refusal.reason, refusal.fix))
                .collect(),
            Self::Apply(_) => Vec::new(),
        }
    }
}

impl From<LockError> for Stop {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<FilesError> for Stop {
    fn from(error: FilesError) -> Self {
        Self::Files(error)
    }
}
