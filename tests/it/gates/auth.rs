//! `auth`: a closed door, and everything that only looks like one.

use std::net::SocketAddr;

use holdfast::manifest::{AuthGate, Gate};
use holdfast::report::GateResult;

use super::server::{Reply, http, nobody};
use super::{assert_fails, assert_passes, assert_unknown, run};

/// Answers `door` under `/api/door`, and `other` under every other path.
async fn served(door: &'static str, other: &'static str) -> SocketAddr {
    http(move |head| {
        let at_door = head.split(' ').nth(1) == Some("/api/door");
        let status = if at_door && !head.to_lowercase().contains("authorization:") { door } else { other };
        Reply::close(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    })
    .await
}

async fn ask(at: SocketAddr, url: &str) -> GateResult {
    let gate = AuthGate { url: url.to_owned(), at: vec![at], ..AuthGate::default() };
    run(Gate { auth: Some(gate), ..Gate::default() }).await
}

#[tokio::test]
async fn a_door_is_closed_where_it_answers_401_and_nothing_is_beside_it() {
    let door = "http://ci.example.org/api/door";
    assert_passes(&ask(served("401 Unauthorized", "404 Not Found").await, door).await);
    for (says, other, reason) in [
        ("200 OK", "404 Not Found", "status 200"),
        ("404 Not Found", "404 Not Found", "status 404"),
        ("303 See Other", "404 Not Found", "status 303"),
        ("401 Unauthorized", "401 Unauthorized", "a path beside it that nobody has"),
        ("401 Unauthorized", "200 OK", "a path beside it that nobody has"),
    ] {
        let result = ask(served(says, other).await, door).await;
        assert_fails(&result, reason);
    }
}

#[tokio::test]
async fn nobody_there_is_no_closed_door() {
    assert_fails(&ask(nobody(), "http://ci.example.org/api/door").await, "refused the connection");
    assert_unknown(&ask(nobody(), "ftp://ci.example.org/").await, "does not begin with");
}
