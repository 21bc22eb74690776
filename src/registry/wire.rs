//! One request over a connection of its own.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::secrets::SecretBytes;
use crate::web::connector;

/// How long one request may take, name lookup and handshake included.
const PATIENCE: Duration = Duration::from_secs(30);
/// No manifest, image configuration or token is longer; registries refuse manifests above 4 MiB.
const LONGEST: usize = 8 << 20;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header as text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What to ask.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) uri: &'a Uri,
    pub(super) accept: &'a str,
    pub(super) authorization: Option<&'a SecretBytes>,
}

/// Trust in TLS servers.
pub(super) struct Wire {
    tls: TlsConnector,
}

impl Wire {
    /// Trusts the roots of a PEM file, or the system's.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        Ok(Self { tls: connector(ca)? })
    }

    /// Asks once. The error is in words; a password or token is never in it.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, String> {
        match tokio::time::timeout(PATIENCE, self.untimed(ask)).await {
            Ok(done) => done,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn untimed(&self, ask: &Ask<'_>) -> Result<Answer, String> {
        let host = ask.uri.host().ok_or("the address names no host")?;
        let tls = ask.uri.scheme_str() == Some("https");
        let port = ask.uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let bare = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((bare, port)).await.map_err(|error| words(&error))?;
        if !tls {
            return exchange(stream, ask).await;
        }
        let name =
            ServerName::try_from(bare.to_owned()).map_err(|_| format!("`{bare}` is no server name"))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| untrusted(&error))?;
        exchange(stream, ask).await
    }
}

async fn exchange<S>(stream: S, ask: &Ask<'_>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let path = ask.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = ask.uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder()
        .method(&ask.method)
        .uri(path)
        .header(HOST, authority)
        .header("user-agent", concat!("holdfast/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close");
    if !ask.accept.is_empty() {
        request = request.header("accept", ask.accept);
    }
    let mut request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    if let Some(authorization) = ask.authorization {
        let bytes = Bytes::from_owner(Zeroizing::new(authorization.expose().to_vec()));
        let mut value =
            HeaderValue::from_maybe_shared(bytes).map_err(|_| "the login cannot be sent in a header")?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move { drop(connection.await) });
    let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    let body =
        Limited::new(body, LONGEST).collect().await.map_err(|e| format!("the answer broke off: {e}"))?;
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "it refused the connection".to_owned(),
        _ => text.to_lowercase(),
    }
}

fn untrusted(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            format!("its certificate is not trusted: {why} (name its root: `\"ca\": FILE` of the registry)")
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak TLS (write `\"plain_http\": true` if that is meant)".to_owned()
        }
        _ => format!("the TLS handshake failed: {error}"),
    }
}

/// True for what never leaves this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
