//! Who writes much, and where it is read.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;

use crate::bridge::scripted::{Fault, Scripted, until};
use crate::bridge::service::{HEAD, delivery};

/// Bytes of an answer that are read, by the bridge and by its twins.
const MOST: usize = 16 << 20;
/// The page of comments that is asked for first.
const PAGE: &str = "/api/v1/repos/team/app/issues/comments?since=2020-01-01T00:00:00Z&page=1&limit=50";
const LOG: &str = "/api/repos/team/app/builds/1/logs/1/2";

/// A twin reads an answer as long as one may be; whether it has read it all.
fn reads(address: SocketAddr, target: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.take(MOST as u64 + 1).read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "the twin is not answered");
    answer.len() <= MOST
}

#[test]
fn long_comments_of_strangers_keep_nobody_from_an_answer() {
    let scripted = Scripted::start();
    let stranger = |comment: u64, length: usize| {
        let mut sent = delivery(comment);
        sent["comment"]["user"]["login"] = "ana".into();
        sent["comment"]["body"] = "x".repeat(length).into();
        scripted.write(&sent);
    };
    (1..=52).for_each(|comment| stranger(comment, 350_000));
    // One that nobody can read in any way.
    stranger(53, MOST);
    let mut missed = delivery(54);
    missed["comment"]["created_at"] = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5))
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
        .into();
    scripted.write(&missed);
    let service = scripted.bridge(|_| {});
    assert_eq!(until(&service, 54, "building"), None);
    scripted.comment(&service, 55, "!testme");
    until(&service, 55, "building");
    scripted.build_is(1, "success");
    scripted.build_is(2, "success");
    assert_eq!([54, 55].map(|comment| until(&service, comment, "done").unwrap()), ["success", "success"]);
    assert_eq!(scripted.world().answers.len(), 2);
    assert!(!reads(scripted.address, PAGE), "the twin stands, so this proves nothing");
}

#[test]
fn a_log_that_is_too_long_or_not_to_be_had_is_no_reason_to_say_nothing() {
    let line = json!([{ "pos": 0, "out": "x".repeat(MOST), "time": 0 }]).to_string();
    for fault in [Fault::Said(line.leak()), Fault::Status(500)] {
        let scripted = Scripted::start();
        scripted.fault("GET /api/repos/team/app/builds/1/logs", usize::MAX, fault.clone());
        let service = scripted.bridge(|_| {});
        scripted.world().fails_in_a_step = true;
        scripted.comment(&service, 1, "!testme");
        until(&service, 1, "building");
        scripted.build_is(1, "failure");
        assert_eq!(until(&service, 1, "done").as_deref(), Some("failure"));
        let world = scripted.world();
        assert!(
            world.answers.len() == 1 && world.answers[0].1.contains(" failed on "),
            "{:?}",
            world.answers
        );
        assert_eq!(world.statuses.last(), Some(&(HEAD.to_owned(), "failure".to_owned())));
        drop(world);
        if matches!(fault, Fault::Said(_)) {
            assert!(!reads(scripted.address, LOG), "the twin stands, so this proves nothing");
        }
    }
}
