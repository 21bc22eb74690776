//! Unit files as a switch reads them, and what a difference between two asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Section → key → values.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Unit(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// What two texts of one unit mean for it.
#[derive(Debug, PartialEq)]
pub(super) enum Difference {
    None,
    Reload,
    Restart,
}

/// Keys of `[Unit]` that change nothing of what runs.
const WITHOUT_EFFECT: [&str; 12] = [
    "AllowIsolate",
    "CollectMode",
    "Description",
    "Documentation",
    "IgnoreOnIsolate",
    "OnFailure",
    "OnFailureJobMode",
    "OnSuccess",
    "RefuseManualStart",
    "RefuseManualStop",
    "SourcePath",
    "StopWhenUnneeded",
];

impl Unit {
    /// The unit of this name in a folder, with what its drop-ins add. None where it is not there or masked.
    pub(super) fn read(folder: &Path, name: &str) -> Option<Self> {
        let path = folder.join(name);
        if fs::canonicalize(&path).ok()? == Path::new("/dev/null") {
            return None;
        }
        let mut unit = Self::default();
        unit.add(&fs::read_to_string(path).ok()?);
        let mut more: Vec<_> = fs::read_dir(folder.join(format!("{name}.d")))
            .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
            .unwrap_or_default();
        more.retain(|path: &std::path::PathBuf| {
            path.extension().is_some_and(|extension| extension == "conf")
        });
        more.sort();
        for path in more {
            unit.add(&fs::read_to_string(path).ok()?);
        }
        Some(unit)
    }

    /// Adds the lines of a text; an empty value takes back those before it.
    pub(super) fn add(&mut self, text: &str) {
        let mut section = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with(['#', ';'])
                && section != "Install"
            {
                let values =
                    self.0.entry(section.clone()).or_default().entry(key.trim().to_owned()).or_default();
                match value.trim() {
                    "" => values.clear(),
                    value => values.push(value.to_owned()),
                }
            }
        }
    }

    /// A switch of this unit, or what holds without it.
    pub(super) fn is(&self, section: &str, key: &str, otherwise: bool) -> bool {
        self.values(section, key)
            .last()
            .map_or(otherwise, |value| matches!(value.as_str(), "1" | "yes" | "true" | "on"))
    }

    /// All values of a key.
    pub(super) fn values(&self, section: &str, key: &str) -> &[String] {
        self.0.get(section).and_then(|keys| keys.get(key)).map_or(&[], Vec::as_slice)
    }

    /// What it takes to make the unit as the new one says.
    pub(super) fn difference(&self, new: &Self) -> Difference {
        let keys: BTreeSet<(&str, &str)> = [self, new]
            .iter()
            .flat_map(|unit| unit.0.iter())
            .flat_map(|(section, keys)| keys.keys().map(|key| (section.as_str(), key.as_str())))
            .collect();
        let mut found = Difference::None;
        for (section, key) in keys {
            let (before, after) = (self.values(section, key), new.values(section, key));
            if before == after {
                continue;
            }
            match (section, key) {
                // That one went is no reason: nothing that runs knows of it.
                ("Unit", "X-Reload-Triggers") | ("Service", "ExecReload") if after.is_empty() => {}
                ("Unit", "X-Reload-Triggers") | ("Service", "ExecReload") => found = Difference::Reload,
                ("Mount", "Options") if !before.is_empty() && !after.is_empty() => found = Difference::Reload,
                ("Unit", key) if WITHOUT_EFFECT.contains(&key) => {}
                _ => return Difference::Restart,
            }
        }
        found
    }
}

#[test]
fn only_what_has_an_effect_is_a_difference() {
    let unit = |text: &str| {
        let mut unit = Unit::default();
        unit.add(text);
        unit
    };
    let of = |old: &str, new: &str| unit(old).difference(&unit(new));
    assert_eq!(
        of("[Service]\nA=1\n", "# words\n[Service]\nA = 1\n[Install]\nWantedBy=x\n"),
        Difference::None
    );
    assert_eq!(of("[Service]\nA=1\n", "[Service]\nA=2\n"), Difference::Restart);
    assert_eq!(of("[Service]\nA=1\nA=\nA=2\n", "[Service]\nA=2\n"), Difference::None);
    assert_eq!(of("[Service]\nA=1\n", "[Service]\nA=1\nB=1\n"), Difference::Restart);
    assert_eq!(of("[Unit]\nDescription=a\n", "[Unit]\nDescription=b\n"), Difference::None);
    assert_eq!(of("[Unit]\nDescription=a\n", "[Unit]\nAfter=b.service\n"), Difference::Restart);
    assert_eq!(of("[Unit]\nX-Reload-Triggers=a\n", "[Unit]\nX-Reload-Triggers=b\n"), Difference::Reload);
    assert_eq!(of("[Unit]\nX-Reload-Triggers=a\n", ""), Difference::None);
    let both =
        ("[Unit]\nX-Reload-Triggers=a\n[Service]\nA=1\n", "[Unit]\nX-Reload-Triggers=b\n[Service]\nA=2\n");
    assert_eq!(of(both.0, both.1), Difference::Restart);
    assert_eq!(of("[Mount]\nOptions=a\nWhat=b\n", "[Mount]\nOptions=c\nWhat=b\n"), Difference::Reload);
    assert_eq!(of("[Mount]\nOptions=a\nWhat=b\n", "[Mount]\nWhat=b\n"), Difference::Restart);
    assert_eq!(of("[Service]\nA=1\nExecReload=a\n", "[Service]\nA=1\nExecReload=b\n"), Difference::Reload);
    assert_eq!(of("[Service]\nA=1\n", "[Service]\nA=1\nExecReload=b\n"), Difference::Reload);
    assert_eq!(of("[Service]\nA=1\nExecReload=a\n", "[Service]\nA=1\n"), Difference::None);
    assert_eq!(of("[Service]\nA=1\nExecReload=a\n", "[Service]\nA=2\n"), Difference::Restart);
}
