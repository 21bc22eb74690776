//! Somebody has said that something has happened. What, is found out by looking.

use std::sync::Arc;

use tokio::sync::watch;

/// Wakes who waits for news of builds.
#[derive(Clone)]
pub struct Wakes(Arc<watch::Sender<u64>>);

impl Default for Wakes {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Wakes {
    /// Something has happened.
    pub fn wake(&self) {
        self.0.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// What is to be asked for what has happened from now on.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
