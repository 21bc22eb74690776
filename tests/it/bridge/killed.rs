//! Proves: kill -9 at every write to the forge, to Drone and to the journal costs nothing: one build, one answer, one state.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::Value;

use super::gate::Hold;
use super::scripted::{Scripted, stand, wait};
use super::service::{HEAD, Service, delivery};

/// What the pull request is pushed to.
const NEXT: &str = "89abcdef0123456789abcdef0123456789abcdef";
/// Bridges at once: they wait most of the time.
const AT_ONCE: usize = 12;

/// A bridge, its peers, and what people do.
struct Run {
    scripted: Scripted,
    service: Service,
}

/// What people do, and how that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// `!testme`, to its end.
    Test,
    /// The same, and `!testme cancel` while the build waits.
    Cancel,
    /// The same, and another `!testme` after a push.
    Supersede,
}

impl Run {
    /// A bridge that has looked for missed comments, and does so again in a minute.
    fn start(story: Story) -> Self {
        let scripted = Scripted::start();
        let supersede = story == Story::Supersede;
        let service = scripted.bridge(|bridge| bridge["policy"]["supersede"] = supersede.into());
        wait("the first sweep", || {
            let journal = Connection::open(service.file("state/bridge/journal.db")).unwrap();
            journal.query_row("SELECT count(*) FROM swept", [], |row| row.get::<_, i64>(0)).unwrap() == 1
        });
        Self { scripted, service }
    }

    /// A comment of half a minute ago is delivered; its sender may not hear of that.
    fn comment(&self, number: u64, body: &str) {
        let mut sent = delivery(number);
        let then = Timestamp::now() - SignedDuration::from_secs(30);
        let then = Value::from(then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        sent["comment"]["body"] = body.into();
        (sent["comment"]["created_at"], sent["comment"]["updated_at"]) = (then.clone(), then);
        sent["pull_request"]["head"]["sha"] = self.scripted.world().head.clone().into();
        self.scripted.write(&sent);
        self.service.deliver(&sent);
    }

    /// Builds go on as people are told of them: one that is to be stopped waits.
    fn goes_on(&self, story: Story) {
        let world = self.scripted.world();
        let said = |build: usize, text: &str| {
            world
                .answers
                .iter()
                .any(|(_, said)| said.contains(&format!("[Build {build}]")) && said.contains(text))
        };
        let waits = usize::from(story != Story::Test);
        let next =
            (waits + 1..=world.builds.len()).find_map(|build| match world.builds[build - 1].1.as_str() {
                "pending" if said(build, "is queued") => Some((build, "running")),
                "running" if said(build, "is running") => Some((build, "success")),
                _ => None,
            });
        drop(world);
        if let Some((build, status)) = next {
            self.scripted.build_is(build, status);
        }
    }

    fn is(&self, comment: u64, states: &[&str]) -> bool {
        stand(&self.service, comment).is_some_and(|stand| states.contains(&stand.0.as_str()))
    }

    /// What people do, while the bridge may die: true once all is done, false once the bridge is dead.
    fn goes(&mut self, story: Story, mut dead: impl FnMut(&mut Service) -> bool) -> bool {
        let mut alive = |run: &mut Self, what: &str, there: &dyn Fn(&Self) -> bool| {
            let mut died = false;
            wait(what, || {
                run.goes_on(story);
                died = dead(&mut run.service);
                died || there(run)
            });
            !died
        };
        if self.scripted.world().comments.is_empty() {
            self.comment(1, "!testme");
        }
        if story != Story::Test {
            let told = |run: &Self| !run.scripted.world().statuses.is_empty() && run.is(1, &["building"]);
            if self.scripted.world().comments.len() == 1 {
                if !alive(self, "the first to wait for its build", &told) {
                    return false;
                }
                if story == Story::Supersede {
                    NEXT.clone_into(&mut self.scripted.world().head);
                    self.comment(2, "!testme");
                } else {
                    self.comment(2, "!testme cancel");
                }
            }
        }
        let last = self.scripted.world().comments.len() as u64;
        alive(self, "the end", &|run| (1..=last).all(|comment| run.is(comment, &["done"])))
    }

    /// There is what there shall be, once.
    fn ended(&self, story: Story, about: &str) {
        let world = self.scripted.world();
        let builds: Vec<&str> = world.builds.iter().map(|build| build.1.as_str()).collect();
        let answers: Vec<&str> = world.answers.iter().map(|(_, text)| text.as_str()).collect();
        let one = |text: &str| answers.iter().filter(|answer| answer.contains(text)).count();
        let last = |head: &str| {
            let told = world.statuses.iter().rev().find(|(sha, _)| sha == head);
            told.map_or("nothing", |(_, state)| state.as_str())
        };
        let all = format!("{about}: {builds:?} {answers:?} {:?}", world.statuses);
        match story {
            Story::Test => {
                assert_eq!((builds.as_slice(), answers.len()), (["success"].as_slice(), 1), "{all}");
                assert_eq!((one("passed on"), last(HEAD)), (1, "success"), "{all}");
            }
            Story::Cancel => {
                assert_eq!((builds.as_slice(), answers.len()), (["killed"].as_slice(), 2), "{all}");
                assert_eq!((one("was stopped on"), one("Stopped one build.")), (1, 1), "{all}");
                assert_eq!(last(HEAD), "error", "{all}");
            }
            Story::Supersede => {
                assert_eq!(
                    (builds.as_slice(), answers.len()),
                    (["killed", "success"].as_slice(), 2),
                    "{all}"
                );
                assert_eq!((one("since a newer comment asks"), one("passed on")), (1, 1), "{all}");
                assert_eq!((last(HEAD), last(NEXT)), ("error", "success"), "{all}");
            }
        }
        drop(world);
        assert!((1..=2).all(|comment| self.scripted.builds_of(comment) < 2), "{all}");
    }
}

/// Does all cases, several at once.
fn each<T: Sync>(cases: &[T], case: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    case(one);
                }
            });
        }
    });
}

