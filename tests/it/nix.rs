//! Proves: what the Nix side writes is what the program reads. Plain evaluation, no nixpkgs.

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn the_demo_hosts_options_become_a_manifest_that_check_accepts() {
    let manifest = evaluate("import ./tests/nix/demo-manifest.nix");
    assert!(manifest.contains("\"swarm\"") && !manifest.contains("\"enable\""), "{manifest}");
    let checked = check("good.json", &manifest);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn an_option_that_the_manifest_does_not_know_is_refused() {
    let manifest = evaluate("import ./tests/nix/demo-manifest.nix // { swarms = { }; }");
    let checked = check("bad.json", &manifest);
    assert_eq!(checked.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("swarms"));
}

fn evaluate(expression: &str) -> String {
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--store", "dummy://", "--expr", expression])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("`nix-instantiate` cannot be run; run `make setup`");
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
