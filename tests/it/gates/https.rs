//! `https`: every expectation with a failing twin, and servers that misbehave.

use std::net::SocketAddr;

use holdfast::manifest::{Gate, HttpsGate, Redirect};
use holdfast::report::GateResult;

use super::pki::{Ca, Files, Wish};
use super::server::{Reply, Then, Tls, http, nobody, says};
use super::{assert_fails, assert_passes, assert_unknown, run};

fn page(head: &str) -> Reply {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let simple = |status: &str, headers: &str, body: &str| {
        Reply::close(&format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    match path.as_str() {
        "/" => simple(
            "200 OK",
            "X-Frame: DENY\r\nX-Many: a\r\nX-Many: b\r\nSet-Cookie: s=canary\r\n",
            "<h1>hello</h1>",
        ),
        "/error" => simple("200 OK", "", "Internal error: no database"),
        "/missing" => simple("404 Not Found", "", "no"),
        "/old" => simple("301 Moved Permanently", "Location: /new\r\n", ""),
        "/new" => simple("302 Found", "Location: /\r\n", ""),
        "/loop" => simple("302 Found", "Location: /loop\r\n", ""),
        "/gzip" => simple("200 OK", "Content-Encoding: gzip\r\n", "\u{1f}bomb"),
        "/host" => {
            let host = head.lines().find(|line| line.starts_with("host:")).unwrap_or_default();
            simple("200 OK", "", host)
        }
        "/endless" => Reply {
            bytes: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            then: Then::Repeat(format!("8000\r\n{}\r\n", "x".repeat(0x8000)).into_bytes()),
        },
        "/slow" => {
            Reply { bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal".to_vec(), then: Then::Hold }
        }
        "/torn" => Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal"),
        _ => Reply { bytes: Vec::new(), then: Then::Hold },
    }
}

async fn ask(at: SocketAddr, path: &str, change: impl FnOnce(&mut HttpsGate)) -> GateResult {
    let mut gate =
        HttpsGate { url: format!("http://app.example.org{path}"), at: vec![at], ..HttpsGate::default() };
    change(&mut gate);
    run(Gate { https: Some(gate), ..Gate::default() }).await
}

fn list(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

#[tokio::test]
async fn statuses_hold_exactly_or_by_class() {
    let at = http(page).await;
    assert_passes(&ask(at, "/", |gate| gate.status = list("200")).await);
    assert_passes(&ask(at, "/missing", |gate| gate.status = list("4xx")).await);
    assert_passes(&ask(at, "/missing", |gate| gate.status_not = list("200")).await);
    assert_fails(&ask(at, "/missing", |gate| gate.status = list("200")).await, "status 404, expected 200");
    assert_fails(&ask(at, "/", |gate| gate.status_not = list("2xx")).await, "expected anything but 2xx");
}

#[tokio::test]
async fn headers_must_match_or_be_absent() {
    let at = http(page).await;
    let header = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    assert_passes(&ask(at, "/", |gate| gate.headers = header("x-frame", "^DENY$")).await);
    assert_passes(&ask(at, "/", |gate| gate.headers = header("X-Many", "^b$")).await);
    assert_passes(&ask(at, "/", |gate| gate.headers_not = list("Server")).await);
    let wrong = ask(at, "/", |gate| gate.headers = header("x-frame", "^SAMEORIGIN$")).await;
    assert_fails(&wrong, "header `x-frame`: `DENY` does not match");
    let none = ask(at, "/", |gate| gate.headers = header("x-none", ".")).await;
    assert_fails(&none, "header `x-none` is missing");
    assert_fails(&ask(at, "/", |gate| gate.headers_not = list("X-Frame")).await, "is there and must not be");
    let cookie = ask(at, "/", |gate| gate.headers = header("set-cookie", "^t=")).await;
    assert_fails(&cookie, "header `set-cookie`: its value does not match");
    assert!(!serde_json::to_string(&cookie).unwrap().contains("canary"), "a cookie's value is in the report");
}

#[tokio::test]
async fn bodies_must_match_even_behind_a_200() {
    let at = http(page).await;
    assert_passes(&ask(at, "/", |gate| gate.body = Some("hello".to_owned())).await);
    assert_passes(&ask(at, "/", |gate| gate.body_not = Some("error".to_owned())).await);
    let wrong = ask(at, "/error", |gate| gate.body = Some("hello".to_owned())).await;
    assert_fails(&wrong, "the body does not match `hello`; it begins with \"Internal error: no database\"");
    let bad = ask(at, "/error", |gate| gate.body_not = Some("(?i)error".to_owned())).await;
    assert_fails(&bad, "the body matches `(?i)error` and must not");
    let gzip = ask(at, "/gzip", |gate| gate.body = Some("x".to_owned())).await;
    assert_fails(&gzip, "comes `gzip`-encoded although that was not asked for");
}

#[tokio::test]
async fn bodies_that_do_not_end_are_bounded() {
    let at = http(page).await;
    assert_passes(&ask(at, "/endless", |gate| gate.status = list("200")).await);
    assert_passes(&ask(at, "/endless", |gate| gate.body = Some("^x+$".to_owned())).await);
    let endless = ask(at, "/endless", |gate| gate.body_not = Some("y".to_owned())).await;
    assert_unknown(&endless, "longer than the 1048576 bytes that are read");
    let slow = ask(at, "/slow", |gate| gate.body = Some("hal".to_owned())).await;
    assert_fails(&slow, "the body did not end in time (3 bytes came)");
    let torn = ask(at, "/torn", |gate| gate.body = Some("hal".to_owned())).await;
    assert_fails(&torn, "the body broke off after 3 bytes");
}

#[tokio::test]
async fn redirects_are_asserted_and_followed_only_when_asked() {
    let at = http(page).await;
    let to = |to: &str, status| Some(Redirect { to: to.to_owned(), status });
    assert_passes(&ask(at, "/old", |gate| gate.redirect = to("/new", Some(301))).await);
    assert_passes(&ask(at, "/old", |gate| gate.redirect = to("/new", None)).await);
    assert_passes(&ask(at, "/old", |gate| gate.status = list("301")).await);
    assert_fails(
        &ask(at, "/old", |gate| gate.redirect = to("/other", None)).await,
        "redirect to `/new`, expected `/other`",
    );
    assert_fails(
        &ask(at, "/old", |gate| gate.redirect = to("/new", Some(308))).await,
        "with status 301, expected 308",
    );
    assert_fails(
        &ask(at, "/", |gate| gate.redirect = to("/new", None)).await,
        "status 200, expected a redirect",
    );
    let follow = |hops| {
        move |gate: &mut HttpsGate| {
            gate.status = list("200");
            gate.follow = hops;
        }
    };
    assert_passes(&ask(at, "/old", follow(2)).await);
    assert_fails(&ask(at, "/old", follow(1)).await, "more than 1 redirects; the last leads to `/`");
    assert_fails(&ask(at, "/loop", follow(5)).await, "more than 5 redirects; the last leads to `/loop`");
}

/// A server that is followed to is not the one that the gate's credentials are for.
#[tokio::test]
async fn request_headers_stay_with_the_server_that_they_are_for() {
    let other = http(|head| {
        let leaked = head.to_lowercase().contains("canary");
        let status = if leaked { "500 Leaked" } else { "200 OK" };
        Reply::close(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    });
    let other = other.await;
    let first = http(move |head| {
        let there = if head.starts_with("GET /away") {
            format!("HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n")
        } else if head.starts_with("GET /here") {
            "HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            let status = if head.contains("canary") { "200 OK" } else { "401 Unauthorized" };
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
        };
        Reply::close(&there)
    });
    let first = first.await;
    let follow = |gate: &mut HttpsGate| {
        gate.status = list("200");
        gate.follow = 1;
        gate.request_headers = [("Authorization".to_owned(), "Bearer canary".to_owned())].into();
    };
    assert_passes(&ask(first, "/away", follow).await);
    assert_passes(&ask(first, "/here", follow).await);
}

#[tokio::test]
async fn a_redirect_out_of_tls_is_not_followed() {
    let (root, files) = (Ca::root("Lab Root"), Files::new());
    let ca = files.put("root.pem", &root.pem);
    let plain = http(page).await;
    let at = Tls::new(root.leaf(&Wish::default()), &[]).start_http(move |_| {
        Reply::close(&format!("HTTP/1.1 302 Found\r\nLocation: http://{plain}/\r\nContent-Length: 0\r\n\r\n"))
    });
    let at = at.await;
    let gate = ask(at, "/", |gate| {
        gate.url = "https://app.example.org/".to_owned();
        gate.ca = Some(ca);
        gate.status = list("200");
        gate.follow = 1;
    });
    assert_fails(&gate.await, "leads out of TLS");
}

#[tokio::test]
async fn the_name_is_asked_for_at_the_given_address() {
    let at = http(page).await;
    let host = ask(at, "/host", |gate| gate.body = Some("^host: app.example.org$".to_owned())).await;
    assert_passes(&host);
    let given = ask(at, "/host", |gate| {
        gate.request_headers = [("Host".to_owned(), "b.example.org".to_owned())].into();
        gate.body = Some("^Host: b.example.org$|^host: b.example.org$".to_owned());
    });
    assert_passes(&given.await);
}

#[tokio::test]
async fn what_keeps_it_from_an_answer_is_told_apart() {
    let status = |gate: &mut HttpsGate| gate.status = list("200");
    assert_fails(&ask(nobody(), "/", status).await, "refused the connection");
    assert_fails(
        &ask(says(b"").await, "/", status).await,
        "http://app.example.org/ did not answer within 1.5s",
    );
    assert_fails(&ask(says(b"SSH-2.0-x\r\n").await, "/", status).await, "something that is not HTTP");
    let closes = http(|_| Reply::close("")).await;
    assert_fails(&ask(closes, "/", status).await, "closed the connection without an answer");
    let no_name = ask(closes, "/", |gate| {
        gate.url = "http://nowhere.invalid/".to_owned();
        gate.at = Vec::new();
        status(gate);
    });
    assert_fails(&no_name.await, "`nowhere.invalid`");
}

#[tokio::test]
async fn https_verifies_before_it_asks() {
    let (root, files) = (Ca::root("Lab Root"), Files::new());
    let ca = files.put("root.pem", &root.pem);
    let gate = async |leaf, ca| {
        let at = Tls::new(leaf, &[]).start_http(page).await;
        let gate = HttpsGate {
            url: "https://app.example.org/".to_owned(),
            at: vec![at],
            ca: Some(ca),
            body: Some("hello".to_owned()),
            ..HttpsGate::default()
        };
        run(Gate { https: Some(gate), ..Gate::default() }).await
    };
    assert_passes(&gate(root.leaf(&Wish::default()), ca.clone()).await);
    let expired = gate(root.leaf(&Wish { from: -9, to: -2, ..Wish::default() }), ca.clone()).await;
    assert_fails(&expired, "certificate expired");
    assert!(expired.observed.to_string().contains("CN=Lab Root"), "the chain is not recorded");
    let name = gate(root.leaf(&Wish { names: &["b.example.org"], ..Wish::default() }), ca.clone()).await;
    assert_fails(&name, "certificate for another name");
    assert_fails(&gate(Wish::default().self_signed(), ca).await, "self-signed certificate");
}

#[tokio::test]
async fn what_expects_nothing_or_nonsense_cannot_run() {
    let at = nobody();
    assert_unknown(&ask(at, "/", |_| {}).await, "it expects nothing");
    assert_unknown(&ask(at, "/", |gate| gate.status = list("2x")).await, "`2x` is not a status");
    assert_unknown(
        &ask(at, "/", |gate| gate.body = Some("[".to_owned())).await,
        "is not a regular expression",
    );
    assert_unknown(&ask(at, "/", |gate| gate.url = "example.org".to_owned()).await, "does not begin with");
    assert_unknown(&run(Gate::default()).await, "it says no kind");
    let both = Gate {
        https: Some(HttpsGate {
            url: "http://a.example.org".to_owned(),
            status: list("200"),
            ..HttpsGate::default()
        }),
        swarm: Some(holdfast::manifest::SwarmGate::default()),
        ..Gate::default()
    };
    assert_unknown(&run(both).await, "more than one kind");
}
