//! From a comment on a pull request in a real Gitea to a build of a real Drone and its answer, whatever dies in between.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::gate::Hold;
use super::lab::{Lab, MAINTAINER, MEMBER, OUTSIDER, Pull};
use super::scripted::wait;
use crate::forge::peers::{ADMIN, GITEAS};

/// A pull request whose check ends well, and says what it was given.
const GOOD: &str = "echo \"checked $PR of $TESTME_ID\"\n";

/// Branches of the fork whose names a shell would obey.
const NAMES: [&str; 6] = ["$(id)", "a`id`b", "q'\"q", "x;id", "${PATH}", "-n&&id|id>x"];

const MOVED: &str = "the pull request was pushed to after the comment; look at it again and comment again";
const MAY_NOT: &str = "only who may write to this repository can ask for a test";

impl Lab {
    /// The comment was done with one build that ended well, and said so.
    fn passed(&self, pull: &Pull, comment: u64) {
        let stand = self.end(comment);
        assert_eq!(stand.result.as_deref(), Some("success"), "{stand:?}");
        let builds = self.builds(comment);
        assert_eq!((builds.len(), self.counted(comment)), (1, 1), "{builds:?}");
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
        assert_eq!((self.builds(comment).len(), self.counted(comment)), (0, 0));
    }

    /// Two people comment at the same time.
    fn at_once(&self, pull: &Pull) -> [u64; 2] {
        std::thread::scope(|scope| {
            let asked = [MAINTAINER, MEMBER].map(|user| scope.spawn(|| self.comment(user, pull, "!testme")));
            asked.map(|one| one.join().unwrap())
        })
    }
}

#[test]
fn one_comment_of_a_maintainer_is_one_build_and_one_answer() {
    let began = Instant::now();
    let told = |what: &str| println!("{:5.1} s: {what}", began.elapsed().as_secs_f64());
    let mut lab = Lab::on(GITEAS[0]);
    let named = NAMES.map(|name| lab.pull(name, GOOD));
    let [good, moving] = ["good", "moving"].map(|name| lab.pull(name, GOOD));
    let bad = lab.pull("bad", "echo it breaks here\nexit 3\n");
    told("there is all but a runner");
    // They are found when they are 20 s old: meanwhile there is more to do.
    let missed = lost(&mut lab, &good, &moving);
    let comments = killed(&mut lab, &named);
    told("killed before and after each of 6 writes to the real Gitea and Drone");
    obeyed(&lab, &good, &bad);
    told("obeyed");
    lab.work();
    for (pull, comment) in &comments {
        lab.passed(pull, *comment);
        assert_eq!(lab.shown(&pull.head).0, "success");
    }
    stopped(&lab);
    told("stopped");
    found(&lab, &good, &moving, &missed);
    told("what was missed is done");
    away(&mut lab, &good);
    told("done after Drone and Gitea were away");
    superseded(&mut lab);
    told("superseded");
}

#[test]
fn older_giteas_are_obeyed_too_and_the_oldest_by_its_timeline() {
    std::thread::scope(|scope| {
        for version in &GITEAS[1..] {
            scope.spawn(move || {
                let mut lab = Lab::on(version);
                lab.work();
                let (good, moving) = (lab.pull("good", GOOD), lab.pull("moving", GOOD));
                let reaction = lab.gate.hold(Hold::Before, &["/reactions ".to_owned()]);
                let overtaken = lab.comment(MAINTAINER, &moving, "!testme");
                held(&reaction);
                // Gitea's times know no more than seconds.
                std::thread::sleep(Duration::from_secs(2));
                lab.push(&moving);
                lab.bridge.kill();
                lab.bridge.again();
                let comment = lab.comment(MAINTAINER, &good, "!testme");
                lab.refused(&moving, overtaken, MOVED);
                lab.passed(&good, comment);
            });
        }
    });
}

fn held(call: &Receiver<()>) {
    call.recv_timeout(Duration::from_secs(60)).expect("the call comes");
}

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
fn killed<'p>(lab: &mut Lab, pulls: &'p [Pull; 6]) -> Vec<(&'p Pull, u64)> {
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

/// Whose comments are obeyed, and what is answered.
fn obeyed(lab: &Lab, good: &Pull, bad: &Pull) {
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

/// Comments of a time when nobody listened while Gitea delivered, which it does once.
struct Missed {
    good: u64,
    overtaken: u64,
    outsider: u64,
    edited: u64,
    deleted: u64,
    /// On the pull request as it is since.
    again: (Pull, u64),
}

/// The bridge is away, and comes back.
fn lost(lab: &mut Lab, good: &Pull, moving: &Pull) -> Missed {
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
fn found(lab: &Lab, good: &Pull, moving: &Pull, missed: &Missed) {
    lab.passed(good, missed.good);
    lab.refused(moving, missed.overtaken, MOVED);
    lab.refused(moving, missed.outsider, MAY_NOT);
    assert_eq!((lab.stand(missed.edited), lab.stand(missed.deleted)), (None, None));
    lab.passed(&missed.again.0, missed.again.1);
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
fn stopped(lab: &Lab) {
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
fn superseded(lab: &mut Lab) {
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