#[test]
fn killed_before_and_after_every_write_to_the_forge_and_to_drone() {
    let mut cases = Vec::new();
    for story in [Story::Test, Story::Cancel, Story::Supersede] {
        let mut whole = Run::start(story);
        assert!(whole.goes(story, |_| false));
        whole.ended(story, "nobody dies");
        let writes = whole.scripted.world().writes;
        println!("{story:?}: {writes} writes");
        cases.extend((1..=writes).flat_map(|at| [Hold::Before, Hold::After].map(|hold| (story, at, hold))));
    }
    assert!(cases.len() >= 2 * (8 + 9 + 13), "{}", cases.len());
    each(&cases, |(story, at, hold)| {
        let mut run = Run::start(*story);
        let held = run.scripted.hold(*at, *hold);
        let about = format!("{story:?}, killed {hold:?} write {at}");
        assert!(!run.goes(*story, |_| held.try_recv().is_ok()), "{about}: it never came");
        run.service.kill();
        run.service.again();
        assert!(run.goes(*story, |_| false));
        run.ended(*story, &about);
    });
    println!("killed at {} points", cases.len());
}

/// What writes the journal, and what makes that final.
const CALLS: [&str; 2] = ["pwrite64", "fsync"];

/// `strace` on a bridge that runs: it kills it at a call, or notes all of them.
struct Traced(Child);

impl Traced {
    fn attach(service: &Service, kill: Option<(&str, usize)>) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-e", &format!("trace={}", CALLS.join(",")), "-p", &service.id().to_string()]);
        command.arg("-o").arg(service.file("strace"));
        if let Some((call, at)) = kill {
            command.args(["-e", &format!("inject={call}:signal=SIGKILL:when={at}")]);
        }
        let command = command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("`strace` cannot be run; run `make setup`");
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "strace cannot attach");
        }
        // What it says later goes nowhere, and it does not stop over that.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self(child)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn killed_at_every_write_to_the_journal() {
    let mut whole = Run::start(Story::Test);
    let traced = Traced::attach(&whole.service, None);
    assert!(whole.goes(Story::Test, |_| false));
    drop(traced);
    let log = std::fs::read_to_string(whole.service.file("strace")).unwrap();
    let count = |call: &str| log.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    let counts = CALLS.map(count);
    println!("a run makes {counts:?} calls of {CALLS:?}");
    let cases: Vec<(&str, usize)> =
        CALLS.iter().zip(counts).flat_map(|(call, count)| (1..=count).map(|at| (*call, at))).collect();
    assert!(counts[1] >= 8 && counts[0] > 2 * counts[1], "{counts:?}");
    let stood = Mutex::new(BTreeSet::new());
    each(&cases, |(call, at)| {
        let mut run = Run::start(Story::Test);
        let traced = Traced::attach(&run.service, Some((call, *at)));
        let about = format!("killed at {call} {at}");
        assert!(!run.goes(Story::Test, Service::is_dead), "{about}: it never came");
        drop(traced);
        let state = stand(&run.service, 1).map_or("nothing".to_owned(), |stand| stand.0);
        stood.lock().unwrap().insert(state);
        run.service.kill();
        run.service.again();
        assert!(run.goes(Story::Test, |_| false));
        run.ended(Story::Test, &about);
    });
    let stood = stood.into_inner().unwrap();
    println!("killed at {} points, at {stood:?}", cases.len());
    for state in ["nothing", "accepted", "checked", "asking", "building", "telling", "done"] {
        assert!(stood.contains(state), "never killed at {state}: {stood:?}");
    }
}
