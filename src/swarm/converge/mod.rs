//! Waiting until services run as they were told to, or telling why they will not.

mod outcome;

pub use outcome::{ConvergeError, Reason, Waiting};

use std::time::Duration;

use super::Engine;

impl Engine {
    /// Waits until the named services (full names) have converged.
    ///
    /// # Errors
    /// [`ConvergeError`]: which service, and why.
    #[expect(clippy::unused_async, reason = "the wait itself is written next")]
    pub async fn converge(
        &self,
        services: &[String],
        deadline: Duration,
        progress: &mut dyn FnMut(&Waiting),
    ) -> Result<(), ConvergeError> {
        let _ = (services, deadline, progress);
        Ok(())
    }
}
