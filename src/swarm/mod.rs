//! The only room that names bollard: observe, execute, converge.
//!
//! Objects travel as raw JSON, because typed models lose what they do not know (`docs/decisions/0005-engine-client.md`);
//! bollard carries what streams: images and logs. All of it goes through one counted transport.

mod converge;
mod error;
mod events;
mod execute;
mod images;
mod inventory;
mod logs;
mod look;
mod observe;
mod pipeline;
mod transport;
mod volumes;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

pub use converge::{ConvergeError, Failed, Reason, Waiting};
pub use error::EngineError;
pub use events::Events;
pub use images::login_of;
pub use look::{Asked, Look};
pub use write::Write;

use crate::observed::EngineInfo;
use transport::Transport;

/// The newest API version that is asked for: bollard's own.
const NEWEST: (u32, u32) = (1, 53);
/// The oldest that has everything Holdfast writes (ulimits, capabilities and jobs in services).
const OLDEST: (u32, u32) = (1, 41);

/// A Docker engine.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<Transport>,
    docker: bollard::Docker,
    info: EngineInfo,
}

impl Engine {
    /// Connects and agrees on an API version, with one `GET /_ping`.
    ///
    /// # Errors
    /// [`EngineError::Address`] unless the address is `unix:///path`; [`EngineError::Unreachable`] when nothing answers;
    /// [`EngineError::Version`] when the engine is too old.
    pub async fn connect(address: &str) -> Result<Self, EngineError> {
        let transport = Transport::new(socket_of(address)?);
        let request = Request::get(PING).header("host", "docker").body(Full::new(Bytes::new()));
        let request =
            request.map_err(|e| EngineError::Answer { call: "GET /_ping".into(), source: e.into() })?;
        let info = engine_info(&transport.exchange(request).await?)?;
        Self::new(transport, info)
    }

    /// An engine that said this of itself.
    fn new(mut transport: Transport, info: EngineInfo) -> Result<Self, EngineError> {
        transport.agree(&info.api);
        let transport = Arc::new(transport);
        let docker = typed_client(&transport, &info.api)?;
        Ok(Self { transport, docker, info })
    }

    /// Requests so far that were not GET or HEAD.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.transport.writes()
    }

    /// The engine's address.
    #[must_use]
    pub fn address(&self) -> String {
        self.transport.address()
    }
}

/// What is asked first. `/version` and `/info` are not asked: each makes the engine start runc (6 to 12 ms).
const PING: &str = "/_ping";

/// The path of the socket that an address names.
fn socket_of(address: &str) -> Result<PathBuf, EngineError> {
    let path = address.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    path.map(PathBuf::from).ok_or_else(|| EngineError::Address { address: address.to_owned() })
}

/// What the engine says of itself in its answer to [`PING`].
fn engine_info(answer: &transport::Answer) -> Result<EngineInfo, EngineError> {
    if !answer.head.status.is_success() {
        return Err(transport::refused("GET /_ping".to_owned(), answer));
    }
    let header = |name: &str| header_of(answer, name).to_owned();
    let said = own_version(answer).to_owned();
    let newest = format!("{}.{}", NEWEST.0, NEWEST.1);
    let offered = version_of(&said).filter(|version| *version >= OLDEST);
    let Some(offered) = offered else { return Err(EngineError::Version { said, newest }) };
    let (major, minor) = offered.min(NEWEST);
    // `Docker/20.10.24+dfsg1 (linux)`
    let server = header("server");
    let version = server.strip_prefix("Docker/").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    Ok(EngineInfo {
        version: version.to_owned(),
        api: format!("{major}.{minor}"),
        name: String::new(),
        platform: header("ostype"),
    })
}

/// The API version that an engine answers in when none is asked for, and the newest that it has.
fn own_version(answer: &transport::Answer) -> &str {
    header_of(answer, "api-version")
}

fn header_of<'a>(answer: &'a transport::Answer, name: &str) -> &'a str {
    answer.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// bollard over our own connections, so that its calls are counted like ours.
fn typed_client(transport: &Arc<Transport>, api: &str) -> Result<bollard::Docker, EngineError> {
    let (major, minor) = version_of(api).unwrap_or(OLDEST);
    let version = bollard::ClientVersion { major_version: major as usize, minor_version: minor as usize };
    let transport = Arc::clone(transport);
    let send = move |request: bollard::BollardRequest| {
        let transport = Arc::clone(&transport);
        async move {
            let sent = transport.stream(request).await;
            sent.map_err(|e| bollard::errors::Error::IOError { err: std::io::Error::other(e) })
        }
    };
    bollard::Docker::connect_with_custom_transport(send, Some("http://docker"), STREAM_SECONDS, &version)
        .map_err(|e| EngineError::Answer { call: "connect".into(), source: e.into() })
}

/// How long a streaming call may wait for its first byte of answer: a load answers when all is unpacked.
const STREAM_SECONDS: u64 = 1800;
