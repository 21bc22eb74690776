//! The rules that strict holds for the engine's sake: what breaks one is sent by docker, and the engine takes it not.
//! So strict refuses nothing here that would have run.

use std::fs;
use std::process::Command;

use holdfast::compose::{Class, Rule};

use crate::compose::harness::{Case, golden};
use crate::compose::rules::{replaced, rows};
use crate::support::engine::{Engine, Flavour};

#[test]
fn what_strict_refuses_for_the_engine_is_refused_by_an_engine() {
    let flavour =
        if std::env::var_os("HOLDFAST_TEST_FULL").is_some() { Flavour::Moby } else { Flavour::usual() };
    let machine = Engine::start_swarm_flavour(flavour);
    let node = machine.docker(&["node", "ls", "-q"]);
    machine.docker(&["node", "update", "--availability", "drain", &node]);
    let home = tempfile::tempdir().unwrap();
    let value = home.path().join("value");
    fs::write(&value, "x").unwrap();
    for name in ["s_one", "s_two", "s_three"] {
        machine.docker(&["secret", "create", name, value.to_str().unwrap()]);
    }
    for name in ["proxy", "real-name"] {
        machine.docker(&["network", "create", "-d", "overlay", name]);
    }
    let rows = rows();
    let rules = Rule::ALL.iter().filter(|rule| rule.class() == Class::Engine && rule.source() == "engine");
    let (mut wrong, mut said) = (Vec::new(), 0);
    for (at, rule) in rules.enumerate() {
        let (id, temp) = (rule.id(), tempfile::tempdir().unwrap());
        let row = rows.get(id).unwrap();
        assert!(replaced(&golden().join(&row.fixture), temp.path(), row), "{id}: no text to replace");
        let case = Case::open(temp.path());
        let stack = format!("r{at}");
        let mut command = Command::new("docker");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DOCKER_HOST", machine.address()).env("DOCKER_CONFIG", home.path());
        command.envs(&case.env).args(["stack", "deploy", "--resolve-image", "never", "--detach=true"]);
        for file in &case.files {
            command.arg("-c").arg(file);
        }
        let output = command.arg(&stack).output().expect("run docker");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let refused = !output.status.success() && error.contains("Error response from daemon");
        eprintln!("{id}: {}", error.lines().last().unwrap_or_default());
        if refused {
            said += 1;
        } else {
            wrong.push(format!("{id} is taken: {error}"));
        }
        let ids = machine.docker(&["service", "ls", "-q"]);
        ids.lines().for_each(|id| drop(machine.docker(&["service", "rm", id])));
    }
    eprintln!("{flavour:?} refuses what breaks {said} rules");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
