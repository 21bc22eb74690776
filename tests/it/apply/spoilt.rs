//! Proves: whatever happens between the program and the engine, a run converges or stops with a reason; the next one
//! finds a world without doubles and with everything that is not ours.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::faulty::{Fault, Faulty, Spoil};
use crate::support::world::{Ran, World, unmount_below};

/// A world behind a relay that spoils exchanges.
struct Bed {
    world: World,
    faulty: Faulty,
}

impl Bed {
    /// A stack that runs nothing is there at once; `replicas` of 1 takes its seconds.
    fn new(replicas: u8) -> Self {
        let world = World::new();
        let text = std::fs::read_to_string(world.path("web.yml")).expect("web.yml");
        let text = text.replace("replicas: 1", &format!("replicas: {replicas}"));
        std::fs::write(world.path("web.yml"), text).expect("web.yml");
        let faulty = Faulty::start(&world.path("relay.sock"), &world.engine.socket);
        Self { world, faulty }
    }

    fn spoil(&self, what: &'static str, from: usize, times: usize, fault: &Fault) {
        self.faulty.spoil(vec![Spoil { what, from, times, fault: fault.clone() }]);
    }

    fn apply(&self) -> Ran {
        self.run(&["apply", "--no-verify", "--json"])
    }

    fn run(&self, args: &[&str]) -> Ran {
        let address = self.faulty.address();
        let output = self.world.command(&[args, &["-H", &address]].concat()).output();
        Ran::new(&output.expect("the program runs"))
    }

    /// A stack of somebody else, that no fault may touch.
    fn deploy_foreign(&self) {
        std::fs::write(self.world.path("foreign.yml"), FOREIGN).expect("foreign.yml");
        let file = self.world.path("foreign.yml").display().to_string();
        let deploy = ["stack", "deploy", "--detach=true", "--resolve-image=never", "-c", &file, "foreign"];
        self.world.engine.docker(&deploy);
    }

    /// Without faults it ends well, and another run finds nothing to do.
    fn converges(&self) {
        self.faulty.spoil(Vec::new());
        self.apply().expect(0);
        let again = self.apply().expect(0).json();
        assert_eq!((&again["writes"], &again["plan"]["steps"]), (&json!(0), &json!([])), "{again:#}");
    }

    /// Every object of the swarm and every image, one line each: a double is one line more.
    fn objects(&self) -> Vec<String> {
        let list = |kind: &str, format: &str| {
            let lines = self.world.engine.docker(&[kind, "ls", "--format", format]);
            lines.lines().map(|line| format!("{kind} {line}")).collect::<Vec<_>>()
        };
        let named = ["service", "secret", "config", "network"].map(|kind| list(kind, "{{.Name}}"));
        let mut all: Vec<String> = named.into_iter().flatten().collect();
        all.extend(list("image", "{{.Repository}}:{{.Tag}}"));
        // The engine's own: the first is made once for good, the other listed twice while the swarm is being made.
        all.retain(|line| line != "network docker_gwbridge" && line != "network ingress");
        all.sort();
        all
    }

    /// Back to an engine in no swarm and a host without files; the naming key stays, and with it all names.
    fn reset(&self) {
        let engine = &self.world.engine;
        drop(engine.docker_output(&["swarm", "leave", "--force"]));
        for image in engine.docker(&["image", "ls", "-q"]).lines() {
            drop(engine.docker_output(&["image", "rm", "-f", image]));
        }
        unmount_below(&self.world.run_dir());
        let key = std::fs::read(self.world.path("state/naming.key")).expect("the naming key");
        for folder in ["run", "state"] {
            drop(std::fs::remove_dir_all(self.world.path(folder)));
        }
        std::fs::create_dir_all(self.world.path("state")).expect("the state folder");
        std::fs::write(self.world.path("state/naming.key"), key).expect("the naming key");
    }

