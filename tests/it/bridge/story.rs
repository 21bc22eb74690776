//! From a comment on a pull request in a real Gitea to a build of a real Drone and its answer, whatever dies in between.

use std::time::Duration;

use super::gate::Hold;
use super::lab::{Lab, MAINTAINER, MEMBER, OUTSIDER, Pull};
use crate::forge::peers::{ADMIN, GITEAS};

/// A pull request whose check ends well, and says what it was given.
const GOOD: &str = "echo \"checked $PR of $TESTME_ID\"\n";

impl Lab {
    /// The comment was done with one build that ended well, and said so.
    fn passed(&self, pull: &Pull, comment: u64) {
        let stand = self.end(comment);
        assert_eq!(stand.result.as_deref(), Some("success"), "{stand:?}");
        let builds = self.builds(comment);
        assert_eq!(builds.len(), 1, "{builds:?}");
        let build = &builds[0];
        let params = &build["params"];
        assert_eq!((&build["status"], &build["event"]), (&"success".into(), &"custom".into()));
        assert_eq!(
            (&params["REF"], &params["PR"]),
            (&pull.head.as_str().into(), &pull.number.to_string().into())
        );
        let link = format!("{}/team/app/{}", self.drone.url, build["number"]);
        assert_eq!(stand.build, build["number"].as_i64());
        let answers = self.answers(pull, comment);
        let said = format!("[Build {}]({link}) passed on {} after ", build["number"], pull.head);
        assert!(answers.len() == 1 && answers[0].starts_with(&said), "{answers:?}");
        let statuses = self.statuses(&pull.head);
        assert!(statuses.contains(&("success".to_owned(), link)), "{statuses:?}");
    }

    /// The comment was answered with this one line, and with no build.
    fn refused(&self, pull: &Pull, comment: u64, why: &str) {
        self.end(comment);
        assert_eq!(self.answers(pull, comment), [format!("Not tested: {why}.")]);
        assert_eq!(self.builds(comment), [serde_json::Value::Null; 0]);
    }
}

#[test]
fn one_comment_of_a_maintainer_is_one_build_and_one_answer() {
    let mut lab = Lab::start();
    let good = lab.pull("good", GOOD);
    let bad = lab.pull("bad", "echo it breaks here\nexit 3\n");
    let moving = lab.pull("moving", GOOD);
    obeyed(&lab, &good, &bad);
    killed(&mut lab, &good);
    lost(&mut lab, &good, &moving);
    away(&mut lab, &good);
    stopped(&lab);
    named(&lab);
}

/// Branches of the fork whose names a shell would obey.
fn named(lab: &Lab) {
    let names = ["$(id)", "a`id`b", "q'\"q", "x;id", "${PATH}", "-n&&id|id>x"];
    let pulls = names.map(|name| {
        let pull = lab.pull(name, GOOD);
        (lab.comment(MAINTAINER, &pull, "!testme"), pull)
    });
    for (comment, pull) in &pulls {
        lab.passed(pull, *comment);
        let build = lab.builds(*comment).remove(0);
        let names: Vec<_> = build["params"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["PR", "REF", "TESTME_ID"], "{build}");
        assert!(!build.to_string().contains("id;") && !build.to_string().contains("$("), "{build}");
    }
}

#[test]
fn older_giteas_are_obeyed_too_and_the_oldest_by_its_timeline() {
    std::thread::scope(|scope| {
        for version in &GITEAS[1..] {
            scope.spawn(move || {
                let mut lab = Lab::on(version);
                let (good, moving) = (lab.pull("good", GOOD), lab.pull("moving", GOOD));
                let comment = lab.comment(MAINTAINER, &good, "!testme");
                lab.passed(&good, comment);
                lab.bridge.kill();
                let overtaken = lab.comment(MAINTAINER, &moving, "!testme");
                // Gitea's times know no more than seconds.
                std::thread::sleep(Duration::from_secs(2));
                lab.push(&moving);
                lab.bridge.again();
                let why =
                    "the pull request was pushed to after the comment; look at it again and comment again";
                lab.refused(&moving, overtaken, why);
            });
        }
    });
}

