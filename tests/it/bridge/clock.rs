//! Proves: a clock that is wrong, or is set while the bridge runs, loses no comment and makes no second build.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::Value;

use super::scripted::{Scripted, until, wait};
use super::service::{Service, delivery};

const DAY: i64 = 24 * 60 * 60;

/// The wall clock of programs that are started with it.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// One that is right.
    fn new(service: &Service) -> Self {
        let (file, library) = (service.file("clock"), service.file("clock.so"));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg("tests/it/bridge/clock.c");
        let made = cc.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(made.expect("`cc` cannot be run; run `make setup`").success());
        let clock = Self { file, library };
        clock.set(0);
        clock
    }

    /// It is wrong by so many seconds from now on.
    fn set(&self, seconds: i64) {
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&self.file);
        file.unwrap().write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// The bridge starts by this clock.
    fn start(&self, service: &mut Service) {
        service.kill();
        service.again_with(&[("CLOCK", self.file.as_os_str()), ("LD_PRELOAD", self.library.as_os_str())]);
    }
}

/// A delivery of a comment that is half an hour old, by the forge's clock, which is right.
fn of_before(number: u64) -> Value {
    let then = Timestamp::now() - SignedDuration::from_mins(30);
    let then = Value::from(then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let mut sent = delivery(number);
    (sent["comment"]["created_at"], sent["comment"]["updated_at"]) = (then.clone(), then);
    sent
}

/// How far the clock was off when the bridge took a comment.
fn off(service: &Service, comment: u64) -> i64 {
    let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let sql = "SELECT received / 1000 FROM task WHERE comment = ?";
    let received: i64 = journal.query_row(sql, [comment], |row| row.get(0)).unwrap();
    received - Timestamp::now().as_second()
}

/// How far its comments were read last, by the clock of then.
fn swept(service: &Service) -> i64 {
    let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
    let sql = "SELECT coalesce(max(until), 0) / 1000 FROM swept";
    journal.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_clock_that_is_set_while_it_runs_ends_no_build_loses_no_comment_and_makes_no_second_build() {
    let scripted = Scripted::start();
    let mut service = scripted.bridge(|_| {});
    let clock = Clock::new(&service);
    clock.start(&mut service);

    // Ahead by more than the age of a comment that is obeyed: what is built is built to its end.
    scripted.comment(&service, 1, "!testme");
    until(&service, 1, "building");
    clock.set(25 * 60 * 60);
    scripted.build_is(1, "success");
    assert_eq!(until(&service, 1, "done").as_deref(), Some("success"));
    // What comes now seems too old, and waits for the right time.
    let early = of_before(2);
    scripted.write(&early);
    assert_eq!(service.deliver(&early), 202);
    assert_eq!(service.metric(r#"holdfast_bridge_verdicts_total{verdict="ignored",reason="age"}"#), 1);
    // It starts anew with that clock, and reads all comments by it.
    clock.start(&mut service);
    wait("a sweep of tomorrow", || swept(&service) > Timestamp::now().as_second() + DAY);

    // Behind by two days: nothing is new that was known, and what comes is taken.
    clock.set(-2 * DAY);
    let again = scripted.world().comments[0].clone();
    let mut known = delivery(1);
    (known["comment"]["created_at"], known["comment"]["updated_at"]) =
        (again.3.clone().into(), again.3.into());
    assert_eq!(service.deliver(&known), 202);
    scripted.comment(&service, 3, "!testme");
    until(&service, 3, "building");
    assert!(off(&service, 3) < 60 - 2 * DAY, "the clock was not set");
    scripted.build_is(2, "success");
    assert_eq!(until(&service, 3, "done").as_deref(), Some("success"));
    assert_eq!(service.journal(), [1, 3]);

    // Right again: what seemed too old is found.
    clock.set(0);
    clock.start(&mut service);
    until(&service, 2, "building");
    scripted.build_is(3, "success");
    assert_eq!(until(&service, 2, "done").as_deref(), Some("success"));
    assert_eq!([1, 2, 3].map(|comment| scripted.builds_of(comment)), [1; 3]);
    assert_eq!(scripted.world().answers.len(), 3);
}
