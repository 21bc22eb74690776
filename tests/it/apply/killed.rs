//! Proves: kill -9 at every write, to the engine and to the file system, costs nothing.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::relay::{Relay, When};
use crate::support::world::{World, unmount_below};

/// Applies through a relay, and is killed where one says so; returns the writes that a whole run makes.
pub(super) fn through(world: &World, at: Option<(usize, When)>) -> usize {
    let relay = Relay::start(&world.path("relay.sock"), &world.engine.socket, at);
    let address = format!("unix://{}", relay.socket.display());
    let mut child = world
        .command(&["apply", "--no-verify", "-H", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    if at.is_some() {
        assert!(relay.wait(60), "write {at:?} never came");
        child.kill().expect("kill -9");
    }
    let status = child.wait().expect("it ends");
    assert_eq!(status.success(), at.is_none(), "{at:?}");
    relay.writes()
}

/// A plain apply ends well, and another one finds nothing to do. The gates are left out: their soak, a dozen times
/// over, would prove nothing more of a crash.
fn converges(world: &World) {
    world.run(&["apply", "--no-verify"]).expect(0);
    let again = world.run(&["apply", "--no-verify", "--json"]).expect(0).json();
    assert_eq!((&again["writes"], &again["plan"]["steps"]), (&Value::from(0), &serde_json::json!([])));
}

/// Back to an engine in no swarm and a host without files.
fn reset(world: &World) {
    drop(world.engine.docker_output(&["swarm", "leave", "--force"]));
    world.engine.docker_output(&["image", "rm", "-f", &image(world)]);
    unmount_below(&world.run_dir());
    for folder in ["run", "state"] {
        drop(std::fs::remove_dir_all(world.path(folder)));
    }
}

fn image(world: &World) -> String {
    let images = world.engine.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    images.lines().find(|name| name.starts_with("holdfast.invalid/")).unwrap_or("none").to_owned()
}

#[test]
fn killed_at_every_write_to_the_engine() {
    let world = World::new();
    let writes = through(&world, None);
    assert!(writes >= 7, "swarm, node, image, network, config, secret, mirror, service: only {writes}");
    for number in 1..=writes {
        for when in [When::Before, When::After] {
            reset(&world);
            through(&world, Some((number, when)));
            converges(&world);
        }
    }
    println!("killed at {} points: before and after each of {writes} writes", writes * 2);
}

/// System calls that make something of a file step final or visible.
const STEPS: &str = "rename,renameat,renameat2,mkdir,mkdirat,mount,fsmount,move_mount,symlink,symlinkat";

/// Applies under strace, killed at the given call if any (its name, and which of that name, from 1: strace counts
/// each name by itself). Returns the exit code, none for a killed program, and the names of the calls in order.
fn strace(world: &World, kill: Option<(&str, usize)>) -> (Option<i32>, Vec<String>) {
    let log = world.path("strace.log");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", &format!("trace={STEPS}"), "-o"]).arg(&log);
    if let Some((call, number)) = kill {
        command.args(["-e", &format!("inject={call}:signal=SIGKILL:when={number}")]);
    }
    command
        .arg(env!("CARGO_BIN_EXE_holdfast"))
        .args(["apply", "--no-verify"])
        .arg(world.path("manifest.json"));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.expect("`strace` cannot be run; run `make setup`");
    let text = std::fs::read_to_string(&log).expect("strace wrote its log");
    let name = |line: &str| {
        let call = line.split_whitespace().nth(1)?.split_once('(')?.0;
        STEPS.split(',').find(|step| *step == call).map(str::to_owned)
    };
    (status.code(), text.lines().filter_map(name).collect())
}

#[test]
fn killed_at_every_step_on_files() {
    let world = World::new();
    // The engine's side stands already: only files are left to do, again and again.
    world.apply();
    let wipe = || {
        unmount_below(&world.run_dir());
        for folder in ["run", "state"] {
            drop(std::fs::remove_dir_all(world.path(folder)));
        }
    };
    let key = std::fs::read(world.path("state/naming.key")).expect("the naming key");
    let keep_names = || {
        std::fs::create_dir_all(world.path("state")).expect("the state folder");
        std::fs::write(world.path("state/naming.key"), &key).expect("the naming key");
    };
    wipe();
    keep_names();
    let (code, steps) = strace(&world, None);
    assert_eq!(code, Some(0));
    assert!(steps.len() >= 8, "run folder, mount, staging, rename, flip, state: only {steps:?}");
    for (index, call) in steps.iter().enumerate() {
        let number = steps[..=index].iter().filter(|one| *one == call).count();
        wipe();
        keep_names();
        let (code, _) = strace(&world, Some((call, number)));
        assert_eq!(code, None, "the program was not killed at `{call}` number {number}");
        converges(&world);
    }
    println!("killed at {} renames, links, mkdirs and mounts: {}", steps.len(), steps.join(" "));
}

#[test]
fn two_at_once_one_is_told_who_holds_the_lock() {
    let world = World::new();
    let relay = Relay::start(&world.path("relay.sock"), &world.engine.socket, Some((1, When::Before)));
    let address = format!("unix://{}", relay.socket.display());
    let mut first = world
        .command(&["apply", "-H", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    assert!(relay.wait(60));
    let second = world.run(&["apply"]).expect(6);
    assert!(second.err.contains(&format!("pid {}", first.id())), "{}", second.err);
    first.kill().expect("kill -9");
    first.wait().expect("it ends");
    let record: Value = world.run(&["apply", "--json", "--lock-wait", "10s"]).expect(0).json();
    assert_eq!(record["exit"], "ok");
}
