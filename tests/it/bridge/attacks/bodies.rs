//! Bodies that are made to hurt who reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::bridge::service::{Service, ask, body, delivery, signed};

/// A signed body, and the naive reader that obeys it, or dies of it.
type Hurting = (&'static str, Vec<u8>, fn(&[u8]) -> bool);

/// Whether a map that keeps the last of two values, and takes any bytes for text, finds a command that was just written.
fn obeys(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    serde_json::from_str::<Value>(&text).is_ok_and(|read| {
        read["action"] == "created" && read["comment"]["body"].as_str().unwrap().contains("!testme")
    })
}

/// Whether Python's own reader dies of it.
fn kills_python(body: &[u8]) -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import json, sys; json.loads(sys.stdin.buffer.read())"]);
    python.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = python.spawn().expect("`python3` cannot be run; run `make setup`");
    child.stdin.take().unwrap().write_all(body).unwrap();
    let output = child.wait_with_output().unwrap();
    !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("RecursionError")
}

fn hurting() -> Vec<Hurting> {
    let good = body(&delivery(1));
    let text = String::from_utf8(good.clone()).unwrap();
    let deep = format!("{{\"issue\":{}1{},\"comment\":1}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let at = text.find("!testme").unwrap() + "!testme".len();
    let no_text = [&good[..at], &[0xff], &good[at..]].concat();
    let unseen = [&good[..1], b"\"x\":\"\xff\",", &good[1..]].concat();
    vec![
        ("a million brackets", deep.into_bytes(), kills_python),
        ("a key that stands twice", text.replacen('{', "{\"action\": \"edited\",", 1).into_bytes(), obeys),
        ("bytes that are no text", no_text, obeys),
        ("bytes that are no text where nobody looks", unseen, obeys),
    ]
}

pub(super) fn names() -> Vec<&'static str> {
    hurting().into_iter().map(|one| one.0).collect()
}

#[test]
fn bodies_made_to_hurt_are_refused_and_the_next_delivery_is_taken() {
    let service = Service::start(|_| {});
    let status = |payload: &[u8]| ask(service.hook, &signed(payload)).0;
    for (name, payload, twin) in hurting() {
        assert_eq!(status(&payload), 400, "{name}");
        assert!(twin(&payload), "{name}: the twin stands, so this proves nothing");
    }
    for nothing in [&b"{"[..], b"", b"null", b"[]", &[0xff; 1000], b"{\"issue\":{},\"comment\":{}}"] {
        assert_eq!(status(nothing), 400, "{nothing:?}");
    }
    for (pointer, value) in [
        ("/comment/id", json!(1e300)),
        ("/comment/id", json!(-1)),
        ("/comment/id", json!("1")),
        ("/comment/user/id", json!(u64::MAX)),
        ("/issue/number", json!(0)),
        ("/repository/id", json!([7])),
        ("/comment/body", json!({ "$gt": "" })),
    ] {
        let mut odd = delivery(1);
        *odd.pointer_mut(pointer).unwrap() = value;
        assert_eq!(status(&body(&odd)), 400, "{odd}");
    }
    assert_eq!(service.deliver(&delivery(2)), 202);
    assert_eq!(service.journal(), [2]);
}

#[test]
fn a_delivery_longer_than_may_be_is_not_read() {
    let service = Service::start(|_| {});
    let mut long = delivery(1);
    long["issue"]["body"] = json!("x".repeat(7 << 20));
    assert_eq!(service.deliver(&long), 202, "a long pull request is an honest one");
    long["comment"]["id"] = json!(2);
    long["issue"]["body"] = json!("x".repeat(9 << 20));
    assert_eq!(service.deliver(&long), 413);
    assert_eq!(service.journal(), [1]);
    assert!(obeys(&body(&long)), "the twin stands, so this proves nothing");
}

#[test]
fn two_comments_whose_numbers_differ_in_the_last_digit_are_two() {
    let service = Service::start(|_| {});
    let [first, second] = [9_007_199_254_740_992_i64, 9_007_199_254_740_993];
    for comment in [first, second] {
        assert_eq!(service.deliver(&delivery(comment.unsigned_abs())), 202);
    }
    assert_eq!(service.journal(), [first, second]);
    let float = |comment: i64| comment.to_string().parse::<f64>().unwrap().to_bits();
    assert_eq!(float(first), float(second), "the twin stands, so this proves nothing");
}
