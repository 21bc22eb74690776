//! One record, many prints; and the exit code, decided in one place.

mod exit;
mod record;

pub use exit::Exit;
pub use record::{Attempt, Failure, GateResult, Observation, Record, StepOutcome, Verdict};