    /// Errors of steps that were cured, and all errors that were not.
    fn errors(record: &Value) -> (Vec<String>, Vec<String>) {
        let steps = record["steps"].as_array().into_iter().flatten().filter(|step| step["error"].is_string());
        let (cured, stood): (Vec<&Value>, Vec<&Value>) = steps.partition(|step| step["again"] == true);
        let words =
            |steps: Vec<&Value>| steps.iter().map(|step| step["error"].to_string()).collect::<Vec<_>>();
        let errors = record["errors"].as_array().into_iter().flatten().map(ToString::to_string);
        (words(cured), words(stood).into_iter().chain(errors).collect())
    }
}

/// What may happen once to a write, with the exit code that it ends in.
fn to_a_write() -> Vec<(&'static str, Fault, i32)> {
    vec![
        ("dropped after", Fault::DropAfter, 0),
        ("answer cut", Fault::Cut, 0),
        ("dropped before", Fault::DropBefore, 0),
        ("half an answer", Fault::Half, 0),
        ("503", Fault::error(503, "the service is busy"), 0),
        (
            "no leader",
            Fault::error(500, "rpc error: code = Unknown desc = The swarm does not have a leader."),
            0,
        ),
        ("409 in use", Fault::error(409, "rpc error: code = FailedPrecondition desc = it is in use"), 4),
        ("500", Fault::error(500, "unexpected internal error"), 4),
    ]
}

#[test]
fn a_fault_at_any_write_is_cured_or_told_and_nothing_is_there_twice() {
    let bed = Bed::new(0);
    bed.apply().expect(0);
    let wanted = bed.objects();
    let writes = bed.faulty.writes();
    assert!(
        writes.len() >= 7,
        "swarm, node, image, network, config, secret, mirror, service: only {writes:?}"
    );
    let faults = to_a_write();
    let all: Vec<(usize, usize)> =
        (0..writes.len()).flat_map(|write| (0..faults.len()).map(move |fault| (write, fault))).collect();
    let full = std::env::var_os("HOLDFAST_TEST_FULL").is_some();
    // The sample has every write and every fault; what matters most, a write that was made unheard, at three places.
    let sample = |(write, fault): &&(usize, usize)| {
        full || (write + 8 - fault) % 8 == 0 || (*fault == 0 && write % 3 == 2)
    };
    let cases: Vec<&(usize, usize)> = all.iter().filter(sample).collect();
    println!("{} of {} cases: {} writes, {} faults", cases.len(), all.len(), writes.len(), faults.len());
    for &&(write, fault) in &cases {
        let (name, fault, code) = &faults[fault];
        bed.reset();
        bed.spoil("*", write + 1, 1, fault);
        let ran = bed.apply();
        // Writes of one group are under way at once: which one is the n-th is not always the same.
        let spoilt =
            bed.faulty.spoilt().pop().unwrap_or_else(|| panic!("{name}: write {} never came", write + 1));
        let place = format!("{name} at write {} `{spoilt}`", write + 1);
        let (cured, stood) = Bed::errors(&ran.json());
        // An answer that is nothing but its status has no half.
        let told = if *code == 0 { &cured } else { &stood };
        let nothing_to_spoil =
            matches!(fault, Fault::Cut | Fault::Half) && cured.is_empty() && stood.is_empty();
        let call = spoilt.split("ID").next().unwrap();
        let named = told.iter().any(|error| error.contains(call) || error.contains("image"));
        assert!(nothing_to_spoil || named, "{place}: {cured:?} {stood:?}");
        assert_eq!(ran.code, *code, "{place}: {}{}", ran.out, ran.err);
        bed.converges();
        assert_eq!(bed.objects(), wanted, "{place}");
    }
}

/// What may happen to the answer of a read.
fn to_a_read() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::error(500, "unexpected internal error")),
        ("503", Fault::error(503, "the service is busy")),
        ("dropped before", Fault::DropBefore),
        ("dropped after", Fault::DropAfter),
        ("answer cut", Fault::Cut),
        ("half an answer", Fault::Half),
        ("an object for a list", Fault::Change(|value| *value = json!({}))),
        (
            "a nameless element",
            Fault::Change(|value| {
                if let Some(list) = value.as_array_mut() {
                    list.push(json!({}));
                }
            }),
        ),
    ]
}

