//! The words of the bridge's comments. Nothing that a user wrote gets into them, except the end of a log, in a fence that
//! it cannot leave.

use crate::bridge::journal::Row;
use crate::forge;
use crate::forge::drone::Build;
use crate::secrets::SecretBytes;

/// Lines and bytes of a log that are shown.
const LINES: usize = 40;
const BYTES: usize = 4000;
/// A secret shorter than this would blot out innocent text.
const SHORTEST: usize = 6;

/// What is told.
pub(super) struct Report<'r> {
    /// The task.
    pub(super) row: &'r Row,
    /// Its build.
    pub(super) build: Option<&'r Build>,
    /// Where people look at the build.
    pub(super) link: Option<String>,
    /// The word that commands begin with.
    pub(super) trigger: &'r str,
    /// The parameter that a refusal is about.
    pub(super) parameter: Option<&'r str>,
    /// The step that failed, and the end of its log.
    pub(super) log: Option<(String, String)>,
}

/// A line that nobody sees and that tells which comment is answered.
pub(super) fn mark(comment: u64) -> String {
    format!("<!-- holdfast-bridge:{comment} -->")
}

/// How far a build is.
pub(super) fn progress(report: &Report<'_>) -> String {
    let state = match report.build.map(|build| build.status.as_str()) {
        Some("running") => "is running",
        Some("blocked") => "waits for approval",
        _ => "is queued",
    };
    format!("{} {state}{}.", subject(report), commit(report))
}

/// How it ended.
pub(super) fn end(report: &Report<'_>) -> String {
    let result = report.row.result.as_deref().unwrap_or_default();
    if let Some(reason) = result.strip_prefix("refused:") {
        return refusal(reason, report);
    }
    if let Some(count) = result.strip_prefix("cancelled:") {
        return match count {
            "0" => "Nothing was running.".to_owned(),
            "1" => "Stopped one build.".to_owned(),
            count => format!("Stopped {count} builds."),
        };
    }
    let outcome = match result {
        "success" => "passed",
        "killed" => "was stopped",
        "superseded" if report.row.build.is_none() => {
            return "Not tested: a newer comment asks for another test.".to_owned();
        }
        "superseded" => "was stopped, since a newer comment asks for another test",
        "nothing" => return "Not tested: no pipeline of this repository runs for comments.".to_owned(),
        "no_build" => return "Not tested: Drone makes no build for this repository.".to_owned(),
        "late" => return "Not tested: this could not be done for too long.".to_owned(),
        "gone" => "is gone from Drone",
        "error" => "could not be run",
        _ => "failed",
    };
    let mut text = format!("{} {outcome}{}{}.", subject(report), commit(report), duration(report));
    if result == "error" && report.log.is_none() {
        text += " Drone says why on its page.";
    }
    if let Some((step, log)) = &report.log {
        let fence = "`".repeat(longest_run(log).max(2) + 1);
        let step: String =
            step.chars().filter(|c| c.is_ascii_alphanumeric() || " -_.".contains(*c)).collect();
        let log = format!("\n\nThe end of step `{step}`:\n\n{fence}text\n{log}\n{fence}");
        text.push_str(&log);
    }
    text
}

fn refusal(reason: &str, report: &Report<'_>) -> String {
    let why = match reason {
        "permission" => "only who may write to this repository can ask for a test",
        "unknown" => {
            "the bot's token cannot tell who may write to this repository; it has to be an administrator's"
        }
        "commit_needed" => {
            let trigger = report.trigger;
            return format!(
                "Not tested: this forge does not say which commit a comment was written on. Name it: `{trigger} COMMIT`, in \
                 full."
            );
        }
        "moved" => "the pull request was pushed to after the comment; look at it again and comment again",
        "other_head" => "the commit in the comment is not the pull request's head",
        "closed" => "the pull request is not open",
        "locked" => "the conversation is locked",
        "draft" => "it is a draft",
        "edited" => "the comment was changed after it was sent",
        "gone" => "the comment or the pull request is gone",
        "head" => "the pull request has no commit",
        "repository" => "this repository is not one that is tested",
        "nothing_before" => "there was no test before",
        _ => return help(reason, report),
    };
    format!("Not tested: {why}.")
}

fn help(reason: &str, report: &Report<'_>) -> String {
    let why = match reason {
        "invisible" => "there are characters in the comment that cannot be seen or are not ASCII",
        "lines" => "a command stands alone in its comment, on one line",
        "long" => "the comment is too long for a command",
        "parameter" => "there is no such parameter here",
        "value" => "a parameter does not take this value",
        "twice" => "something stands in the comment twice",
        _ => "a word of the comment is no command",
    };
    let trigger = report.trigger;
    let about = report.parameter.map(|name| format!(" (`{name}`)")).unwrap_or_default();
    format!(
        "Not tested: {why}{about}. What can be asked for: `{trigger}`, `{trigger} COMMIT`, `{trigger} NAME=VALUE`, \
         `{trigger} cancel`, `{trigger} rerun`."
    )
}

fn subject(report: &Report<'_>) -> String {
    match (&report.link, report.row.build) {
        (Some(link), Some(build)) => format!("[Build {build}]({link})"),
        _ => "The build".to_owned(),
    }
}

fn commit(report: &Report<'_>) -> String {
    report.row.entry.task.head.as_ref().map(|head| format!(" on {head}")).unwrap_or_default()
}

fn duration(report: &Report<'_>) -> String {
    let Some(build) = report.build.filter(|build| build.started > 0 && build.finished >= build.started)
    else {
        return String::new();
    };
    let seconds = build.finished - build.started;
    if seconds < 60 {
        format!(" after {seconds} s")
    } else {
        format!(" after {} min {} s", seconds / 60, seconds % 60)
    }
}

/// The state of the commit for a result; none where nothing was tested.
pub(super) fn state(result: &str) -> Option<forge::State> {
    if result.starts_with("refused:") || result.starts_with("cancelled:") {
        return None;
    }
    Some(match result {
        "success" => forge::State::Success,
        "failure" => forge::State::Failure,
        _ => forge::State::Error,
    })
}

/// What the state of the commit says: the result, where people know it from Drone.
pub(super) fn description(result: &str) -> &str {
    match result {
        "superseded" => "stopped: a newer comment asks for another test",
        "nothing" | "no_build" | "late" => "not tested",
        result => result,
    }
}

/// The end of a log, without secrets of ours and without control characters.
pub(super) fn tail(log: &str, secrets: &[SecretBytes]) -> String {
    let mut log = log.to_owned();
    for secret in secrets {
        let text = String::from_utf8_lossy(secret.expose());
        if text.len() >= SHORTEST {
            log = log.replace(&*text, "***");
        }
    }
    let lines: Vec<&str> = log.lines().collect();
    let kept = lines.iter().skip(lines.len().saturating_sub(LINES));
    let text: String =
        kept.flat_map(|line| line.chars().chain(['\n'])).filter(|c| *c == '\n' || !c.is_control()).collect();
    let mut from = text.len().saturating_sub(BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().trim_end().to_owned()
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
