//! The bridge dies over each of its writes to Gitea and Drone.

use std::sync::mpsc::Receiver;

use super::held;
use crate::bridge::gate::Hold;
use crate::bridge::lab::{Lab, MAINTAINER, Pull};

/// Words of each write of a run on a pull request; the first two are made when its build is over.
fn writes(pulls: &[Pull; 6]) -> [Vec<String>; 6] {
    let status = |pull: &Pull| format!("/statuses/{} ", pull.head);
    [
        vec!["PATCH ".to_owned(), format!("passed on {}", pulls[0].head)],
        vec![status(&pulls[1]), "success".to_owned()],
        vec!["POST ".to_owned(), "/reactions ".to_owned()],
        vec!["POST ".to_owned(), "/builds?".to_owned(), format!("PR={}&", pulls[3].number)],
        vec!["POST ".to_owned(), format!("/issues/{}/comments ", pulls[4].number)],
        vec![status(&pulls[5]), "pending".to_owned()],
    ]
}

/// The bridge dies before each of its writes and, when that is tried again, after it. The runner comes when only the end is
/// still to be told, so that no build is over before.
pub(super) fn killed<'p>(lab: &mut Lab, pulls: &'p [Pull; 6]) -> Vec<(&'p Pull, u64)> {
    let writes = writes(pulls);
    let (mut comments, mut ends) = (Vec::new(), Vec::new());
    for (at, (pull, words)) in pulls.iter().zip(&writes).enumerate() {
        let traps = [Hold::Before, Hold::After].map(|hold| lab.gate.hold(hold, words));
        comments.push((pull, lab.comment(MAINTAINER, pull, "!testme")));
        if at < 2 {
            ends.extend(traps);
        } else {
            dies_at(lab, traps);
        }
    }
    lab.work();
    dies_at(lab, ends);
    comments
}

/// The bridge dies over each of these calls, and is there again.
fn dies_at(lab: &mut Lab, calls: impl IntoIterator<Item = Receiver<()>>) {
    for call in calls {
        held(&call);
        lab.bridge.kill();
        lab.bridge.again();
    }
}
