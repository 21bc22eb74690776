//! The cases of `tests/nix/cases.nix`.

use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value};

use super::{evaluate, libraries, value};
use crate::support::golden;

#[test]
fn the_modules_make_units_manifests_and_values_that_are_written_down() {
    for (name, lib) in libraries() {
        let cases: Map<String, Value> =
            serde_json::from_str(&value(&format!("({}).good", cases(&lib)))).unwrap();
        assert!(cases.len() >= 24, "{name}: only {} cases", cases.len());
        eprintln!("{} cases on {name}", cases.len());
        for (case, found) in &cases {
            golden::same_as(&format!("tests/golden/nix/{case}.txt"), &text(found));
        }
    }
}

#[test]
fn what_is_wrong_fails_in_evaluation_with_words_that_name_it() {
    for (name, lib) in libraries() {
        let cases = cases(&lib);
        let says: Map<String, Value> =
            serde_json::from_str(&value(&format!("builtins.mapAttrs (_: one: one.says) ({cases}).bad")))
                .unwrap();
        assert!(says.len() >= 27, "{name}: only {} cases", says.len());
        eprintln!("{} refusals on {name}", says.len());
        for (case, says) in &says {
            let output = evaluate(&format!("({cases}).bad.{case}.value"));
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{name}: {case} evaluates");
            assert!(error.contains(says.as_str().unwrap()), "{name}: {case} does not say {says}:\n{error}");
        }
    }
}

pub(super) fn cases(lib: &Path) -> String {
    format!("import ./tests/nix/cases.nix {{ lib = import {}; }}", lib.display())
}

/// For people: units as systemd reads them, everything else as JSON; digests of the store are left out.
fn text(found: &Value) -> String {
    let texts = found.as_object().filter(|files| !files.is_empty() && files.values().all(is_unit));
    let all = texts.map_or_else(
        || serde_json::to_string_pretty(found).unwrap() + "\n",
        |files| {
            files.iter().fold(String::new(), |mut all, (name, text)| {
                write!(all, "# {name}\n{}\n", text.as_str().unwrap()).unwrap();
                all
            })
        },
    );
    let store = Regex::new("/nix/store/[0-9a-z]{32}-").unwrap();
    store.replace_all(&all, "/nix/store/-").into_owned()
}

fn is_unit(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with('['))
}
