//! Many comments that nobody can be told of.

use serde_json::{Value, json};

use crate::bridge::scripted::{Fault, Scripted, until, wait};
use crate::bridge::service::{Service, delivery};

/// More than the bridge has places.
const CROWD: u64 = 200;
const PLACES: usize = 128;
/// What is written in the repository where the bot may not write.
const DENIED: &str = "POST /api/v1/repos/team/app/issues/";

/// The twin holds its places until all is said, and so works on the oldest that are not done: whether this is one of them.
fn holds(service: &Service, comment: u64) -> bool {
    let journal = rusqlite::Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let sql = "SELECT ?1 IN (SELECT comment FROM task WHERE state <> 'done' ORDER BY id LIMIT ?2)";
    journal.query_row(sql, rusqlite::params![comment, PLACES], |row| row.get(0)).unwrap()
}

/// An honest comment in the other repository has its build, and then its answer.
fn built(scripted: &Scripted, service: &Service, comment: u64) {
    let mut honest = delivery(comment);
    (honest["repository"]["id"], honest["repository"]["full_name"]) = (json!(8), json!("team/other"));
    scripted.write(&honest);
    assert_eq!(service.deliver(&honest), 202);
    until(service, comment, "building");
    assert!(!holds(service, comment), "the twin stands, so this proves nothing");
    let build = scripted.world().builds.len();
    scripted.build_is(build, "success");
    assert_eq!(until(service, comment, "done").as_deref(), Some("success"));
    assert_eq!(told(scripted, comment), 1);
}

/// How many answers there are to a comment.
fn told(scripted: &Scripted, comment: u64) -> usize {
    let mark = format!("<!-- holdfast-bridge:{comment} -->");
    scripted.world().answers.iter().filter(|(_, text)| text.contains(&mark)).count()
}

fn denied(scripted: &Scripted) -> usize {
    let calls = &scripted.world().calls;
    calls.iter().filter(|call| call.starts_with(DENIED) && call.ends_with("/comments")).count()
}

#[test]
fn a_crowd_that_cannot_be_answered_keeps_no_place_from_others() {
    let scripted = Scripted::start();
    let mut service = scripted.bridge(|bridge| bridge["repositories"]["team/other"] = json!({ "id": 8 }));
    scripted.fault(DENIED, usize::MAX, Fault::Status(403));
    let stranger = |comment: u64| {
        let mut sent = delivery(comment);
        sent["repository"]["permissions"]["push"] = Value::Bool(false);
        sent
    };
    for comment in 1..=CROWD {
        assert_eq!(service.deliver(&stranger(comment)), 202);
    }
    wait("as many to be tried as there are places", || denied(&scripted) >= PLACES);
    built(&scripted, &service, CROWD + 1);
    // What waits is found by the next run too, and keeps it from nothing either.
    service.kill();
    let before = denied(&scripted);
    service.again();
    wait("as many to be tried again", || denied(&scripted) >= before + PLACES);
    built(&scripted, &service, CROWD + 2);
    assert!((1..=CROWD).all(|comment| told(&scripted, comment) == 0));
    scripted.world().faults.clear();
    for comment in 1..=CROWD {
        assert_eq!(until(&service, comment, "done").as_deref(), Some("refused:permission"));
        assert_eq!(told(&scripted, comment), 1, "comment {comment}");
    }
    assert_eq!(scripted.world().builds.len(), 2);
}
