//! Proves: what the modules make of options, and that the program takes it. nixpkgs cannot be had everywhere, so these run
//! on the stand-in of `tests/nix/stub`; where `NIXPKGS_LIB` names the `lib` folder of a nixpkgs, they run on that as well,
//! and without it that is said to have not been run.

mod cases;
mod drone;
mod flake;
mod options;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast::manifest;
use holdfast::source::Source;
use regex::Regex;
use serde_json::Value;

/// Settings with which nix needs neither a daemon nor the network.
const CONFIG: &str = "build-users-group =\nsubstituters =\nsandbox = false\nexperimental-features = nix-command flakes\nflake-registry =\n";

#[test]
fn the_options_of_every_host_become_a_manifest_that_check_accepts() {
    for (name, lib) in libraries() {
        for host in ["ci", "demo"] {
            let checked = check(&format!("{host}.json"), &of_host(host, &lib));
            let said = String::from_utf8_lossy(&checked.stderr);
            assert_eq!(checked.status.code(), Some(0), "{host} on {name}: {said}");
        }
    }
}

#[test]
fn what_the_manifest_does_not_know_is_refused() {
    let (_, lib) = libraries().remove(0);
    let manifest = of_host("ci", &lib).replacen('{', "{\"swarms\":{},", 1);
    let checked = check("bad.json", &manifest);
    assert_eq!(checked.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("swarms"));
}

#[test]
fn the_demo_applies_what_the_modules_make_of_its_host() {
    let (_, lib) = libraries().remove(0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where things lie is all that may differ, and how the images came about.
    let compose = Regex::new(r#""[^"]*/app\.compose\.yml""#).unwrap();
    let modules = of_host("demo", &lib)
        .replace("/var/lib/holdfast-demo/", "/demo/")
        .replace("\"/run/holdfast", "\"/demo/run")
        .replace("\"/var/lib/holdfast\"", "\"/demo/state\"");
    let modules = compose.replace(&modules, "\"/demo/app.compose.yml\"");
    let demo = std::fs::read_to_string(root.join("hosts/demo/manifest.json")).unwrap();
    let demo = demo.replace("@IP@", "192.0.2.10").replace("@SOCKET@", "/run/docker.sock");
    assert_eq!(values(&modules), values(&demo));
}

/// The values of a manifest with all defaults; of images the names.
fn values(text: &str) -> Value {
    let loaded = manifest::load(&Source::new("manifest.json", text), Path::new("/demo"));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut values = serde_json::to_value(&loaded.manifest).unwrap();
    let images = values.get_mut("images").and_then(Value::as_object_mut).unwrap();
    images.values_mut().for_each(|image| *image = Value::Null);
    values
}

/// The manifest that the modules make of a host of `hosts/`.
fn of_host(host: &str, lib: &Path) -> String {
    let lib = lib.display();
    value(&format!("import ./tests/nix/host-manifest.nix {{ host = \"{host}\"; lib = import {lib}; }}"))
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
    command.args(["--eval", "--read-write-mode", "--strict", "--json", "--expr", expression]);
    command.output().expect("`nix-instantiate` cannot be run; run `make setup`")
}

/// The shell that the module gives the steps of builds: a folder with `bin/sh`.
pub(crate) fn step_shell() -> PathBuf {
    let mut command = nix("nix-build");
    command.args(["--no-out-link", "--expr", "(import ./tests/nix/cases.nix { }).step_shell"]);
    let output = command.output().expect("`nix-build` cannot be run; run `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
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
