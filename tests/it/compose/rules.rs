//! The table of rules: its page, and a fixture on either side of each rule.
//!
//! No fixture is believed to show a rule because it says so. One breaks a rule when the loader says so of it. One keeps a
//! rule when the loader takes it, and says so of the same fixture with one text replaced, which `rules.txt` names: so what
//! the rule judges really stands there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use holdfast::compose::{Class, Rule};
use holdfast::manifest::Mode;

use super::harness::{Case, entries, golden};
use crate::support::golden as page;

const CLASSES: [(Class, &str); 6] = [
    (Class::Refused, "An error in both modes."),
    (
        Class::Lossy,
        "An error in strict. In compat a warning, and what docker does is done; where the last column says so, an error too.",
    ),
    (
        Class::Engine,
        "An error in strict. In compat a warning, and the engine has the last word; where the last column says so, an error too.",
    ),
    (Class::House, "An error in both modes."),
    (
        Class::Modern,
        "Strict reads it and translates it to what a swarm knows. An error in compat, or a warning where docker reads it in another way.",
    ),
    (Class::Said, "A warning in both modes."),
];

#[test]
fn the_page_of_rules_is_the_table_docs() {
    let mut text = "# Rules for compose files\n\nWritten by `make docs` from the table of the loader. A problem names its \
                    rule by the id in the first column. A stack of the manifest says with `mode` how its files are \
                    read: `strict` (default) refuses what docker drops, changes or reads in a way nobody means; \
                    `compat` does what docker does and says so.\n"
        .to_owned();
    for (class, meaning) in CLASSES {
        write!(text, "\n## {}\n\n{meaning}\n\n| rule | broken by | docker | decided by | compat |\n|---|---|---|---|---|\n", class.title())
            .unwrap();
        for rule in Rule::ALL.iter().filter(|rule| rule.class() == class) {
            let compat = if rule.followed() { "warns" } else { "refuses" };
            let (id, says, docker) = (rule.id(), rule.says(), rule.docker());
            writeln!(text, "| `{id}` | {says} | {docker} | {} | {compat} |", rule.source()).unwrap();
        }
    }
    text.push_str(
        "\n## Fixtures\n\nFolders of `tests/golden/compose`. The first keeps the rule: it is taken, and breaks the rule \
         when one text in it is replaced, which `rules.txt` there names. The second breaks it. Where a rule leaves no way \
         to write a thing at all, as for keys that are always refused, the first holds what is written in its place. A \
         newer spelling is broken in compat; what is accepted and said is broken by a fixture that is accepted.\n\n\
         | rule | kept in | broken in |\n|---|---|---|\n",
    );
    let (rows, broken) = (rows(), broken());
    for rule in Rule::ALL {
        let id = rule.id();
        let kept = rows.get(id).map_or("", |row| row.fixture.as_str());
        let broken = broken.get(id).map_or("", |(_, fixture)| fixture.as_str());
        writeln!(text, "| `{id}` | `{kept}` | `{broken}` |").unwrap();
    }
    page::same_as("docs/reference/compose-rules.md", &text);
}

/// A line of `rules.txt`.
pub(crate) struct Row {
    /// The fixture that keeps the rule.
    pub(crate) fixture: String,
    good: Vec<u8>,
    bad: Vec<u8>,
}

/// `rules.txt`, by rule.
pub(crate) fn rows() -> BTreeMap<String, Row> {
    let table = fs::read_to_string(golden().join("rules.txt")).unwrap();
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut rows = BTreeMap::new();
    for line in lines {
        let (rule, rest) = line.split_once(" | ").unwrap_or_else(|| panic!("no fixture: {line}"));
        let (fixture, texts) = rest.split_once(" | ").unwrap_or_else(|| panic!("no texts: {line}"));
        let texts = format!("{texts} ");
        let (good, bad) = texts.split_once(" => ").unwrap_or_else(|| panic!("no other text: {line}"));
        let bad = bad.strip_suffix(' ').unwrap_or(bad);
        let row = Row { fixture: fixture.to_owned(), good: spelt_out(good), bad: spelt_out(bad) };
        assert!(rows.insert(rule.to_owned(), row).is_none(), "{rule} stands twice in rules.txt");
    }
    rows
}

/// A text of `rules.txt` as bytes.
fn spelt_out(text: &str) -> Vec<u8> {
    let many = regex::Regex::new(r"\{(\d+)\*(.)\}").unwrap();
    let text = many.replace_all(text, |found: &regex::Captures<'_>| {
        found.get(2).unwrap().as_str().repeat(found.get(1).unwrap().as_str().parse().unwrap())
    });
    let text = text.replace("\\n", "\n");
    let mut parts = text.split("\\xff");
    let first = parts.next().unwrap_or_default().as_bytes().to_vec();
    parts.fold(first, |mut bytes, part| {
        bytes.push(0xff);
        bytes.extend_from_slice(part.as_bytes());
        bytes
    })
}

