//! The flake as a whole.

use std::path::Path;

use super::nix;

#[test]
fn the_flake_checks_and_the_build_of_a_host_runs_the_program_on_its_manifest() {
    // Outside a git checkout nix would copy everything, build results too.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(root.join(".git").exists(), "the flake is checked in a git checkout, and this is none");
    let mut command = nix("tests/nix/check.sh");
    let output = command.env("HOLDFAST_BIN", env!("CARGO_BIN_EXE_holdfast")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{said}");
    assert!(said.contains("flake checked on the stand-in"), "{said}");
}
