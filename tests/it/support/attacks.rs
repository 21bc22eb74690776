//! A page of attacks names the test that carries each of them out. It is held against the tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The page names tests that exist, every test of the folder of `module`, and each number up to `last`; its text.
pub(crate) fn page_names_every_test(page: &str, module: &str, last: u32) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join(page)).expect("the page");
    let mut named = BTreeSet::new();
    let name = Regex::new("`([a-z_0-9]+(?:::[a-z_0-9]+)+)::([a-z_0-9]+)`").expect("a pattern");
    for found in name.captures_iter(&page) {
        let (module, function) = (&found[1], &found[2]);
        let is = Regex::new(&format!(r"#\[test\]\s+fn {function}\(\)")).expect("a pattern");
        let there = files(root, module).iter().any(|file| is.is_match(&read(file)));
        assert!(there, "{module}: there is no test {function}");
        named.insert(found[0].trim_matches('`').to_owned());
    }
    let tests = Regex::new("#\\[test\\]\nfn ([a-z_0-9]+)\\(").expect("a pattern");
    for entry in fs::read_dir(root.join("tests/it").join(module.replace("::", "/"))).expect("the folder") {
        let path = entry.expect("an entry").path();
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for found in tests.captures_iter(&read(&path)).filter(|_| file != "mod") {
            let whole = format!("{module}::{file}::{}", &found[1]);
            assert!(named.contains(&whole), "{whole} is not on the page");
        }
    }
    for number in 1..=last {
        assert!(page.contains(&format!("\n| {number} |")), "attack {number} is not on the page");
    }
    page
}

/// Where the tests of a module may stand: beside the code (`MODULE::tests`), or here.
fn files(root: &Path, module: &str) -> Vec<PathBuf> {
    let path = module.replace("::", "/");
    if let Some(code) = path.strip_suffix("/tests") {
        let beside =
            [format!("src/{code}.rs"), format!("src/{code}_tests.rs"), format!("src/{code}/tests.rs")];
        return beside.map(|file| root.join(file)).to_vec();
    }
    [format!("{path}.rs"), format!("{path}/mod.rs")].map(|file| root.join("tests/it").join(file)).to_vec()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