/// Objects of somebody else, that no fault may touch.
const FOREIGN: &str = "services:\n  own:\n    image: example.org/none:1\n    networks: [own]\n    configs: [own]\n    \
    deploy: {replicas: 0, endpoint_mode: dnsrr}\nconfigs:\n  own:\n    file: page.html\nnetworks:\n  own: {}\n";

#[test]
fn a_read_that_fails_changes_nothing() {
    let bed = Bed::new(0);
    bed.apply().expect(0);
    bed.deploy_foreign();
    let wanted = bed.objects();
    let reads = [
        "GET /_ping",
        "GET /swarm",
        "GET /nodes",
        "GET /services",
        "GET /tasks",
        "GET /networks",
        "GET /secrets",
        "GET /configs",
        "GET /images/json",
    ];
    let mut harmless = BTreeSet::new();
    for what in reads {
        for (name, fault) in to_a_read() {
            bed.spoil(what, 1, 1, &fault);
            let ran = bed.apply();
            let place = format!("{name} at {what}: {}{}", ran.out, ran.err);
            assert_eq!(bed.faulty.spoilt().len(), 1, "{place}");
            assert_eq!(bed.faulty.writes(), Vec::<String>::new(), "{place}");
            if ran.code == 0 {
                harmless.insert(format!("{name} at {what}"));
            } else {
                let (_, stood) = Bed::errors(&ran.json());
                assert!(stood.iter().any(|error| error.contains(what)), "{place}");
                assert!([75, 4, 1].contains(&ran.code), "{place}");
            }
        }
    }
    println!("taken without harm: {harmless:?}");
    bed.converges();
    assert_eq!(bed.objects(), wanted);
    // In the middle of a run a fault that passes is waited for.
    for (name, fault) in to_a_read().into_iter().skip(1).take(4) {
        std::fs::write(bed.world.path("page.html"), format!("hello {name}\n")).expect("page.html");
        bed.spoil("GET /services", 2, 1, &fault);
        let ran = bed.apply();
        assert_eq!((ran.code, bed.faulty.spoilt().len()), (0, 1), "{name}: {}{}", ran.out, ran.err);
        bed.converges();
    }
    // A look that is older than what was written since: the engine says so, and another look is right.
    std::fs::write(bed.world.path("page.html"), "hello stale\n").expect("page.html");
    bed.spoil("GET /configs", 2, 1, &Fault::Stale);
    let (cured, stood) = Bed::errors(&bed.apply().expect(0).json());
    assert!(
        cured.iter().any(|error| error.contains("already exists")) && stood.is_empty(),
        "{cured:?} {stood:?}"
    );
    bed.converges();
    // Configs of the page have come, and nothing has gone.
    let but_the_record =
        || bed.objects().into_iter().filter(|line| !line.starts_with("config holdfast_main_"));
    let now: Vec<String> = but_the_record().collect();
    let more: Vec<&String> = now.iter().filter(|line| !wanted.contains(line)).collect();
    let gone: Vec<&String> = wanted.iter().filter(|line| !now.contains(line)).collect();
    assert!(gone.iter().all(|line| line.starts_with("config holdfast_main_")), "{gone:?}");
    assert!(more.iter().all(|line| line.starts_with("config web_page_")), "{more:?}");
}

