//! What a pull request gets to read.

use super::*;
use crate::bridge::command::Command;
use crate::bridge::commit::Commit;
use crate::bridge::journal::{Entry, State, Times, Work};
use crate::bridge::judge::Task;

fn row(result: &str) -> Row {
    let task = Task {
        repository: 7,
        full_name: "team/app".to_owned(),
        pull: 12,
        comment: 1001,
        user: 3,
        login: "maria".to_owned(),
        head: Commit::new(&"a".repeat(40)),
        created: "2026-03-01T10:00:00Z".parse().unwrap(),
    };
    let received = task.created;
    Row {
        id: 1,
        entry: Entry {
            forge: "https://git.example.org".to_owned(),
            task,
            work: Work::Obey(Command::Cancel),
            received,
        },
        state: State::Telling,
        build: Some(4),
        answer: None,
        result: Some(result.to_owned()),
        times: Times::default(),
    }
}

fn said(result: &str, log: Option<(&str, &str)>) -> String {
    let row = row(result);
    let build = Build { number: 4, started: 10, finished: 85, ..Build::default() };
    end(&Report {
        row: &row,
        build: Some(&build),
        link: Some("https://ci.example.org/team/app/4".to_owned()),
        trigger: "!testme",
        parameter: None,
        log: log.map(|(step, log)| (step.to_owned(), log.to_owned())),
    })
}

#[test]
fn a_result_is_one_line_with_link_commit_and_duration() {
    let sha = "a".repeat(40);
    assert_eq!(
        said("success", None),
        format!("[Build 4](https://ci.example.org/team/app/4) passed on {sha} after 1 min 15 s.")
    );
    assert!(said("failure", None).contains("failed on"));
    assert!(said("refused:moved", None).starts_with("Not tested: the pull request was pushed to"));
    assert!(said("refused:word", None).contains("`!testme cancel`"));
    assert_eq!(said("cancelled:2", None), "Stopped 2 builds.");
}

#[test]
fn a_log_cannot_leave_its_fence_mention_anybody_or_show_a_secret() {
    let hostile = "```\n@everyone ![x](https://example.org/x)\n````\n<script>";
    let text = said("failure", Some(("te`st](x) @all", hostile)));
    let fence = "`".repeat(5);
    assert_eq!(text.matches(&fence).count(), 2, "{text}");
    assert!(text.ends_with(&fence), "{text}");
    assert!(text.contains("step `testx all`"), "{text}");
    let secret = SecretBytes::new(b"hunter22".to_vec());
    let log = format!("{}token hunter22\u{1b}[31m end\r\n", "line\n".repeat(100));
    let kept = tail(&log, &[secret]);
    assert!(kept.ends_with("token ***[31m end"), "{kept:?}");
    assert_eq!(kept.lines().count(), LINES);
    assert!(tail(&"ä".repeat(9000), &[]).len() <= BYTES);
    assert_eq!(tail("", &[]), "");
}
