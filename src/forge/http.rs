//! A small HTTP client for the JSON APIs of forges: one connection a call, no redirects, nothing secret in any error.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

pub use super::answer::Answer;
use super::answer::words;
use super::error::ForgeError;
pub use super::lines::Lines;
use crate::secrets::SecretBytes;
use crate::web::{connector, encoded};

/// No answer of a forge may be longer; larger ones are refused, not cut.
pub const LONGEST: usize = 16 << 20;
/// How long a connection may take, name lookup and handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call may take: Drone answers the creation of a build without a pipeline after 45 s.
pub const PATIENCE: Duration = Duration::from_secs(75);

/// A forge, ready to be called.
#[derive(Clone)]
pub struct Client {
    tls: Option<TlsConnector>,
    /// `https://git.example.org:3000`.
    origin: String,
    /// What stands in the `Host` header.
    authority: String,
    host: String,
    /// Path that the base URL ends with, without a slash at its end.
    prefix: String,
    /// `HOST:PORT` that is dialled.
    dial: String,
    patience: Duration,
}

/// One call.
pub struct Call {
    method: Method,
    /// Below the base URL: path and query.
    target: String,
    headers: Vec<(HeaderName, SecretBytes)>,
    body: Option<(&'static str, SecretBytes)>,
}

/// Path segments of a URL, percent-encoded: `["repos", "a b"]` is `/repos/a%20b`.
#[must_use]
pub fn path(segments: &[&str]) -> String {
    segments.iter().fold(String::new(), |path, segment| path + "/" + &encoded(segment))
}

/// A query, with its `?`; empty without pairs.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// The value of an `Authorization` header for a token: `Bearer TOKEN`.
#[must_use]
pub fn bearer(token: &SecretBytes) -> SecretBytes {
    SecretBytes::new([b"Bearer ", token.expose()].concat())
}

/// The value of an `Authorization` header for a name and a password.
#[must_use]
pub fn basic(user: &str, password: &SecretBytes) -> SecretBytes {
    let pair = Zeroizing::new([user.as_bytes(), b":", password.expose()].concat());
    let text = Zeroizing::new(STANDARD.encode(&*pair));
    SecretBytes::new([b"Basic ", text.as_bytes()].concat())
}

impl Call {
    /// A call of `target`, path and query below the base URL.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: None }
    }

    /// With a header; its value is never shown.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: SecretBytes) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the value of an `Authorization` header.
    #[must_use]
    pub fn authorized(self, value: SecretBytes) -> Self {
        self.header(AUTHORIZATION, value)
    }

    /// With a JSON body. Types of this room always serialise; what does not is sent as nothing.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        // Large enough that bodies with secrets are not moved while they are written.
        let mut bytes = Vec::with_capacity(4096);
        if serde_json::to_writer(&mut bytes, body).is_ok() {
            self.body = Some(("application/json", SecretBytes::new(bytes)));
        }
        self
    }

    /// With the fields of a web form as its body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let text = query(fields);
        let body = text.trim_start_matches('?').as_bytes().to_vec();
        drop(Zeroizing::new(text));
        self.body = Some(("application/x-www-form-urlencoded", SecretBytes::new(body)));
        self
    }
}

