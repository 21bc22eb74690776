//! From a comment on a pull request in a real Gitea to a build of a real Drone and its answer, whatever dies in between.

mod away;
mod killed;
mod obeyed;
mod stopped;

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use self::away::{away, found, lost};
use self::killed::killed;
use self::obeyed::obeyed;
use self::stopped::{stopped, superseded};
use super::gate::Hold;
use super::lab::{Lab, MAINTAINER, MEMBER, Pull};
use crate::forge::peers::GITEAS;

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
