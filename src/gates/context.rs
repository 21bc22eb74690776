//! What attempts share: looks at the engine, roots, and how long they may take.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use super::net::Budget;
use super::read::aside;
use super::seen::Seen;
use super::tls::Roots;
use super::{Limits, Sources};
use crate::observed::Observed;

type Looked = Result<Arc<Observed>, String>;

/// What all gates of a run share.
pub(super) struct Shared<'s, 'a> {
    pub(super) sources: &'s Sources<'a>,
    /// A look that began at most this long ago is fresh enough for everybody.
    fresh_for: Duration,
    last: Mutex<Option<(Instant, Looked)>>,
    system_roots: OnceCell<Result<Arc<Roots>, String>>,
}

/// A look at the engine.
pub(super) enum Look<'a> {
    Given(&'a Observed),
    Fresh(Arc<Observed>),
}

impl Deref for Look<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        match self {
            Self::Given(observed) => observed,
            Self::Fresh(observed) => observed,
        }
    }
}

impl<'s, 'a> Shared<'s, 'a> {
    pub(super) fn new(sources: &'s Sources<'a>, limits: &Limits) -> Self {
        Self {
            sources,
            fresh_for: limits.poll_min / 2,
            last: Mutex::new(None),
            system_roots: OnceCell::new(),
        }
    }

    /// The run's last look for a first attempt, else a fresh one. Whoever asks while a look is under way waits for
    /// it and takes it.
    async fn look(&self, first: bool) -> Result<Look<'a>, String> {
        if let Some(observed) = self.sources.observed.filter(|_| first) {
            return Ok(Look::Given(observed));
        }
        let mut last = self.last.lock().await;
        if let Some((began, result)) = last.as_ref()
            && began.elapsed() <= self.fresh_for
        {
            return result.clone().map(Look::Fresh);
        }
        let began = Instant::now();
        let result = (self.sources.observe)().await.map(Arc::new);
        *last = Some((began, result.clone()));
        result.map(Look::Fresh)
    }

    /// The roots of a file, read anew, or the system's, read once.
    pub(super) async fn roots(&self, ca: Option<&Path>) -> Result<Arc<Roots>, String> {
        match ca.map(Path::to_owned) {
            Some(path) => aside(move || Roots::load(Some(&path)).map(Arc::new)).await,
            None => self.system_roots.get_or_init(|| aside(|| Roots::load(None).map(Arc::new))).await.clone(),
        }
    }
}

/// One attempt's surroundings.
pub(super) struct Context<'s, 'a> {
    pub(super) shared: &'s Shared<'s, 'a>,
    /// When the attempt ends, and how long it is in all.
    pub(super) until: Instant,
    pub(super) attempt: Duration,
    pub(super) soak: Duration,
    /// True when the run changed what the gate looks at.
    pub(super) changed: bool,
    /// True for the first attempt.
    pub(super) first: bool,
}

impl<'a> Context<'_, 'a> {
    pub(super) const fn budget(&self) -> Budget {
        Budget { until: self.until, whole: self.attempt }
    }

    /// A look at the engine; without one the gate cannot know.
    pub(super) async fn look(&self) -> Result<Look<'a>, Seen> {
        self.shared
            .look(self.first)
            .await
            .map_err(|why| Seen::unknown(format!("the engine could not be asked: {why}")))
    }
}
