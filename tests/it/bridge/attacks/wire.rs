//! Requests that a proxy and a server may read differently: what one of them takes for a body is a request to the other.

use serde_json::json;

use super::{SIGNATURE, Seen};
use crate::bridge::service::{SECRET, Service, ask, body, delivery, hex, request};

/// Header lines, what follows them, and the body that a naive server makes of it.
type Trick = (&'static str, Vec<String>, Vec<u8>, fn(&Seen<'_>) -> Vec<u8>);

/// By the length, whatever else is said.
fn by_length(seen: &Seen<'_>) -> Vec<u8> {
    let length: usize = seen.first("content-length").parse().unwrap();
    seen.body[..length].to_vec()
}

/// One chunk, its length in a number that is too small for it.
fn by_chunk(seen: &Seen<'_>) -> Vec<u8> {
    let end = seen.body.windows(2).position(|two| two == b"\r\n").unwrap();
    let digits = std::str::from_utf8(&seen.body[..end]).unwrap().chars();
    let length =
        digits.fold(0_u64, |all, digit| all.wrapping_mul(16) + u64::from(digit.to_digit(16).unwrap()));
    seen.body[end + 2..][..usize::try_from(length).unwrap()].to_vec()
}

fn chunked(digits: &str, body: &[u8]) -> Vec<u8> {
    [digits.as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"].concat()
}

fn tricks() -> Vec<Trick> {
    let payload = body(&delivery(1));
    let signature = format!("{SIGNATURE}: {}", hex(SECRET, &payload));
    let length = payload.len();
    let with =
        |lines: &[&str]| [vec![signature.clone()], lines.iter().map(|l| (*l).to_owned()).collect()].concat();
    let right = format!("content-length: {length}");
    let encoding = "transfer-encoding: chunked";
    vec![
        ("two lengths", with(&[&right, "content-length: 1"]), payload.clone(), by_length),
        ("a length with a sign", with(&[&format!("content-length: +{length}")]), payload.clone(), by_length),
        ("a length, and chunks that are none", with(&[&right, encoding]), payload.clone(), by_length),
        ("an encoding in place of a length", with(&["transfer-encoding: gzip"]), payload.clone(), |seen| {
            seen.body.to_vec()
        }),
        (
            "a chunk whose length is too large for a number",
            with(&[encoding]),
            chunked(&format!("1{length:016x}"), &payload),
            by_chunk,
        ),
        (
            "a blank behind a header's name",
            with(&["transfer-encoding : chunked"]),
            chunked(&format!("{length:x}"), &payload),
            by_chunk,
        ),
        ("a signature on a second line", vec![signature.replace(": ", ":\r\n "), right], payload, by_length),
    ]
}

pub(super) fn names() -> Vec<&'static str> {
    tricks().into_iter().map(|trick| trick.0).collect()
}

#[test]
fn requests_that_a_proxy_and_a_server_may_read_differently_are_refused() {
    let service = Service::start(|_| {});
    let signature = hex(SECRET, &body(&delivery(1)));
    for (name, headers, wire, twin) in tricks() {
        let lines: Vec<&str> =
            headers.iter().map(String::as_str).chain(["content-type: application/json"]).collect();
        assert_eq!(ask(service.hook, &request(&lines, &wire)).0, 400, "{name}");
        let read = twin(&Seen { headers: &headers, body: &wire });
        assert_eq!(hex(SECRET, &read), signature, "{name}: the twin stands, so this proves nothing");
    }
    assert_eq!(service.journal(), Vec::<i64>::new());
}

#[test]
fn what_is_hidden_behind_chunks_is_a_request_without_a_signature() {
    let service = Service::start(|bridge| bridge["limits"] = json!({ "body": 100_000 }));
    let payload = body(&delivery(1));
    let signature = format!("{SIGNATURE}: {}", hex(SECRET, &payload));
    let json = "content-type: application/json";
    let whole = chunked(&format!("{:x}", payload.len()), &payload);
    let status = |headers: &[&str], body: &[u8]| ask(service.hook, &request(headers, body)).0;
    assert_eq!(status(&[json, &signature, "transfer-encoding: chunked"], &whole), 202, "an honest one");
    // Chunks go before a length, as the standard has it.
    let hidden = [whole.as_slice(), b"POST /hook HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
    let two = [json, &signature, "content-length: 4", "transfer-encoding: chunked"];
    assert_eq!(status(&two, &hidden), 202);
    assert_eq!(service.journal(), [1]);
    let headers = two.map(str::to_owned);
    let after = &hidden[by_length(&Seen { headers: &headers, body: &hidden }).len()..];
    assert!(
        after.ends_with(b"POST /hook HTTP/1.1\r\nhost: x\r\n\r\n"),
        "the twin reads on as if it were a request"
    );
}

#[test]
fn another_path_or_method_is_no_delivery() {
    let service = Service::start(|_| {});
    let payload = body(&delivery(1));
    let signature = format!("{SIGNATURE}: {}", hex(SECRET, &payload));
    let length = format!("content-length: {}", payload.len());
    let good = request(&[&signature, &length, "content-type: application/json"], &payload);
    let good = String::from_utf8(good).unwrap();
    let twin = |line: &str| line.contains("hook");
    for (line, status) in [
        ("GET /hook", 405),
        ("PUT /hook", 405),
        ("GET /hook HTTP/1.1\r\nx-http-method-override: POST\r\nx:", 405),
        ("POST /hook/../hook", 404),
        ("POST //hook", 404),
        ("POST /hook/", 404),
        ("POST /%68ook/hook", 404),
    ] {
        let other = good.replacen("POST /hook", line, 1);
        assert_eq!(ask(service.hook, other.as_bytes()).0, status, "{line}");
        assert!(twin(line), "{line}: the twin stands, so this proves nothing");
    }
    assert_eq!(service.journal(), Vec::<i64>::new());
    assert_eq!(ask(service.hook, good.as_bytes()).0, 202);
}
