//! The server: a TCP listener, and one connection to the engine for each request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::rules::{Route, judge};
use crate::report::Exit;

/// Connections at once; Traefik keeps one or two.
const CONNECTIONS: usize = 64;
/// Bytes of a request's line and headers.
const HEAD: usize = 16 << 10;
/// Headers of a request.
const HEADERS: usize = 32;
/// Time for a request's line and headers, and the longest idle time between two requests.
const READ: Duration = Duration::from_secs(60);
/// Time for the engine to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of an answer of the engine. A thousand services are some 5 MB.
const ANSWER_BYTES: usize = 64 << 20;
/// Pause after an accept that failed, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Headers of an answer that are passed on: the client negotiates its version by them.
const PASSED: [HeaderName; 2] = [HeaderName::from_static("api-version"), HeaderName::from_static("ostype")];

/// A proxy that cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The listening socket is of no use.
    #[error("failed to listen on `{listen}`")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl ProxyError {
    /// How the command ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Listen { .. } => Exit::Internal,
        }
    }
}

/// Serves until `shutdown` is done. `engine` is the engine's unix socket.
///
/// # Errors
/// When `listen` cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    engine: PathBuf,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ProxyError> {
    let fail = |source| ProxyError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    tracing::info!(listen = %bound, engine = %engine.display(), "passing on the GET paths of Traefik's provider");
    tokio::select! {
        () = accept(listener, Arc::from(engine)) => {}
        () = shutdown => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, engine: Arc<Path>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The permit goes with the connection: when none is left, the next client waits in the kernel's queue.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let engine = Arc::clone(&engine);
                tokio::spawn(async move {
                    connection(stream, peer, &engine).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, engine: &Path) {
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(answer(request, peer, engine).await) });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

async fn answer(request: Request<Incoming>, peer: SocketAddr, engine: &Path) -> Response<Full<Bytes>> {
    let (method, uri) = (request.method(), request.uri());
    let route = match judge(method, uri, request.headers()) {
        Ok(route) => route,
        Err(reason) => {
            tracing::warn!(%peer, %method, path = ?uri.path(), reason, "refused");
            return refusal(StatusCode::FORBIDDEN, reason);
        }
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match timeout(ANSWER, ask(engine, method.clone(), path, route)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::warn!(%error, path = ?uri.path(), "the engine did not answer");
            refusal(StatusCode::BAD_GATEWAY, "the engine did not answer")
        }
        Err(_) => refusal(StatusCode::GATEWAY_TIMEOUT, "the engine did not answer in time"),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks the engine anew and keeps what may be seen of its answer.
async fn ask(
    engine: &Path,
    method: Method,
    path: &str,
    route: Route,
) -> Result<Response<Full<Bytes>>, Failure> {
    let stream = UnixStream::connect(engine).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let head = method == Method::HEAD;
    let request = Request::builder().method(method).uri(path).header(HOST, "docker").body(Empty::new())?;
    let answer = sender.send_request(request).await?;
    let (parts, body) = answer.into_parts();
    let bytes = Limited::new(body, ANSWER_BYTES).collect().await?.to_bytes();
    driver.abort();
    let mut response = Response::new(Full::default());
    *response.status_mut() = parts.status;
    for name in PASSED {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if head {
        return Ok(response);
    }
    let kept = match route.keep {
        _ if !parts.status.is_success() => json!({ "message": message(&bytes) }),
        Some(keep) => keep.of(serde_json::from_slice(&bytes)?),
        None => return Ok(with_body(response, "text/plain; charset=utf-8", Bytes::from_static(b"OK"))),
    };
    Ok(with_body(response, "application/json", kept.to_string().into()))
}

/// The engine's own words for an error.
fn message(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn refusal(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    // JSON on one line: what the client library prints as the daemon's error.
    with_body(response, "application/json", format!("{}\n", json!({ "message": reason })).into())
}

fn with_body(mut response: Response<Full<Bytes>>, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *response.body_mut() = Full::new(body);
    response
}