impl Client {
    /// A client of the forge at `url` (`https://git.example.org`, `http://127.0.0.1:3000/git`). With `connect`
    /// (`127.0.0.1:443`) that address is dialled, while name and TLS stay those of the URL. `ca` is a PEM file of the
    /// roots to trust in place of the system's.
    ///
    /// # Errors
    /// [`ForgeError::Settings`]: no URL, no host, a user in it, or roots that cannot be read.
    pub fn new(url: &str, connect: Option<&str>, ca: Option<&Path>) -> Result<Self, ForgeError> {
        let wrong = |why: String| ForgeError::Settings { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|error| wrong(format!("it is no URL: {error}")))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it begins with neither `https://` nor `http://`".to_owned())),
        };
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(wrong("a host is wanted, and neither user nor query".to_owned()));
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let dial = connect.map_or_else(|| format!("{bracketed}:{port}"), ToOwned::to_owned);
        let origin = format!("{}://{authority}", if secure { "https" } else { "http" });
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let tls = if secure { Some(connector(ca).map_err(wrong)?) } else { None };
        Ok(Self { tls, origin, authority, host, prefix, dial, patience: PATIENCE })
    }

    /// As it is, with another time for a whole call.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Scheme, host and port, as a browser compares them: `https://git.example.org`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}{}", self.origin, self.prefix)
    }

    /// Calls once and reads the whole answer; a redirect is an answer like any other.
    ///
    /// # Errors
    /// No connection, no answer in time, a body that breaks off or is longer than [`LONGEST`].
    pub async fn send(&self, call: Call) -> Result<Answer, ForgeError> {
        let about = self.about(&call);
        let (method, url) = about.clone();
        let whole = async {
            let (head, body) = self.open(call, &about).await?.into_parts();
            let (method, url) = about.clone();
            let too_long = ForgeError::Long { method, url, most: LONGEST >> 20 };
            if body.size_hint().lower() > LONGEST as u64 {
                return Err(too_long);
            }
            let body = Limited::new(body, LONGEST).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    return too_long;
                }
                let (method, url) = about.clone();
                ForgeError::Unreachable { method, url, why: format!("the answer broke off: {error}") }
            })?;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
                about: about.clone(),
            })
        };
        let seconds = self.patience.as_secs();
        timeout(self.patience, whole).await.unwrap_or(Err(ForgeError::Late { method, url, seconds }))
    }

    /// Calls once; the answer's body comes piece by piece and without an end in sight.
    ///
    /// # Errors
    /// As [`Self::send`]; also an answer other than 2xx.
    pub async fn stream(&self, call: Call) -> Result<Lines, ForgeError> {
        let about = self.about(&call);
        let (method, url) = about.clone();
        let seconds = self.patience.as_secs();
        let response = timeout(self.patience, self.open(call, &about))
            .await
            .unwrap_or(Err(ForgeError::Late { method, url, seconds }))?;
        let status = response.status();
        if !status.is_success() {
            let (method, url) = about;
            let message = words(status, &[]);
            return Err(ForgeError::Refused { method, url, status: status.as_u16(), message });
        }
        Ok(Lines::new(response.into_body(), about, self.patience))
    }

    /// Method and URL without its query: what errors may show.
    fn about(&self, call: &Call) -> (String, String) {
        let path = call.target.split('?').next().unwrap_or_default();
        (call.method.to_string(), format!("{}{path}", self.base()))
    }

    async fn open(&self, call: Call, about: &(String, String)) -> Result<Response<Incoming>, ForgeError> {
        let unreachable = |why: String| {
            let (method, url) = about.clone();
            ForgeError::Unreachable { method, url, why }
        };
        let request = self.request(call).map_err(|why| {
            let (_, url) = about.clone();
            ForgeError::Settings { url, why }
        })?;
        let connecting = async {
            let stream = TcpStream::connect(&self.dial).await.map_err(|error| refused(&self.dial, &error))?;
            // Calls are small and wait for their answers.
            drop(stream.set_nodelay(true));
            Ok(stream)
        };
        let late = || format!("{} did not answer within {} s", self.dial, CONNECT.as_secs());
        let stream =
            timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(late())).map_err(unreachable)?;
        let Some(tls) = &self.tls else {
            return exchange(stream, request).await.map_err(unreachable);
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| unreachable(format!("`{}` is no server name", self.host)))?;
        let shaking = async { tls.connect(name, stream).await.map_err(|error| untrusted(&error)) };
        let stream = timeout(CONNECT, shaking).await.unwrap_or_else(|_| Err(late())).map_err(unreachable)?;
        exchange(stream, request).await.map_err(unreachable)
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.prefix, call.target))
            .header(HOST, &self.authority)
            .header("user-agent", concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .header("accept", "*/*")
            .header("connection", "close");
        if let Some((kind, _)) = &call.body {
            request = request.header(CONTENT_TYPE, *kind);
        }
        for (name, value) in &call.headers {
            let bytes = Bytes::from_owner(Zeroizing::new(value.expose().to_vec()));
            let mut value = HeaderValue::from_maybe_shared(bytes)
                .map_err(|_| format!("the value for the header `{name}` cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = call
            .body
            .map_or_else(Bytes::new, |(_, bytes)| Bytes::from_owner(Zeroizing::new(bytes.expose().to_vec())));
        request.body(Full::new(body)).map_err(|error| format!("the request cannot be made: {error}"))
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| {
        if error.is_parse() {
            return "it answered with something that is not HTTP".to_owned();
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return "it closed the connection without an answer".to_owned();
        }
        format!("the connection broke: {error}")
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(broken)
}

fn refused(dial: &str, error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("{dial} refused the connection"),
        _ => format!("{dial}: {}", text.to_lowercase()),
    }
}

/// Why a handshake failed, in words.
fn untrusted(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => format!("its certificate is not trusted: {why}"),
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        _ => format!("the TLS handshake failed: {error}"),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
