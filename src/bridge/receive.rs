//! A request → its one answer. Nothing is decided before the signature is right, and nothing is answered with 202 before
//! what has to be done is on the disk.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Bodies;
use super::bucket::Buckets;
use super::drone_hook;
use super::form;
use super::journal::{Edits, Entry, Journal, Stored, Work};
use super::judge::{Edit, Ignored, Refusal, Task, Verdict, judge};
use super::metrics::{Came, Metrics};
use super::payload::{Object, Payload};
use super::signature::{Keys, header};
use super::wake::Wakes;
use crate::bridge::command::Misread;
use crate::manifest::{Bridge, ForgeKind};
use crate::secrets::SecretBytes;

/// What takes deliveries.
pub struct Receiver {
    /// What the manifest says.
    pub bridge: Bridge,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where deliveries are kept.
    pub journal: Journal,
    /// How often each user may ask, also by comments that were not delivered.
    pub buckets: Arc<Buckets>,
    keys: Keys,
    drone: Option<SecretBytes>,
    wakes: Wakes,
    bodies: Bodies,
}

/// An answer. Its text is the same for everybody, since the forge keeps and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Taken, whatever comes of it.
    Accepted,
    /// The body is no delivery.
    Malformed,
    /// No signature, or a wrong one.
    Unsigned,
    /// Another path.
    NotFound,
    /// Another method.
    Method,
    /// The body did not come in time.
    Slow,
    /// The body is too long.
    Large,
    /// The body is neither JSON nor a form.
    Kind,
    /// Asked too often.
    Often,
    /// The journal cannot be written.
    Unavailable,
}

impl Reply {
    /// Every answer.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Malformed,
        Self::Unsigned,
        Self::NotFound,
        Self::Method,
        Self::Slow,
        Self::Large,
        Self::Kind,
        Self::Often,
        Self::Unavailable,
    ];

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn place(self) -> usize {
        Self::ALL.iter().position(|one| *one == self).unwrap_or_default()
    }

    /// Its status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::ACCEPTED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unsigned => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Often => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn response(self) -> Response<Full<Bytes>> {
        let text: &'static [u8] = match self {
            Self::Accepted => b"taken\n",
            Self::Malformed => b"not a delivery\n",
            Self::Unsigned => b"not signed\n",
            Self::NotFound => b"deliveries go to /hook\n",
            Self::Method => b"deliveries are posted\n",
            Self::Slow => b"too slow\n",
            Self::Large => b"too long\n",
            Self::Kind => b"neither JSON nor a form\n",
            Self::Often => b"too often\n",
            Self::Unavailable => b"not now\n",
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// How a body is to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

impl Receiver {
    /// Takes deliveries that are signed with `keys` into `journal`; calls that are signed with Drone's secret wake.
    #[must_use]
    pub fn new(
        bridge: Bridge,
        keys: Keys,
        journal: Journal,
        (drone, wakes): (Option<SecretBytes>, Wakes),
    ) -> Self {
        let (buckets, bodies) = (Arc::new(Buckets::new(&bridge.policy)), Bodies::new(&bridge.limits));
        let metrics = Arc::default();
        Self { bridge, metrics, journal, buckets, keys, drone, wakes, bodies }
    }

