//! HTTP/1.1 over the engine's unix socket, with idle connections kept, and every write counted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::error::{EngineError, refusal};

/// How long the answer to a read may take.
pub(super) const READ: Duration = Duration::from_secs(30);
/// How long any other answer may take. Creating a service can make the engine ask a slow registry.
const WRITE: Duration = Duration::from_secs(90);

/// More of an answer to a read is not kept: a swarm of tens of thousands of services stays well below.
pub(super) const MOST_READ: usize = 512 << 20;
/// More of any other answer is not kept; those are an id and words.
const MOST: usize = 1 << 20;

/// The header that carries a login for a registry.
pub(crate) const REGISTRY_AUTH: &str = "x-registry-auth";

/// Connections to one socket.
pub(crate) struct Transport {
    path: PathBuf,
    /// `/v1.41`, set once the version is agreed.
    prefix: String,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    writes: AtomicU64,
}

/// An answer: status, headers as needed, whole body.
pub(crate) struct Answer {
    pub(crate) head: hyper::http::response::Parts,
    pub(crate) body: Bytes,
}

impl Transport {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, prefix: String::new(), idle: Mutex::new(Vec::new()), writes: AtomicU64::new(0) }
    }

    /// From here on every path is one of this API version, `1.41`.
    pub(crate) fn agree(&mut self, api: &str) {
        self.prefix = format!("/v{api}");
    }

    /// What paths of the API begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The socket.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Requests so far that were not GET or HEAD.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn count(&self, method: &Method) {
        if method != Method::GET && method != Method::HEAD {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn connect<B>(
        &self,
    ) -> Result<(SendRequest<B>, impl Future<Output = ()> + Send + use<B>), EngineError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unreachable = |source| EngineError::Unreachable { address: self.address(), source };
        let stream = UnixStream::connect(&self.path).await.map_err(unreachable)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(io::Error::other(e)))?;
        // The error of a connection reaches whoever waits for an answer on it.
        Ok((sender, async move { drop(connection.await) }))
    }

    /// Sends one request over a connection of its own and hands the answer back as it comes: for long bodies, in
    /// either direction. The engine closes the connection after the answer.
    pub(crate) async fn stream<B>(&self, mut request: Request<B>) -> Result<Response<Incoming>, EngineError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.count(request.method());
        let call = call_name(&request);
        // bollard names a host, as a proxy is asked; a server is asked for the path alone.
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = path.into();
        }
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(HOST, HeaderValue::from_static("docker"));
        let (mut sender, connection) = self.connect().await?;
        let sent = sender.send_request(request);
        // Dropping the sender would end the connection while a body is still on its way.
        tokio::spawn(async move {
            connection.await;
            drop(sender);
        });
        sent.await.map_err(|source| EngineError::Lost { call, source: source.into() })
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    }

    /// Sends one request and reads the whole answer, whatever its status.
    pub(crate) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, EngineError> {
        self.count(request.method());
        let call = call_name(&request);
        let (time, most) = if request.method() == Method::GET { (READ, MOST_READ) } else { (WRITE, MOST) };
        match tokio::time::timeout(time, self.exchange_untimed(request, &call, most)).await {
            Ok(done) => done,
            Err(_) => Err(EngineError::Timeout { call, seconds: time.as_secs() }),
        }
    }

    async fn exchange_untimed(
        &self,
        mut request: Request<Full<Bytes>>,
        call: &str,
        most: usize,
    ) -> Result<Answer, EngineError> {
        loop {
            let (mut sender, kept) = if let Some(sender) = self.take_idle() {
                (sender, true)
            } else {
                let (sender, connection) = self.connect().await?;
                tokio::spawn(connection);
                (sender, false)
            };
            let lost =
                |source: hyper::Error| EngineError::Lost { call: call.to_owned(), source: source.into() };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let most = if head.status.is_success() { most } else { MOST };
                    let body = match Limited::new(body, most).collect().await {
                        Ok(body) => body.to_bytes(),
                        Err(error) => return Err(broken(call, most, error)),
                    };
                    if sender.ready().await.is_ok() {
                        self.keep(sender);
                    }
                    return Ok(Answer { head, body });
                }
                // A kept connection that the engine has closed meanwhile gives the request back unsent.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(lost(failed.into_error())),
                },
            }
        }
    }

    /// `GET` of an API path that answers JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, EngineError> {
        let body = self.get_raw(path).await?;
        parse(&body, || format!("GET {path}"))
    }

    /// `GET` of an API path, not read yet.
    pub(crate) async fn get_raw(&self, path: &str) -> Result<Bytes, EngineError> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// `DELETE` of an API path.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), EngineError> {
        self.call(Method::DELETE, path, Bytes::new()).await.map(drop)
    }

    /// Any call; an answer that is no success is sorted into an error. The body is never logged.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, EngineError> {
        self.call_as(method, path, body, None).await
    }

    /// [`Self::call`] with a login for a registry.
    pub(crate) async fn call_as(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        auth: Option<HeaderValue>,
    ) -> Result<Bytes, EngineError> {
        let call = || format!("{method} {path}");
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.prefix))
            .header("host", "docker")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|e| EngineError::Answer { call: call(), source: e.into() })?;
        if let Some(auth) = auth {
            request.headers_mut().insert(REGISTRY_AUTH, auth);
        }
        let answer = self.exchange(request).await?;
        if answer.head.status.is_success() {
            return Ok(answer.body);
        }
        Err(refused(call(), &answer))
    }
}

/// What a body that did not come whole means: it is too long, or the connection broke.
fn broken(call: &str, most: usize, error: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
    let call = call.to_owned();
    if error.is::<LengthLimitError>() {
        return EngineError::Answer { call, source: format!("it is longer than {} MiB", most >> 20).into() };
    }
    EngineError::Lost { call, source: error }
}

/// What an answer that is no success means.
pub(crate) fn refused(call: String, answer: &Answer) -> EngineError {
    refusal(call, answer.head.status.as_u16(), message_of(&answer.body))
}

pub(crate) fn parse(body: &Bytes, call: impl Fn() -> String) -> Result<Value, EngineError> {
    let wrong = |source| EngineError::Answer { call: call(), source };
    // Checked once as a whole: many short texts would each be checked for themselves.
    let text = std::str::from_utf8(body).map_err(|e| wrong(e.into()))?;
    serde_json::from_str(text).map_err(|e| wrong(e.into()))
}

/// The engine's message in an error body, or the body itself.
fn message_of(body: &Bytes) -> String {
    let said = serde_json::from_slice::<Value>(body).ok();
    let message = said.as_ref().and_then(|v| v.get("message")).and_then(Value::as_str);
    message.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), str::to_owned)
}

/// `POST /services/create`: method and path, without version and query.
fn call_name<B>(request: &Request<B>) -> String {
    let path = request.uri().path();
    let bare = match path.strip_prefix("/v").and_then(|rest| rest.find('/').and_then(|at| rest.get(at..))) {
        Some(rest) if path.starts_with("/v1.") => rest,
        _ => path,
    };
    format!("{} {bare}", request.method())
}