#[test]
fn a_destroy_that_meets_a_fault_is_ended_by_another_and_takes_nothing_else() {
    let bed = Bed::new(0);
    bed.apply().expect(0);
    bed.deploy_foreign();
    let ours = |lines: &[String]| {
        let is_ours = |line: &&String| ["web_", "proxy", "holdfast"].iter().any(|word| line.contains(word));
        lines.iter().filter(is_ours).count()
    };
    let before = bed.objects();
    bed.run(&["destroy", "--json"]).expect(0);
    let (deletes, bare) = (bed.faulty.writes(), bed.objects());
    assert!(deletes.len() >= 5 && ours(&bare) == 0, "service, network, secret, config, mirror: {deletes:?}");
    let faults =
        [Fault::DropAfter, Fault::error(503, "busy"), Fault::error(500, "unexpected"), Fault::DropBefore];
    for (number, fault) in (1..=5).zip(faults.iter().cycle()) {
        bed.converges();
        assert_eq!(ours(&bed.objects()), ours(&before));
        bed.spoil("*", number, 1, fault);
        let ran = bed.run(&["destroy", "--json"]);
        assert_eq!(bed.faulty.spoilt().len(), 1, "write {number} never came");
        assert!([0, 4, 75].contains(&ran.code), "{number}: {}{}", ran.out, ran.err);
        let left = ours(&bed.objects());
        assert_eq!(ran.code == 0, left == 0, "{number}: green with {left} left, or red without: {}", ran.out);
        bed.faulty.spoil(Vec::new());
        bed.run(&["destroy", "--json"]).expect(0);
        assert_eq!(bed.objects(), bare, "{number}");
    }
}

#[test]
fn an_update_that_was_made_unheard_is_made_once_and_waited_for() {
    let bed = Bed::new(1);
    bed.apply().expect(0);
    let engine = &bed.world.engine;
    let tasks = || engine.docker(&["service", "ps", "-q", "web_app"]).lines().count();
    let before = tasks();
    std::fs::write(bed.world.path("page.html"), "hello twice\n").expect("page.html");
    bed.spoil("POST /services/ID/update", 1, 1, &Fault::DropAfter);
    let record = bed.apply().expect(0).json();
    assert_eq!(bed.faulty.writes().iter().filter(|write| write.ends_with("/update")).count(), 1);
    let steps = record["steps"].as_array().expect("steps");
    let wait = steps.iter().find(|step| step["verb"] == "await").expect("the service was waited for");
    assert_eq!(wait["services"][0]["outcome"], "converged", "{record:#}");
    assert_eq!(tasks(), before + 1, "one restart, not two");

    // Somebody else changes the service just before: looked at again, and once more, but not for ever.
    let address = engine.address();
    let meddle = Fault::Meddle(Arc::new(move || {
        let label = format!("meddled={:?}", std::time::Instant::now());
        let args = ["-H", &address, "service", "update", "--detach", "--label-add", &label, "web_app"];
        assert!(Command::new("docker").args(args).output().expect("docker").status.success());
    }));
    std::fs::write(bed.world.path("page.html"), "hello thrice\n").expect("page.html");
    bed.spoil("POST /services/ID/update", 1, 1, &meddle);
    let (cured, stood) = Bed::errors(&bed.apply().expect(0).json());
    assert!(
        cured.len() == 1 && stood.is_empty() && cured[0].contains("changed by somebody else"),
        "{cured:?}"
    );
    std::fs::write(bed.world.path("page.html"), "hello again\n").expect("page.html");
    bed.spoil("POST /services/ID/update", 1, 100, &meddle);
    let (_, stood) = Bed::errors(&bed.apply().expect(4).json());
    assert!(stood.iter().any(|error| error.contains("changed by somebody else")), "{stood:?}");
    assert_eq!(bed.faulty.spoilt().len(), 3, "tried three times");
    bed.converges();
}

