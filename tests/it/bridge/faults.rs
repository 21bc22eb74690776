//! One build and one answer for each comment, whatever the forge and Drone do; and a build is followed to its end.

use std::time::{Duration, Instant};

use serde_json::json;

use super::scripted::{Fault, Scripted, stand, until, wait};
use super::service::{HEAD, delivery};

const MAKE: &str = "POST /api/repos/team/app/builds";
const SAY: &str = "POST /api/v1/repos/team/app/issues/12/comments";

/// A name, which calls go wrong how often and how, how the run ends, and how many builds Drone has then.
type Bad = (&'static str, &'static [(&'static str, usize, Fault)], &'static str, usize);

const BAD_DAYS: &[Bad] = &[
    ("Drone is in trouble and makes nothing", &[(MAKE, 2, Fault::Status(502))], "success", 1),
    ("Drone has made a build and does not say so", &[(MAKE, 1, Fault::Dropped)], "success", 1),
    (
        "it has made one, and says something that is no JSON",
        &[(MAKE, 1, Fault::Said("<html>"))],
        "success",
        1,
    ),
    (
        "Drone does not say either which builds there are",
        &[(MAKE, 1, Fault::Dropped), ("GET /api/repos/team/app/builds?", 2, Fault::Status(500))],
        "success",
        1,
    ),
    (
        "the forge is in trouble over every question",
        &[
            ("GET /api/v1/repos/team/app/pulls", 1, Fault::Status(503)),
            ("GET /api/v1/repos/team/app/issues/comments/", 1, Fault::Dropped),
            ("GET /api/v1/repos/team/app", 1, Fault::Said("{}x")),
        ],
        "success",
        1,
    ),
    ("the forge has taken the answer and does not say so", &[(SAY, 1, Fault::Dropped)], "success", 1),
    (
        "reactions are not to be had",
        &[("POST /api/v1/repos/team/app/issues/comments", 9, Fault::Status(500))],
        "success",
        1,
    ),
    (
        "the base repository does not hold the commit yet",
        &[("POST /api/v1/repos/team/app/statuses", 3, Fault::Status(500))],
        "success",
        1,
    ),
    (
        "a build cannot be asked about for a while",
        &[("GET /api/repos/team/app/builds/1", 2, Fault::Status(500))],
        "success",
        1,
    ),
    ("the stream is not to be had", &[("GET /api/stream", 99, Fault::Status(500))], "success", 1),
    ("the stream is silent", &[("GET /api/stream", 99, Fault::Silent)], "success", 1),
];

#[test]
fn a_bad_day_of_the_forge_or_of_drone_is_still_one_build_and_one_answer() {
    std::thread::scope(|scope| {
        for bad in BAD_DAYS {
            scope.spawn(move || bad_day(bad));
        }
    });
}

fn bad_day((name, faults, result, builds): &Bad) {
    let scripted = Scripted::start();
    for (call, times, fault) in *faults {
        scripted.fault(call, *times, fault.clone());
    }
    let service = scripted.bridge(|_| {});
    scripted.comment(&service, 1, "!testme");
    wait(name, || scripted.builds_of(1) > 0);
    until(&service, 1, "building");
    scripted.build_is(1, "success");
    assert_eq!(until(&service, 1, "done").as_deref(), Some(*result), "{name}");
    let world = scripted.world();
    assert_eq!(world.builds.len(), *builds, "{name}: {:?}", world.builds);
    assert_eq!(world.answers.len(), 1, "{name}: {:?}", world.answers);
    assert!(world.answers[0].1.contains("passed on"), "{name}: {:?}", world.answers);
    assert_eq!(world.statuses.last(), Some(&(HEAD.to_owned(), "success".to_owned())), "{name}");
}

#[test]
fn no_build_and_one_in_error_are_told_as_that() {
    for (said, result, answer) in [
        ("null", "nothing", "no pipeline of this repository runs for comments"),
        (r#"{"number":1,"status":"error","error":"yaml: line 1"}"#, "error", "could not be run"),
    ] {
        let scripted = Scripted::start();
        scripted.fault(MAKE, 1, Fault::Said(said));
        let service = scripted.bridge(|_| {});
        scripted.world().no_stream = true;
        scripted.comment(&service, 1, "!testme");
        assert_eq!(until(&service, 1, "done").as_deref(), Some(result));
        let answers = scripted.world().answers.clone();
        assert!(answers.len() == 1 && answers[0].1.contains(answer), "{answers:?}");
    }
}

#[test]
fn the_stream_and_a_signed_call_say_when_to_look_and_a_cut_stream_is_no_loss() {
    let scripted = Scripted::start();
    let service = scripted.bridge(|_| {});
    scripted.comment(&service, 1, "!testme");
    scripted.streamed();
    scripted.build_is(1, "running");
    wait("what the stream told", || service.metric("holdfast_bridge_looks_total{because=\"stream\"}") > 0);
    wait("the answer that it runs", || {
        scripted.world().answers.iter().any(|(_, text)| text.contains("is running"))
    });
    // Nobody tells of the end any more.
    scripted.world().no_stream = true;
    scripted.cut();
    scripted.build_is(1, "success");
    let began = Instant::now();
    assert_eq!(until(&service, 1, "done").as_deref(), Some("success"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    for step in ["accepted", "queued", "picked_up", "done"] {
        assert_eq!(
            service.metric(&format!("holdfast_bridge_run_seconds_count{{step=\"{step}\"}}")),
            1,
            "{step}"
        );
    }
    assert_eq!(service.metric("holdfast_bridge_runs_total{result=\"success\"}"), 1);
    assert_eq!(service.metric("holdfast_bridge_queue_depth"), 0);
}

#[test]
fn a_newer_comment_stops_the_build_of_an_older_one_where_that_is_wanted() {
    let scripted = Scripted::start();
    let mut service = scripted.bridge(|bridge| bridge["policy"]["supersede"] = true.into());
    scripted.comment(&service, 1, "!testme");
    until(&service, 1, "building");
    scripted.build_is(1, "running");
    // What is refused supersedes nothing.
    scripted.world().permission = "read".to_owned();
    scripted.comment(&service, 2, &format!("!testme {}", "b".repeat(40)));
    assert_eq!(until(&service, 2, "done").as_deref(), Some("refused:other_head"));
    assert_eq!(stand(&service, 1).unwrap().0, "building");
    scripted.comment(&service, 3, "!testme");
    assert_eq!(until(&service, 1, "done").as_deref(), Some("superseded"));
    until(&service, 3, "building");
    assert_eq!(scripted.world().builds[0].1, "killed");
    // The same where the bridge was not there to see it.
    service.kill();
    scripted.comment_missed(4);
    service.again();
    assert_eq!(service.deliver(&delivery(4)), 202);
    assert_eq!(until(&service, 3, "done").as_deref(), Some("superseded"));
    until(&service, 4, "building");
    scripted.build_is(3, "success");
    assert_eq!(until(&service, 4, "done").as_deref(), Some("success"));
    let world = scripted.world();
    let said: Vec<&str> = world.answers.iter().map(|(_, text)| text.lines().next().unwrap()).collect();
    assert_eq!(
        said.iter().filter(|text| text.contains("a newer comment asks for another test")).count(),
        2,
        "{said:?}"
    );
    assert_eq!(world.builds.len(), 3);
    // All are of one commit, which is the newest one's to tell of.
    let told: Vec<&str> = world.statuses.iter().map(|(_, state)| state.as_str()).collect();
    assert!(!told.contains(&"error") && told.last() == Some(&"success"), "{told:?}");
}

#[test]
fn a_commit_does_not_wait_for_ever_where_what_has_stopped_its_build_comes_to_none() {
    let scripted = Scripted::start();
    let service = scripted.bridge(|bridge| bridge["policy"]["supersede"] = true.into());
    scripted.comment(&service, 1, "!testme");
    wait("the first status", || !scripted.world().statuses.is_empty());
    // The newer one stands long enough for the older one to see it.
    scripted.fault(MAKE, 1, Fault::Status(502));
    scripted.fault(MAKE, 1, Fault::Said("null"));
    scripted.comment(&service, 2, "!testme");
    assert_eq!(until(&service, 1, "done").as_deref(), Some("superseded"));
    assert_eq!(until(&service, 2, "done").as_deref(), Some("nothing"));
    assert_eq!(scripted.world().statuses.last(), Some(&(HEAD.to_owned(), "error".to_owned())));
}

#[test]
fn a_cancel_is_heard_however_many_builds_are_waited_for() {
    let scripted = Scripted::start();
    let service = scripted.bridge(|bridge| bridge["policy"]["burst"] = 100.into());
    for comment in 1..=20 {
        scripted.comment(&service, comment, "!testme");
    }
    for comment in 1..=20 {
        until(&service, comment, "building");
    }
    scripted.comment(&service, 21, "!testme cancel");
    assert_eq!(until(&service, 21, "done").as_deref(), Some("cancelled:20"));
}

impl Scripted {
    /// Somebody writes a comment that is not delivered.
    fn comment_missed(&self, number: u64) {
        self.write(&delivery(number));
    }
}

#[test]
fn what_is_done_and_old_is_forgotten_and_stays_known() {
    let mut service = super::service::Service::start(|bridge| {
        bridge["policy"] = json!({ "max_age": "1h", "keep": "2h", "burst": 100 });
    });
    assert_eq!([1, 2, 3].map(|comment| service.deliver(&delivery(comment))), [202; 3]);
    service.kill();
    let journal = rusqlite::Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let old = jiff::Timestamp::now().as_millisecond() - 3 * 60 * 60 * 1000;
    journal.execute("UPDATE task SET state = 'done' WHERE comment < 3", []).unwrap();
    journal.execute("UPDATE task SET created = ?1, received = ?1 WHERE comment <> 1", [old]).unwrap();
    drop(journal);
    for token in ["bot", "drone"] {
        std::fs::write(service.file("run/secrets").join(token), "token\n").unwrap();
    }
    service.again();
    // The second is old and done, the first is done, the third is old.
    wait("the old one to be forgotten", || service.journal() == [1, 3]);
    // A clock that went wrong makes it young again: it is known all the same.
    assert_eq!([1, 2, 3, 4].map(|comment| service.deliver(&delivery(comment))), [202; 4]);
    assert_eq!(service.journal(), [1, 3, 4]);
}
