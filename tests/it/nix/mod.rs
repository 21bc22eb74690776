//! Proves: what the modules make of options, and that the program takes it. nixpkgs cannot be had everywhere, so these run
//! on the stand-in of `tests/nix/stub`; where `NIXPKGS_LIB` names the `lib` folder of a nixpkgs, they run on that as well,
//! and without it that is said to have not been run.

mod cases;
mod flake;
mod options;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Settings with which nix needs neither a daemon nor the network.
const CONFIG: &str = "build-users-group =\nsubstituters =\nsandbox = false\nexperimental-features = nix-command flakes\nflake-registry =\n";

#[test]
fn the_demo_hosts_options_become_a_manifest_that_check_accepts() {
    let manifest = value("import ./tests/nix/demo-manifest.nix");
    assert!(manifest.contains("\"swarm\"") && !manifest.contains("\"enable\""), "{manifest}");
    let checked = check("good.json", &manifest);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn an_option_that_the_manifest_does_not_know_is_refused() {
    let manifest = value("import ./tests/nix/demo-manifest.nix // { swarms = { }; }");
    let checked = check("bad.json", &manifest);
    assert_eq!(checked.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("swarms"));
}

/// The libraries to run on: an expression for each, and its name.
fn libraries() -> Vec<(String, PathBuf)> {
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nix/stub/lib");
    let mut found = vec![("the stand-in of tests/nix/stub".to_owned(), stub)];
    match std::env::var_os("NIXPKGS_LIB") {
        Some(path) => found.push((format!("NIXPKGS_LIB={}", path.display()), path.into())),
        None => eprintln!("not run on the lib of nixpkgs: NIXPKGS_LIB is not set"),
    }
    found
}

fn nix(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("NIX_CONFIG", CONFIG);
    command
}

fn evaluate(expression: &str) -> Output {
    let mut command = nix("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--expr", expression]);
    command.output().expect("`nix-instantiate` cannot be run; run `make setup`")
}

/// The value of an expression, as JSON.
fn value(expression: &str) -> String {
    let output = evaluate(expression);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn check(name: &str, manifest: &str) -> Output {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, manifest).unwrap();
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["check", "--manifest-only"])
        .arg(file)
        .output()
        .unwrap()
}