#[test]
fn what_a_newer_engine_says_is_no_harm() {
    let bed = Bed::new(1);
    bed.apply().expect(0);
    // New fields everywhere, and new words where there are words.
    let newer = Fault::Change(|value| {
        let mut todo: Vec<&mut Value> = value.as_array_mut().into_iter().flatten().collect();
        while let Some(object) = todo.pop() {
            object["Newer"] = json!({ "Deep": [1, { "Er": null }] });
            for path in ["/Status", "/Version", "/Endpoint", "/IPAM", "/UpdateStatus", "/Description"] {
                if let Some(inner) = object.pointer_mut(path).and_then(Value::as_object_mut) {
                    inner.insert("Newer".into(), json!([true]));
                }
            }
            if let Some(state) = object.pointer_mut("/UpdateStatus/State") {
                *state = json!("warping");
            }
            if let Some(health) = object.pointer_mut("/ManagerStatus/Reachability") {
                *health = json!("telepathic");
            }
        }
    });
    bed.spoil("GET", 1, usize::MAX / 2, &newer);
    let quiet = bed.apply().expect(0).json();
    assert!(bed.faulty.spoilt().len() > 5);
    assert_eq!((&quiet["writes"], &quiet["plan"]["steps"]), (&json!(0), &json!([])), "{quiet:#}");

    // A state of tasks that nobody knows is no success.
    bed.world.edit(|manifest| manifest["stacks"]["web"]["deadline"] = json!("8s"));
    std::fs::write(bed.world.path("page.html"), "hello newer\n").expect("page.html");
    let state = Fault::Change(|value| {
        for task in value.as_array_mut().into_iter().flatten() {
            task["Status"]["State"] = json!("levitating");
        }
    });
    bed.spoil("GET /tasks", 1, usize::MAX / 2, &state);
    let (_, stood) = Bed::errors(&bed.apply().expect(4).json());
    assert!(stood.iter().any(|error| error.contains("levitating")), "{stood:?}");
    bed.world.write(&bed.world.manifest());
    bed.converges();

    // A field that the engine keeps adding to a spec is written away once, not for ever.
    let spec = Fault::Change(|value| {
        for service in value.as_array_mut().into_iter().flatten() {
            service["Spec"]["TaskTemplate"]["ContainerSpec"]["Newer"] = json!({ "A": 1 });
        }
    });
    bed.spoil("GET /services", 1, usize::MAX / 2, &spec);
    let kept = bed.apply().expect(4).json();
    let (_, stood) = Bed::errors(&kept);
    assert!(
        stood.iter().any(|error| error.contains("Newer") && error.contains("does not keep")),
        "{stood:?}"
    );
    assert_eq!(bed.faulty.writes(), ["POST /services/ID/update"]);
    bed.converges();
}

#[test]
fn an_engine_that_says_nothing_or_too_much_is_left_with_the_call_named() {
    let bed = Bed::new(0);
    bed.apply().expect(0);
    bed.spoil("GET /services", 1, 1, &Fault::Hang);
    let began = std::time::Instant::now();
    let hangs = bed.apply().expect(75);
    let (_, stood) = Bed::errors(&hangs.json());
    assert!(
        stood.iter().any(|error| error.contains("did not answer GET /services within 30 s")),
        "{stood:?}"
    );
    assert!(began.elapsed().as_secs() < 60);
    bed.spoil("GET /services", 1, 1, &Fault::Endless);
    let (_, stood) = Bed::errors(&bed.apply().expect(1).json());
    assert!(
        stood.iter().any(|error| error.contains("GET /services") && error.contains("longer than")),
        "{stood:?}"
    );
    bed.reset();
    // An answer to a write is an id: a mebibyte is far too much, and the write is looked for.
    bed.spoil("POST /networks/create", 1, 1, &Fault::Endless);
    let (cured, _) = Bed::errors(&bed.apply().expect(0).json());
    assert!(cured.len() == 1 && cured[0].contains("longer than 1 MiB"), "{cured:?}");
    if std::env::var_os("HOLDFAST_TEST_FULL").is_some() {
        bed.reset();
        bed.spoil("POST /services/create", 1, 1, &Fault::Hang);
        let (cured, _) = Bed::errors(&bed.apply().expect(0).json());
        assert!(cured.iter().any(|error| error.contains("POST /services/create within 90 s")), "{cured:?}");
    }
    bed.converges();
}
