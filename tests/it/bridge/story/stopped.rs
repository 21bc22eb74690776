//! Builds that are stopped: by a comment, in Drone itself, and for a newer comment.

use crate::bridge::lab::{Lab, MAINTAINER, Pull};
use crate::bridge::scripted::wait;

/// A check that waits for what it has started, until the pull request is pushed to.
const SLOW: &str = "[ -e more ] && exit\n(setsid sleep 70731 &)\nsleep 70731 &\nsleep 70731\n";

/// Processes that such checks have started.
fn sleeping() -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let text = all.map(|one| std::fs::read(one.path().join("cmdline")).unwrap_or_default());
    text.filter(|text| text.as_slice() == b"sleep\x0070731\x00").count()
}

/// A build of a check that waits has begun.
fn begun(lab: &Lab, comment: u64) {
    lab.until(comment, &["building"]);
    wait("the check to be at work", || sleeping() == 3);
}

/// It was stopped, with all that it had started, and its commit does not seem to wait.
fn ended(lab: &Lab, slow: &Pull, comment: u64, result: &str, told: &str) {
    assert_eq!(lab.end(comment).result.as_deref(), Some(result));
    assert_eq!((lab.counted(comment), &lab.builds(comment)[0]["status"]), (1, &"killed".into()));
    assert_eq!(lab.shown(&slow.head), ("error".to_owned(), told.to_owned()));
    wait("all of it to end", || sleeping() == 0);
}

/// Builds that are stopped by a comment, and in Drone itself.
pub(super) fn stopped(lab: &Lab) {
    let slow = lab.pull("slow", SLOW);
    let first = lab.comment(MAINTAINER, &slow, "!testme");
    begun(lab, first);
    let cancel = lab.comment(MAINTAINER, &slow, "!testme cancel");
    assert_eq!(lab.end(cancel).result.as_deref(), Some("cancelled:1"));
    assert_eq!(lab.answers(&slow, cancel), ["Stopped one build."]);
    ended(lab, &slow, first, "killed", "killed");
    let second = lab.comment(MAINTAINER, &slow, "!testme rerun");
    begun(lab, second);
    let build = lab.stand(second).unwrap().build.unwrap();
    assert_eq!(lab.drone.call("DELETE", &format!("/api/repos/team/app/builds/{build}")).0, 200);
    ended(lab, &slow, second, "killed", "killed");
}

/// Where that is wanted, a newer comment stops the build of an older one, also after a push, and of two that are written at
/// once one is built.
pub(super) fn superseded(lab: &mut Lab) {
    lab.bridge.kill();
    lab.bridge.edit(|bridge| bridge["policy"]["supersede"] = true.into());
    lab.bridge.again();
    let slow = lab.pull("slower", SLOW);
    let older = lab.comment(MAINTAINER, &slow, "!testme");
    begun(lab, older);
    let pushed = lab.push(&slow);
    let [one, other] = lab.at_once(&pushed);
    ended(lab, &slow, older, "superseded", "stopped: a newer comment asks for another test");
    lab.passed(&pushed, one.max(other));
    assert_eq!(lab.end(one.min(other)).result.as_deref(), Some("superseded"));
    assert!(lab.counted(one.min(other)) < 2);
    assert_eq!(lab.shown(&pushed.head).0, "success");
}
