//! What the status listener tells: to people, to programs, to who watches. Everything there is read-only.

mod page;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use sha2::Sha256;

pub(in crate::bridge) use run::build_url;

use self::page::Head;
use self::run::Run;
use super::journal::{Row, Unavailable};
use super::receive::Receiver;
use crate::secrets::SecretBytes;

/// So many runs are listed.
const MOST: u32 = 100;
const TEXT: &str = "text/plain; charset=utf-8";

/// What the status listener tells.
pub struct Status {
    /// Whose work it tells of.
    pub receiver: Arc<Receiver>,
    /// Connections that made room for newer ones.
    pub evicted: Arc<AtomicU64>,
    /// What is missing for the work.
    pub missing: Vec<&'static str>,
    /// What has to be shown to read more than whether it runs.
    pub token: Option<SecretBytes>,
}

type Reply = Response<Full<Bytes>>;

impl Status {
    /// Answers a request.
    pub async fn answer(&self, request: &Request<Incoming>) -> Reply {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let reply = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only read\n".to_owned());
            return with(reply, ALLOW, "GET, HEAD");
        }
        match request.uri().path() {
            "/healthz" => reply(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" => self.ready().await,
            _ if !self.lets(request.headers().get(AUTHORIZATION)) => {
                let reply = reply(StatusCode::UNAUTHORIZED, TEXT, "the status token is wanted\n".to_owned());
                with(reply, WWW_AUTHENTICATE, "Basic realm=\"comment bridge\", charset=\"UTF-8\"")
            }
            "/" => self.page().await,
            "/runs" => self.runs().await,
            "/metrics" => self.metrics().await,
            _ => reply(StatusCode::NOT_FOUND, TEXT, "/, /runs, /healthz, /readyz or /metrics\n".to_owned()),
        }
    }

    /// Whether a reader has shown the token, as a bearer or as the password of anybody.
    fn lets(&self, shown: Option<&HeaderValue>) -> bool {
        let Some(token) = &self.token else { return true };
        let Some(shown) = shown.map(HeaderValue::as_bytes) else { return false };
        let given = match shown.split_at_checked(6) {
            Some((kind, rest)) if kind.eq_ignore_ascii_case(b"basic ") => {
                let Ok(pair) = STANDARD.decode(rest.trim_ascii()) else { return false };
                let colon = pair.iter().position(|byte| *byte == b':').map(|colon| colon + 1);
                SecretBytes::new(colon.and_then(|from| pair.get(from..)).unwrap_or_default().to_vec())
            }
            Some((kind, rest)) if kind.eq_ignore_ascii_case(b"bearer") => {
                SecretBytes::new(rest.trim_ascii().to_vec())
            }
            _ => return false,
        };
        same(token, &given)
    }

    async fn last(&self) -> Result<Vec<Run>, Unavailable> {
        let rows = self.receiver.journal.ask(|connection| Row::last(connection, MOST)).await?;
        Ok(rows.iter().map(|row| Run::of(row, &self.receiver.bridge)).collect())
    }

    async fn page(&self) -> Reply {
        let Ok(runs) = self.last().await else { return unreadable() };
        let trigger = &self.receiver.bridge.policy.trigger;
        let head = Head { trigger, missing: &self.missing, now: Timestamp::now(), most: MOST };
        let page = reply(StatusCode::OK, "text/html; charset=utf-8", page::html(&head, &runs));
        with(page, CONTENT_SECURITY_POLICY, &page::policy())
    }

    async fn runs(&self) -> Reply {
        let Ok(runs) = self.last().await else { return unreadable() };
        let text = serde_json::json!({ "runs": runs }).to_string();
        reply(StatusCode::OK, "application/json", text)
    }

    async fn metrics(&self) -> Reply {
        let evicted = self.evicted.load(Ordering::Relaxed);
        let waiting = self.receiver.journal.waiting();
        let Ok(standing) = self.receiver.journal.ask(Row::standing).await else { return unreadable() };
        reply(StatusCode::OK, TEXT, self.receiver.metrics.page(waiting, evicted, &standing))
    }

    /// Ready: deliveries can be kept, and everything is there that the work behind them needs.
    async fn ready(&self) -> Reply {
        let mut lacks: Vec<String> = self.missing.iter().map(|what| format!("missing: {what}\n")).collect();
        if self.receiver.journal.ask(|connection| Row::last(connection, 1).map(drop)).await.is_err() {
            lacks.push("failed: the journal\n".to_owned());
        }
        if lacks.is_empty() {
            return reply(StatusCode::OK, TEXT, "ready\n".to_owned());
        }
        reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, lacks.concat())
    }
}

fn unreadable() -> Reply {
    reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the journal cannot be read\n".to_owned())
}

/// An answer that nobody keeps, guesses at or frames.
fn reply(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// Whether what was given is the secret, found out in a time that does not tell how much of it is right.
fn same(secret: &SecretBytes, given: &SecretBytes) -> bool {
    let tag = |text: &SecretBytes| {
        Hmac::<Sha256>::new_from_slice(secret.expose()).ok().map(|mac| mac.chain_update(text.expose()))
    };
    match (tag(secret), tag(given)) {
        (Some(right), Some(given)) => given.verify(&right.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_token_is_the_same() {
        let secret = |text: &str| SecretBytes::new(text.as_bytes().to_vec());
        assert!(same(&secret("status-token"), &secret("status-token")));
        for other in ["", "status-toke", "status-token ", "Status-token", "status-token\0"] {
            assert!(!same(&secret("status-token"), &secret(other)), "{other:?}");
        }
    }
}
