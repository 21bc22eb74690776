//! Comments of everybody, what is answered to each, and what their deliveries are worth when they come again.

use super::MAY_NOT;
use crate::bridge::lab::{Lab, MAINTAINER, OUTSIDER, Pull};
use crate::bridge::scripted::wait;
use crate::forge::peers::ADMIN;

/// Whose comments are obeyed, and what is answered.
pub(super) fn obeyed(lab: &Lab, good: &Pull, bad: &Pull) {
    let [first, second] = lab.at_once(good);
    let asked = [first, second, lab.comment(ADMIN.0, good, "!testme")];
    let fails = lab.comment(MAINTAINER, bad, &format!("!testme {}\n", bad.head));
    let outsider = lab.comment(OUTSIDER, good, "!testme");
    let chatter = lab.comment(MAINTAINER, good, "> !testme\n\nnot yet");
    let other = lab.comment(MAINTAINER, good, &format!("!testme {}", bad.head));
    // Perhaps within the second in which it was written.
    lab.change(MAINTAINER, chatter, Some("!testme"));
    for comment in asked {
        lab.passed(good, comment);
        assert!(lab.seen(comment));
    }
    lab.refused(good, outsider, MAY_NOT);
    lab.refused(good, other, "the commit in the comment is not the pull request's head");
    assert_eq!(lab.end(fails).result.as_deref(), Some("failure"));
    let answers = lab.answers(bad, fails);
    assert_eq!(answers.len(), 1, "{answers:?}");
    let said = &answers[0];
    assert!(said.contains(&format!("failed on {}", bad.head)) && said.contains("it breaks here"), "{said}");
    assert_eq!(lab.shown(&bad.head).0, "failure");
    again(lab, good, [asked[0], outsider]);
    assert_eq!(lab.deliveries(chatter).len(), 2, "it was written and edited");
    assert_eq!((lab.stand(chatter), lab.seen(chatter)), (None, false));
    // Drone's stream and its signed calls said when to look, and not only the clock.
    assert!(lab.bridge.metric("holdfast_bridge_looks_total{because=\"stream\"}") > 0);
    assert!(lab.bridge.metric("holdfast_bridge_verdicts_total{verdict=\"drone\",reason=\"\"}") > 7);
}

/// What was said and done of a comment stays that, whoever sends its delivery again: somebody who has caught it, and Gitea
/// itself, when a button on its page is pressed.
fn again(lab: &Lab, good: &Pull, [obeyed, refused]: [u64; 2]) {
    const KNOWN: &str = "holdfast_bridge_verdicts_total{verdict=\"known\",reason=\"\"}";
    let known = lab.bridge.metric(KNOWN);
    for (comment, times) in [(obeyed, 1), (refused, 3)] {
        let deliveries = lab.deliveries(comment);
        let [(name, body)] = deliveries.as_slice() else { panic!("{} deliveries", deliveries.len()) };
        assert_eq!(lab.replay(body), 202);
        lab.press(name);
        wait("the delivery to be sent again", || lab.bridge.metric(KNOWN) == known + times + 1);
        wait("Gitea to note it", || lab.deliveries(comment).len() == 2);
        assert_eq!(lab.deliveries(comment)[1].1, *body);
    }
    lab.passed(good, obeyed);
    lab.refused(good, refused, MAY_NOT);
}