/// The rules that a fixture breaks, each in the mode in which breaking it means something.
fn breaks(folder: &Path) -> BTreeSet<&'static str> {
    let case = Case::open(folder);
    let of = |mode: Mode, wanted: &dyn Fn(Class, bool) -> bool| -> Vec<&'static str> {
        let (said, refused) = match case.read(mode) {
            Ok(output) => (output.warnings, false),
            Err(problems) => (problems, true),
        };
        let ids: BTreeSet<&str> = said.iter().filter_map(|problem| problem.rule).collect();
        let ids = Rule::ALL.iter().filter(|rule| ids.contains(rule.id()) && wanted(rule.class(), refused));
        ids.map(|rule| rule.id()).collect()
    };
    let mut ids = of(Mode::Strict, &|class, refused| match class {
        Class::Modern => false,
        Class::Said => !refused,
        _ => refused,
    });
    ids.extend(of(Mode::Compat, &|class, refused| {
        class == Class::Modern || refused && class == Class::Refused
    }));
    // Some of docker's refusals come after a refusal of strict and of compat.
    let alone: BTreeSet<&str> = case.alone().iter().filter_map(|problem| problem.rule).collect();
    let docker = Rule::ALL.iter().filter(|rule| rule.class() == Class::Refused);
    ids.extend(docker.map(|rule| rule.id()).filter(|id| alone.contains(id)));
    ids.into_iter().collect()
}

/// By rule: how many rules the fixture breaks that shows it best, and its name.
type Broken = BTreeMap<&'static str, (usize, String)>;

/// What every fixture breaks, looked for once.
fn broken() -> &'static Broken {
    static BROKEN: OnceLock<Broken> = OnceLock::new();
    BROKEN.get_or_init(look_for_broken)
}

fn look_for_broken() -> Broken {
    let mut best: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for kind in ["refused", "accepted", "translated"] {
        for folder in entries(&golden().join(kind)) {
            let name = format!("{kind}/{}", folder.file_name().unwrap_or_default().to_string_lossy());
            let ids = breaks(&folder);
            for id in &ids {
                let mine = (ids.len(), name.clone());
                let kept = best.entry(id).or_insert_with(|| mine.clone());
                if mine.0 < kept.0 {
                    *kept = mine;
                }
            }
        }
    }
    best
}

/// Copies a fixture with one text of one of its files replaced; false when no file holds the text.
pub(crate) fn replaced(from: &Path, to: &Path, row: &Row) -> bool {
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.push((path, bytes));
            }
        }
    }
    let place = |bytes: &[u8]| bytes.windows(row.good.len()).position(|window| window == row.good);
    let found = files.iter_mut().find_map(|(_, bytes)| place(bytes).map(|at| (at, bytes)));
    let done =
        found.map(|(at, bytes)| bytes.splice(at..at + row.good.len(), row.bad.iter().copied()).count());
    for (path, bytes) in files {
        let path = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    done.is_some()
}

#[test]
fn every_rule_has_a_fixture_that_keeps_it_and_one_that_breaks_it() {
    let (mut rows, broken) = (rows(), broken());
    let mut wrong = Vec::new();
    for rule in Rule::ALL {
        let id = rule.id();
        if !broken.contains_key(id) {
            wrong.push(format!("{id}: no fixture breaks it"));
        }
        let Some(row) = rows.remove(id) else {
            wrong.push(format!("{id}: `rules.txt` names no fixture that keeps it"));
            continue;
        };
        let folder = golden().join(&row.fixture);
        let case = Case::open(&folder);
        if case.read(Mode::Strict).is_err() || breaks(&folder).contains(id) {
            wrong.push(format!("{id}: {} is refused or breaks it already", row.fixture));
        }
        let temp = tempfile::tempdir().unwrap();
        if !replaced(&folder, temp.path(), &row) {
            wrong.push(format!("{id}: {} does not hold the text that is replaced", row.fixture));
            continue;
        }
        let broken = breaks(temp.path());
        if !broken.contains(id) {
            wrong.push(format!(
                "{id}: {} keeps it with its text replaced, and breaks {broken:?}",
                row.fixture
            ));
        }
    }
    let unknown: Vec<&String> = rows.keys().collect();
    assert!(wrong.is_empty() && unknown.is_empty(), "{}\nunknown rules: {unknown:?}", wrong.join("\n"));
    eprintln!("{} rules, each with a fixture on either side", Rule::ALL.len());
}
