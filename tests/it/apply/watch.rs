//! Proves: `status --watch` tells what changes, goes on over a restart of the engine, and ends by a signal.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::world::World;

/// A watch that runs, and its lines as they come.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Watch {
    fn start(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(&[&["status", "--watch"], args].concat());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Reads on until a line is `wanted`.
    fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(90));
            let line =
                line.unwrap_or_else(|error| panic!("{what}: {error}, after\n{}", self.seen.join("\n")));
            self.seen.push(line.clone());
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value["at"].is_string() && value["event"].is_string(), "{line}");
            if wanted(&value) {
                return value;
            }
        }
    }

    fn event(&mut self, event: &str) -> Value {
        self.until(event, |line| line["event"] == event)
    }

    /// Until so many things differ.
    fn differs(&mut self, things: u64) {
        self.until(&format!("{things} differ"), |line| {
            line["event"] == "differs" && line["things"] == things
        });
    }

    fn end(mut self, signal: &str) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
        self.child.wait().expect("it ends").code().expect("a code")
    }
}

#[test]
fn a_watch_sees_what_changes_and_outlives_the_engine() {
    let world = World::new();
    world.edit(|manifest| manifest["gates"] = serde_json::json!({}));
    world.apply();
    let mut watch = Watch::start(&world, &["--json"]);
    let row = watch.event("service");
    assert_eq!((&row["name"], &row["running"], &row["wanted"]), (&"web_app".into(), &1.into(), &1.into()));
    watch.differs(0);

    world.engine.docker(&["service", "rm", "web_app"]);
    let gone = watch.until("the row of a removed service", |line| line["exists"] == false);
    assert_eq!(gone["event"], "service");
    let drift = watch.event("drift");
    assert_eq!((&drift["address"], &drift["verb"]), (&"stack.web/service.app".into(), &"create".into()));
    watch.differs(1);
    world.apply();
    let settled = watch.event("settled");
    assert_eq!(settled["address"], "stack.web/service.app");
    watch.differs(0);

    // What happens while nobody could listen is found by looking.
    world.engine.kill();
    let lost = watch.event("lost");
    assert!(lost["reason"].as_str().is_some_and(|reason| reason.contains("engine")), "{lost}");
    world.engine.restart();
    world.engine.docker(&["service", "update", "--quiet", "--detach", "--label-add", "x=y", "web_app"]);
    watch.event("back");
    let drift = watch.event("drift");
    assert_eq!((&drift["verb"], &drift["why"]), (&"update".into(), &"Labels.x".into()), "{drift}");
    assert_eq!(watch.end("-INT"), 130);

    // For people, and until its reader has seen enough.
    let mut child =
        world.command(&["status", "--watch"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.contains("Z web_app  ") && line.contains("running"), "{line}");
    world.engine.docker(&["service", "rm", "web_app"]);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
