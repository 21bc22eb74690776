//! Texts that must stay as they are.

use std::path::{Path, PathBuf};

/// Compares with a file of the repository; on a difference leaves the new text under `target/golden` and says how to
/// take it over.
#[track_caller]
pub(crate) fn same_as(path: &str, actual: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(root.join(path)).unwrap_or_default();
    if expected == actual {
        return;
    }
    let fresh: PathBuf = root.join("target/golden").join(path);
    std::fs::create_dir_all(fresh.parent().unwrap()).unwrap();
    std::fs::write(&fresh, actual).unwrap();
    let at = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
    panic!(
        "{path} differs at line {}:\n  has  {}\n  now  {}\nif that is meant: `make docs` for pages of docs/, else cp target/golden/{path} {path}",
        at + 1,
        line(&expected),
        line(actual)
    );
}
