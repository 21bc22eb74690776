//! From a comment on a real Gitea to the build of a real Drone, by the clocks of this machine. A part of `make bench`.

use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::Connection;

use super::lab::{Lab, MAINTAINER};

const ROUNDS: usize = 11;

/// What is measured, each from the moment in which the comment is sent to Gitea.
const STEPS: [&str; 4] = [
    "Gitea has answered who comments",
    "Gitea's delivery is at the bridge",
    "Drone has made the build, and said so",
    "the build has ended, and the answer on the pull request says how",
];

/// Median and least of milliseconds, as cells.
fn cells(mut times: Vec<i64>) -> String {
    times.sort_unstable();
    format!("{} ms | {} ms", times[times.len() / 2], times[0])
}

#[test]
#[ignore = "a measurement, which `make bench` takes"]
fn from_a_comment_to_a_build() {
    let lab = Lab::start();
    let pull = lab.pull("good", "true\n");
    let rounds: Vec<[i64; STEPS.len()]> = (0..ROUNDS)
        .map(|_| {
            let began = Timestamp::now().as_millisecond();
            let comment = lab.comment(MAINTAINER, &pull, "!testme");
            let answered = Timestamp::now().as_millisecond();
            assert_eq!(lab.end(comment).result.as_deref(), Some("success"));
            assert_eq!(lab.builds(comment).len(), 1);
            let journal = Connection::open(lab.bridge.file("state/bridge/journal.db")).unwrap();
            let sql = "SELECT received, queued, told FROM task WHERE comment = ?";
            let times: [i64; 3] =
                journal.query_row(sql, [comment], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).unwrap();
            let [received, queued, told] = times;
            [answered, received, queued, told].map(|time| time - began)
        })
        .collect();
    let mut rows = String::new();
    for (at, step) in STEPS.iter().enumerate() {
        let times = rounds.iter().map(|round| round[at]).collect();
        writeln!(rows, "| {step} | {} |", cells(times)).unwrap();
    }
    let place =
        std::env::var_os("HOLDFAST_BENCH_COMMENT").expect("HOLDFAST_BENCH_COMMENT names a file for the rows");
    std::fs::write(place, rows).unwrap();
}