    /// Answers a request. `trusted` is set once it is known to be the forge's: its connection is not given up for another.
    pub async fn answer(&self, request: Request<Incoming>, trusted: &AtomicBool) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let reply = self.take(request, trusted).await.unwrap_or_else(|refused| refused);
        trusted.store(false, Ordering::Relaxed);
        self.metrics.replied(reply, began.elapsed());
        reply.response()
    }

    async fn take(&self, request: Request<Incoming>, trusted: &AtomicBool) -> Result<Reply, Reply> {
        let drone = match request.uri().path() {
            "/hook" => None,
            "/drone" => Some(self.drone.as_ref().ok_or(Reply::NotFound)?),
            _ => return Err(Reply::NotFound),
        };
        if request.method() != Method::POST {
            return Err(Reply::Method);
        }
        let (head, body) = request.into_parts();
        if let Some(secret) = drone {
            return self.woken(secret, &head.headers, body).await;
        }
        let forge = self.bridge.forge.kind;
        // Who signs nothing is told that and nothing else.
        if !head.headers.contains_key(header(forge)) {
            return Err(Reply::Unsigned);
        }
        let kind = kind(&head.headers)?;
        let read = self.bodies.read(body).await?;
        let mut body = Cow::Borrowed(&*read);
        // Gitea and Forgejo sign the JSON, GitHub signs what it sends.
        if kind == Kind::Form && forge != ForgeKind::Github {
            body = Cow::Owned(form::payload(&body).ok_or(Reply::Malformed)?);
        }
        let values = head.headers.get_all(header(forge)).iter().map(HeaderValue::as_bytes);
        self.keys.check(forge, values, &body).map_err(|why| {
            tracing::warn!(%why, "a delivery that is not the forge's");
            Reply::Unsigned
        })?;
        trusted.store(true, Ordering::Relaxed);
        self.metrics.signed();
        if kind == Kind::Form && forge == ForgeKind::Github {
            body = Cow::Owned(form::payload(&body).ok_or(Reply::Malformed)?);
        }
        let Some(payload) = comment(&body)? else {
            self.metrics.came(Came::Other);
            return Ok(Reply::Accepted);
        };
        let verdict = judge(&self.bridge, &payload, Timestamp::now());
        drop(payload);
        self.keep(verdict).await
    }

    /// A call of Drone's: whoever follows a build looks at it.
    async fn woken(&self, secret: &SecretBytes, headers: &HeaderMap, body: Incoming) -> Result<Reply, Reply> {
        if !headers.contains_key("signature") {
            return Err(Reply::Unsigned);
        }
        let body = self.bodies.read(body).await?;
        drone_hook::check(secret, headers, &body, Timestamp::now()).map_err(|why| {
            tracing::warn!(%why, "a call that is not Drone's");
            Reply::Unsigned
        })?;
        self.metrics.came(Came::Drone);
        self.wakes.wake();
        Ok(Reply::Accepted)
    }

    /// Does what a verdict asks for.
    async fn keep(&self, verdict: Verdict) -> Result<Reply, Reply> {
        let (task, work, came) = match verdict {
            Verdict::Ignore(why) => {
                tracing::debug!(reason = why.word(), "ignored");
                self.metrics.came(Came::Ignored(why));
                return Ok(Reply::Accepted);
            }
            Verdict::Accept(task, command) => (task, Work::Obey(command), Came::Accepted),
            Verdict::Refuse(task, why) => (task, refusal(&why), Came::Refused),
            Verdict::Edited(edit) => return self.note(edit).await,
        };
        if !self.buckets.take(task.repository, task.user, Instant::now()) {
            tracing::warn!(user = task.login, repository = task.full_name, "asked too often");
            return Err(Reply::Often);
        }
        let Task { comment, pull, created, .. } = task;
        let repository = task.full_name.clone();
        let forge = self.bridge.forge.url.clone();
        let received = Timestamp::now();
        let entry = Entry { forge, task, work, received };
        let stored = self.journal.accept(entry).await.map_err(|_| Reply::Unavailable)?;
        if stored == Stored::New {
            self.metrics.came(came);
            self.metrics.runs.accepted(created, received);
        } else {
            self.metrics.came(Came::Known);
        }
        tracing::debug!(repository, pull, comment, ?stored, "taken");
        Ok(Reply::Accepted)
    }

    /// Keeps an edit in mind, so that a sweep does not take the comment for one that was written so.
    async fn note(&self, edit: Edit) -> Result<Reply, Reply> {
        if !self.buckets.take(edit.repository, edit.user, Instant::now()) {
            return Err(Reply::Often);
        }
        let forge = self.bridge.forge.url.clone();
        let kept = self.journal.ask(move |connection| Edits::keep(connection, &forge, edit)).await;
        kept.map_err(|_| Reply::Unavailable)?;
        self.metrics.came(Came::Ignored(Ignored::NotCreated));
        Ok(Reply::Accepted)
    }
}

/// What a request says about its body.
fn kind(headers: &HeaderMap) -> Result<Kind, Reply> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Reply::Kind) };
    let value = value.to_str().unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim_ascii();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(Kind::Json);
    }
    let form = media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if form { Ok(Kind::Form) } else { Err(Reply::Kind) }
}

/// The comment that a delivery is about; None for another event, such as the push that tests a hook.
fn comment(body: &[u8]) -> Result<Option<Payload<'_>>, Reply> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(default)]
        issue: Option<IgnoredAny>,
        #[serde(default)]
        comment: Option<IgnoredAny>,
    }
    let json = std::str::from_utf8(body).map_err(|_| Reply::Malformed)?;
    match Payload::read(json) {
        Ok(payload) => Ok(Some(payload)),
        Err(error) => match serde_json::from_str::<Object<Event>>(json) {
            Ok(Object(event)) if event.issue.is_none() || event.comment.is_none() => Ok(None),
            _ => {
                tracing::warn!(%error, "a delivery of a comment that cannot be read");
                Err(Reply::Malformed)
            }
        },
    }
}

/// A no, as the journal keeps it.
fn refusal(why: &Refusal) -> Work {
    let parameter = match why {
        Refusal::Misread(Misread::Value(name)) => Some(name.clone()),
        _ => None,
    };
    Work::Refuse { reason: why.word().to_owned(), parameter }
}
