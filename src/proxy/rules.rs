//! Which requests are let through.

use hyper::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use hyper::{Method, Uri};
use serde_json::{Map, Value};

use super::keep::{self, Keep};

/// A request that may go to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// What of the answer's JSON is kept; `None` where the answer is no JSON.
    pub(super) keep: Option<Keep>,
}

/// Judges a request line and headers. The refusal says why, in one line.
pub(super) fn judge(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Route, &'static str> {
    if method != Method::GET && method != Method::HEAD {
        return Err("only GET and HEAD are allowed");
    }
    if headers.contains_key(UPGRADE) {
        return Err("upgrades are not allowed");
    }
    let empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    if headers.contains_key(TRANSFER_ENCODING) || !empty {
        return Err("a body is not allowed");
    }
    if uri.authority().is_some() {
        return Err("only paths are allowed");
    }
    let (keep, filters) = path(without_version(uri.path())).ok_or("the path is not allowed")?;
    if !uri.query().is_none_or(|query| query.is_empty() || only(filters, query)) {
        return Err("the query is not allowed");
    }
    Ok(Route { keep })
}

/// True when a query is one `filters` that names nothing but `known`. A filter by label would be a way to ask for the
/// labels that an answer hides.
fn only(known: &[&str], query: &str) -> bool {
    let filters = query.strip_prefix("filters=").filter(|value| !value.contains(['&', ';']));
    let filters =
        filters.and_then(decoded).and_then(|json| serde_json::from_slice::<Map<_, Value>>(&json).ok());
    filters.is_some_and(|filters| filters.keys().all(|name| known.contains(&name.as_str())))
}

/// A query's value without its escapes.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    Some(out)
}

/// What is kept of a path's answer, and which filters may be asked with it; `None` for any other path.
fn path(path: &str) -> Option<(Option<Keep>, &'static [&'static str])> {
    match path {
        "/_ping" => Some((None, &[])),
        "/version" => Some((Some(keep::VERSION), &[])),
        "/services" => Some((Some(keep::SERVICES), &[])),
        "/networks" => Some((Some(keep::NETWORKS), &["scope"])),
        "/tasks" => Some((Some(keep::TASKS), &["service", "desired-state"])),
        path => {
            let id = path.strip_prefix("/nodes/")?;
            let is_id = id.len() == 25 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            is_id.then_some((Some(keep::NODE), &[][..]))
        }
    }
}

/// The path behind `/v1.NN`. Nothing is decoded or tidied: what does not match to the letter is refused.
fn without_version(path: &str) -> &str {
    let behind = path.strip_prefix("/v1.").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(digits..).filter(|rest| (1..=3).contains(&digits) && rest.starts_with('/'))
    });
    behind.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn judged(
        method: &Method,
        uri: &str,
        header: Option<(HeaderName, &'static str)>,
    ) -> Result<Route, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        judge(method, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn what_the_provider_asks_is_let_through() {
        for uri in [
            "/_ping",
            "/v1.41/version",
            "/v1.41/services",
            "/services",
            "/v1.50/networks?filters=%7B%22scope%22%3A%7B%22swarm%22%3Atrue%7D%7D",
            "/v1.41/tasks?filters=%7B%7D",
            "/tasks?filters=%7B%22desired-state%22%3A%7B%22running%22%3Atrue%7D%2C%22service%22%3A%7B%22x%22%3Atrue%7D%7D",
            "/v1.41/nodes/abcdefghijklmnopqrstuvwx1",
        ] {
            assert!(judged(&Method::GET, uri, None).is_ok(), "{uri}");
        }
        assert!(judged(&Method::HEAD, "/_ping", None).is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        for uri in [
            "/",
            "/secrets",
            "/v1.41/secrets",
            "/configs",
            "/containers/json",
            "/containers/x/archive?path=/",
            "/containers/x/json",
            "/exec/x/json",
            "/swarm",
            "/swarm/unlockkey",
            "/info",
            "/events",
            "/nodes",
            "/nodes/",
            "/nodes/self",
            "/nodes/abcdefghijklmnopqrstuvwx1/",
            "/nodes/abcdefghijklmnopqrstuvwx1/update",
            "/services/x",
            "/services/",
            "/services/x/logs",
            "//services",
            "/./services",
            "/v1.41/../secrets",
            "/v1.41/services/../secrets",
            "/v1.41/%2e%2e/secrets",
            "/v1.41/services%2f..%2fsecrets",
            "/v1.41/v1.41/services",
            "/v1.41services",
            "/v1./services",
            "/v1.1234/services",
            "/v2.0/services",
            "/Services",
            "/services;x",
            "/tasks?filters=1&x=2",
            "/services?insertDefaults=true",
            "/version?filters=1",
            "/services?filters=%7B%22label%22%3A%5B%22secret%3Dguess%22%5D%7D",
            "/tasks?filters=%7B%22label%22%3A%5B%22secret%3Dguess%22%5D%7D",
            "/tasks?filters=%7B%22service%22%3A%5B%22s%22%5D%2C%22%6Cabel%22%3A%5B%22secret%22%5D%7D",
            "/networks?filters=%7B%22label%22%3A%7B%22secret%3Dguess%22%3Atrue%7D%7D",
            "/tasks?filters=%7",
            "http://docker/services",
        ] {
            assert!(judged(&Method::GET, uri, None).is_err(), "{uri} was let through");
        }
    }

    #[test]
    fn methods_bodies_and_upgrades_are_refused_on_allowed_paths() {
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::CONNECT]
        {
            assert!(judged(&method, "/services", None).is_err(), "{method}");
        }
        for (name, value) in [(CONTENT_LENGTH, "1"), (TRANSFER_ENCODING, "chunked"), (UPGRADE, "tcp")] {
            assert!(judged(&Method::GET, "/services", Some((name.clone(), value))).is_err(), "{name}");
        }
        assert!(judged(&Method::GET, "/services", Some((CONTENT_LENGTH, "0"))).is_ok());
    }
}
