//! One HTTP/1.1 exchange over a connection that stands.

use std::collections::BTreeMap;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use super::net::Budget;
use super::seen::Trouble;
use super::url::Target;

/// As much of a body is read; what comes after is never judged.
const BODY_CAP: usize = 1 << 20;

/// What to ask.
pub(super) struct Ask<'a> {
    pub(super) target: &'a Target,
    pub(super) method: &'a str,
    pub(super) headers: &'a BTreeMap<String, String>,
    /// False when nothing is expected of the body: then it is not read.
    pub(super) body: bool,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Lower-case names, in the order sent; a name may stand more than once.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) end: BodyEnd,
}

/// How reading the body ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// It was not read.
    #[default]
    Unread,
    /// It is whole.
    Whole,
    /// It is longer than what is read.
    Cut,
    /// It did not end in time.
    Late,
    /// The connection broke.
    Broken(String),
}

/// Sends the request and reads the answer.
pub(super) async fn exchange<S>(stream: S, ask: &Ask<'_>, budget: Budget) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(ask)?;
    let url = ask.target.url();
    let late = |time: &str| format!("{url} did not answer within {time}");
    let talk = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&url, &error))?;
        let driver = Driver(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(|error| broken(&url, &error))?;
        Ok((response, sender, driver))
    };
    let (response, _sender, _driver) = budget.within(talk, late).await?;
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut answer = Answer { status: response.status().as_u16(), headers, ..Answer::default() };
    if ask.body {
        (answer.body, answer.end) = read(response.into_body(), budget).await;
    }
    Ok(answer)
}

/// Ends the task that drives a connection with the exchange it belongs to.
struct Driver<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(ask: &Ask<'_>) -> Result<Request<Empty<Bytes>>, Trouble> {
    let mut builder = Request::builder().method(ask.method).uri(&ask.target.path);
    let standard = [
        ("host", ask.target.authority()),
        ("user-agent", concat!("holdfast/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("accept", "*/*".to_owned()),
        ("accept-encoding", "identity".to_owned()),
    ];
    for (name, value) in standard {
        if !ask.headers.keys().any(|given| given.eq_ignore_ascii_case(name)) {
            builder = builder.header(name, value);
        }
    }
    for (name, value) in ask.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Empty::new())
        .map_err(|error| Trouble::unknown(format!("the request cannot be made: {error}")))
}

fn broken(url: &str, error: &hyper::Error) -> Trouble {
    let why = if error.is_parse() {
        "answered with something that is not HTTP"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "closed the connection without an answer"
    } else {
        "broke off"
    };
    Trouble::fail(format!("{url} {why} ({error})"))
}

async fn read(mut body: Incoming, budget: Budget) -> (Vec<u8>, BodyEnd) {
    let mut bytes = Vec::new();
    loop {
        let frame = match timeout_at(budget.until, body.frame()).await {
            Err(_) => return (bytes, BodyEnd::Late),
            Ok(None) => return (bytes, BodyEnd::Whole),
            Ok(Some(Err(error))) => return (bytes, BodyEnd::Broken(error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let room = BODY_CAP - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return (bytes, BodyEnd::Cut);
        }
    }
}
