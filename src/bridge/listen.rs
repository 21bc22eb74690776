//! Connections. When there are as many as there may be, the oldest one that has not shown itself to be the forge's makes
//! room: ten thousand slow clients cannot keep a delivery out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// Bytes of a request's line and headers, and what is read at once.
const BUFFER: usize = 32 << 10;
/// Headers of a request; a forge sends some twenty, proxies add some.
const HEADERS: usize = 64;
/// Pause after an accept that failed, so that running out of file descriptors does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How a listener's connections are treated.
#[derive(Clone)]
pub struct Listen {
    /// Connections at once.
    pub connections: usize,
    /// Time for a request's line and headers, and between two requests.
    pub read: Duration,
    /// Becomes true when no more are to be accepted.
    pub stop: watch::Receiver<bool>,
    /// Connections that made room for newer ones.
    pub evicted: Arc<AtomicU64>,
}

/// Connections that are there, by age, and whether each is to be kept.
type Open = Arc<Mutex<BTreeMap<u64, (AbortHandle, Arc<AtomicBool>)>>>;

impl Listen {
    /// Accepts until told to stop, and then until every request that had begun is answered. `answer` is given a flag that
    /// it sets for as long as the connection is to be kept.
    pub async fn serve<A, F>(mut self, listener: TcpListener, answer: A)
    where
        A: Fn(Request<Incoming>, Arc<AtomicBool>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let open = Open::default();
        // Whoever holds `busy` is a connection; when none does, all have ended.
        let (busy, mut idle) = mpsc::channel::<()>(1);
        for number in 0_u64.. {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = told(&mut self.stop) => break,
            };
            match accepted {
                Ok((stream, _)) if self.make_room(&open) => {
                    let keep = Arc::new(AtomicBool::new(false));
                    let answer = answer.clone();
                    let answer = {
                        let keep = Arc::clone(&keep);
                        move |request| answer(request, Arc::clone(&keep))
                    };
                    let connection = connection(stream, self.read, self.stop.clone(), answer);
                    start((number, keep), connection, &open, busy.clone());
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop((listener, busy));
        idle.recv().await;
    }

    /// Ends the oldest connection that need not be kept, when there are as many as there may be. False when all must be
    /// kept: then the new one has to go.
    fn make_room(&self, open: &Open) -> bool {
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() < self.connections {
            return true;
        }
        self.evicted.fetch_add(1, Ordering::Relaxed);
        let oldest =
            open.iter().find(|(_, (_, keep))| !keep.load(Ordering::Relaxed)).map(|(number, _)| *number);
        let Some((task, _)) = oldest.and_then(|number| open.remove(&number)) else { return false };
        task.abort();
        true
    }
}

/// Starts a connection and lists it until it ends.
fn start(
    (number, keep): (u64, Arc<AtomicBool>),
    connection: impl Future<Output = ()> + Send + 'static,
    open: &Open,
    busy: mpsc::Sender<()>,
) {
    let list = Arc::clone(open);
    // Locked until it is listed: it may have ended before.
    let mut listed = open.lock().unwrap_or_else(PoisonError::into_inner);
    let task = tokio::spawn(async move {
        connection.await;
        list.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        drop(busy);
    });
    listed.insert(number, (task.abort_handle(), keep));
}

/// One connection, to its end; or, when told to stop, to the end of the request that has begun.
async fn connection<A, F>(stream: TcpStream, read: Duration, mut stop: watch::Receiver<bool>, answer: A)
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    // Answers are small and waited for.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = told(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