/// Whose comments are obeyed, and what is answered.
fn obeyed(lab: &Lab, good: &Pull, bad: &Pull) {
    let asked = [MAINTAINER, MEMBER, ADMIN.0].map(|user| lab.comment(user, good, "!testme"));
    let fails = lab.comment(MAINTAINER, bad, &format!("!testme {}\n", bad.head));
    let outsider = lab.comment(OUTSIDER, good, "!testme");
    let chatter = lab.comment(MAINTAINER, good, "> !testme\n\nnot yet");
    let other = lab.comment(MAINTAINER, good, &format!("!testme {}", bad.head));
    lab.change(MAINTAINER, chatter, Some("!testme"));
    for comment in asked {
        lab.passed(good, comment);
        assert!(lab.seen(comment));
    }
    lab.refused(good, outsider, "only who may write to this repository can ask for a test");
    lab.refused(good, other, "the commit in the comment is not the pull request's head");
    assert_eq!(lab.end(fails).result.as_deref(), Some("failure"));
    let answers = lab.answers(bad, fails);
    assert_eq!(answers.len(), 1, "{answers:?}");
    let said = &answers[0];
    assert!(said.contains(&format!("failed on {}", bad.head)) && said.contains("it breaks here"), "{said}");
    assert_eq!(lab.statuses(&bad.head).first().map(|told| told.0.as_str()), Some("failure"));
    // What was said and done of a comment stays that, whoever sends its delivery again.
    for again in [asked[0], outsider] {
        let deliveries = lab.deliveries(again);
        assert_eq!((deliveries.len(), lab.replay(&deliveries[0])), (1, 202));
    }
    assert_eq!(lab.bridge.metric("holdfast_bridge_verdicts_total{verdict=\"known\",reason=\"\"}"), 2);
    assert_eq!(lab.deliveries(chatter).len(), 2, "it was written and edited");
    lab.passed(good, asked[0]);
    lab.refused(good, outsider, "only who may write to this repository can ask for a test");
    assert_eq!((lab.stand(chatter), lab.seen(chatter)), (None, false));
    // Drone's stream and its signed calls said when to look, and not only the clock.
    assert!(lab.bridge.metric("holdfast_bridge_looks_total{because=\"stream\"}") > 0);
    assert!(lab.bridge.metric("holdfast_bridge_verdicts_total{verdict=\"drone\",reason=\"\"}") > 7);
    assert_eq!(lab.bridge.metric("holdfast_bridge_runs_total{result=\"success\"}"), 3);
}

/// The bridge dies at the worst moments.
fn killed(lab: &mut Lab, good: &Pull) {
    let mut comments = vec![lab.comment(MAINTAINER, good, "!testme")];
    lab.until(comments[0], &["accepted", "checked", "asking", "building"]);
    lab.bridge.kill();
    lab.bridge.again();
    lab.until(comments[0], &["building", "telling", "done"]);
    for hold in [Hold::Before, Hold::After] {
        let held = lab.gate.hold(hold);
        let comment = lab.comment(MAINTAINER, good, "!testme");
        held.recv_timeout(Duration::from_secs(60)).expect("a build is asked for");
        lab.bridge.kill();
        let stand = lab.until(comment, &["asking"]);
        assert_eq!((stand.build, lab.builds(comment).len()), (None, usize::from(hold == Hold::After)));
        lab.bridge.again();
        lab.until(comment, &["building", "telling", "done"]);
        comments.push(comment);
    }
    lab.bridge.kill();
    lab.bridge.again();
    for comment in comments {
        lab.passed(good, comment);
    }
}

/// Nobody listens while Gitea delivers, which it does once.
fn lost(lab: &mut Lab, good: &Pull, moving: &Pull) {
    lab.bridge.kill();
    let missed = lab.comment(MAINTAINER, good, "!testme");
    let overtaken = lab.comment(MAINTAINER, moving, "!testme");
    let outsider = lab.comment(OUTSIDER, moving, "!testme");
    let [edited, deleted] = ["later", "!testme"].map(|text| lab.comment(MAINTAINER, good, text));
    // Gitea's times know no more than seconds.
    std::thread::sleep(Duration::from_secs(2));
    lab.change(MAINTAINER, edited, Some("!testme"));
    lab.change(MAINTAINER, deleted, None);
    let mut moved = moving.clone();
    moved.head = lab.push(moving);
    lab.bridge.again();
    let again = lab.comment(MAINTAINER, &moved, "!testme");
    lab.passed(good, missed);
    let why = "the pull request was pushed to after the comment; look at it again and comment again";
    lab.refused(moving, overtaken, why);
    lab.refused(moving, outsider, "only who may write to this repository can ask for a test");
    assert_eq!((lab.stand(edited), lab.stand(deleted)), (None, None));
    lab.passed(&moved, again);
    assert!(lab.statuses(&moving.head).is_empty(), "nobody has asked for it in time");
}

/// Gitea and Drone are away while there is work.
fn away(lab: &mut Lab, good: &Pull) {
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

/// A build is stopped by a comment, and repeated by another.
fn stopped(lab: &Lab) {
    let slow = lab.pull("slow", "sleep 12\n");
    let asked = lab.comment(MAINTAINER, &slow, "!testme");
    lab.until(asked, &["building"]);
    let cancel = lab.comment(MAINTAINER, &slow, "!testme cancel");
    assert_eq!(lab.end(cancel).result.as_deref(), Some("cancelled:1"));
    assert_eq!(lab.answers(&slow, cancel), ["Stopped one build."]);
    assert_eq!(lab.end(asked).result.as_deref(), Some("killed"));
    let rerun = lab.comment(MAINTAINER, &slow, "!testme rerun");
    lab.passed(&slow, rerun);
}
