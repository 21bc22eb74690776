//! The bridge is away while comments are written, and Gitea and Drone are while they are worked on.

use std::time::Duration;

use super::{MAY_NOT, MOVED};
use crate::bridge::lab::{Lab, MAINTAINER, OUTSIDER, Pull};

/// Comments of a time when nobody listened while Gitea delivered, which it does once.
pub(super) struct Missed {
    good: u64,
    overtaken: u64,
    outsider: u64,
    edited: u64,
    deleted: u64,
    /// On the pull request as it is since.
    again: (Pull, u64),
}

/// The bridge is away, and comes back.
pub(super) fn lost(lab: &mut Lab, good: &Pull, moving: &Pull) -> Missed {
    lab.bridge.kill();
    let missed = lab.comment(MAINTAINER, good, "!testme");
    let overtaken = lab.comment(MAINTAINER, moving, "!testme");
    let outsider = lab.comment(OUTSIDER, moving, "!testme");
    let [edited, deleted] = ["later", "!testme"].map(|text| lab.comment(MAINTAINER, good, text));
    // Gitea's times know no more than seconds.
    std::thread::sleep(Duration::from_secs(2));
    lab.change(MAINTAINER, edited, Some("!testme"));
    lab.change(MAINTAINER, deleted, None);
    let moved = lab.push(moving);
    lab.bridge.again();
    let again = lab.comment(MAINTAINER, &moved, "!testme");
    Missed { good: missed, overtaken, outsider, edited, deleted, again: (moved, again) }
}

/// It has found what it missed.
pub(super) fn found(lab: &Lab, good: &Pull, moving: &Pull, missed: &Missed) {
    lab.passed(good, missed.good);
    lab.refused(moving, missed.overtaken, MOVED);
    lab.refused(moving, missed.outsider, MAY_NOT);
    assert_eq!((lab.stand(missed.edited), lab.stand(missed.deleted)), (None, None));
    lab.passed(&missed.again.0, missed.again.1);
    assert!(lab.statuses(&moving.head).is_empty(), "nobody has asked for it in time");
}

/// Gitea and Drone are away while there is work.
pub(super) fn away(lab: &mut Lab, good: &Pull) {
    lab.drone.kill();
    let first = lab.comment(MAINTAINER, good, "!testme");
    lab.until(first, &["asking"]);
    let second = lab.comment(MAINTAINER, good, "!testme");
    lab.until(second, &["accepted", "checked", "asking"]);
    lab.gitea.kill();
    std::thread::sleep(Duration::from_secs(3));
    // A Drone that does not reach its forge says that there is no such repository.
    lab.drone.resume();
    std::thread::sleep(Duration::from_secs(2));
    lab.gitea.resume();
    lab.passed(good, first);
    lab.passed(good, second);
}
