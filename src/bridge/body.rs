//! Bodies, whole and of bounded length. Who sends one is not known before its end, so that many long ones are never held
//! at once, and none of them keeps its place by being slow.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::receive::Reply;
use crate::manifest::BridgeLimits;

/// A body up to this many bytes is read for whoever asks.
const SMALL: usize = 64 << 10;
/// Longer bodies at once; the others wait for a place, within their time.
const LARGE: usize = 4;
/// While all places are taken, this much has to come for each of them in each [`TURN`].
const PACE: usize = 64 << 10;
/// How long somebody may hold a place and send nothing.
const TURN: Duration = Duration::from_millis(250);

/// How bodies are read.
pub struct Bodies {
    most: usize,
    within: Duration,
    large: Semaphore,
    /// Memory of places that are free. An allocator that is given so much in pieces of all sizes keeps more than it lends.
    rooms: Mutex<Vec<Vec<u8>>>,
}

/// A body, or what has come of it. A long one gives its place back when it is dropped.
pub struct Body<'b> {
    bytes: Vec<u8>,
    place: Option<(&'b Bodies, SemaphorePermit<'b>)>,
    /// When its turn ends, and how much had come at its beginning.
    turn: (Instant, usize),
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        if let Some((bodies, permit)) = self.place.take() {
            let mut room = std::mem::take(&mut self.bytes);
            room.clear();
            bodies.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
            drop(permit);
        }
    }
}

impl Bodies {
    /// Within these limits.
    #[must_use]
    pub fn new(limits: &BridgeLimits) -> Self {
        let (large, rooms) = (Semaphore::new(LARGE), Mutex::default());
        Self { most: limits.body, within: limits.read.0, large, rooms }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Too long, too slow, or broken off.
    pub async fn read(&self, body: Incoming) -> Result<Body<'_>, Reply> {
        timeout(self.within, self.whole(body)).await.map_err(|_| Reply::Slow)?
    }

    async fn whole(&self, mut body: Incoming) -> Result<Body<'_>, Reply> {
        let declared = body.size_hint();
        if declared.lower() > u64::try_from(self.most).unwrap_or(u64::MAX) {
            return Err(Reply::Large);
        }
        let expected = declared.exact().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let bytes = Vec::with_capacity(expected.min(SMALL));
        let mut begun = Body { bytes, place: None, turn: (Instant::now(), 0) };
        while let Some(frame) = self.piece(&mut body, &mut begun).await? {
            let Ok(data) = frame.into_data() else { continue };
            let length = begun.bytes.len().saturating_add(data.len());
            if length > self.most {
                return Err(Reply::Large);
            }
            if length > SMALL && begun.place.is_none() {
                let permit = self.large.acquire().await.map_err(|_| Reply::Unavailable)?;
                let mut room =
                    self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
                room.reserve_exact(expected.max(length));
                room.extend_from_slice(&begun.bytes);
                begun.bytes = room;
                begun.place = Some((self, permit));
                begun.turn = (Instant::now() + TURN, length);
            }
            begun.bytes.extend_from_slice(&data);
        }
        Ok(begun)
    }

    /// The next piece. Whoever has a place, and sends too little while others may wait for one, is given up.
    async fn piece(&self, body: &mut Incoming, begun: &mut Body<'_>) -> Result<Option<Frame<Bytes>>, Reply> {
        loop {
            let (until, had) = begun.turn;
            tokio::select! {
                // What is there is taken first: that we are slow ourselves is not held against anybody.
                biased;
                frame = body.frame() => return frame.transpose().map_err(|_| Reply::Malformed),
                () = sleep_until(until), if begun.place.is_some() => {
                    let came = begun.bytes.len().saturating_sub(had);
                    if came < PACE && self.large.available_permits() == 0 {
                        return Err(Reply::Slow);
                    }
                    begun.turn = (Instant::now() + TURN, begun.bytes.len());
                }
            }
        }
    }
}
