//! Random stacks through both sides: what docker sends and what it refuses.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::merged;
use super::transcript::{compare, strict};

/// Cases without `HOLDFAST_RANDOM_STACKS`; each costs docker a process.
const CASES: u32 = 1000;
/// Of so many cases one is compared through `docker stack config` as well, which costs another process.
const MERGED: u32 = 4;
/// Processors of the machines that run the tests.
const THREADS: u32 = 2;

/// Of services that name no other one; strict takes it too.
const IMAGE: &str =
    "    image: nginx:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";

const VARIABLES: [(&str, &str); 5] =
    [("YES", "true"), ("N", "4"), ("EMPTY", ""), ("NAME", "app"), ("HOME", "/home/me")];

/// Key → its values, common ones and rare ones.
type Pool = BTreeMap<String, (Vec<String>, Vec<String>)>;

/// The sections of `pools.txt`.
fn pools() -> BTreeMap<String, Pool> {
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    let mut section = String::new();
    for line in include_str!("pools.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let rare = line.strip_prefix("% ");
        let (key, value) = rare.unwrap_or(line).split_once(':').expect("`key: value`");
        let values = pools.entry(section.clone()).or_default().entry(key.to_owned()).or_default();
        let list = if rare.is_some() { &mut values.1 } else { &mut values.0 };
        list.push(value.trim().to_owned());
    }
    pools
}

/// Values of every kind, and of those the ones that strict takes where nothing else stands beside them.
struct Pools {
    all: BTreeMap<String, Pool>,
    careful: BTreeMap<String, Pool>,
}

/// Sections of a file beside the services, in the order in which they are tried: services refer to what they hold.
const SECTIONS: [&str; 4] = ["networks", "volumes", "secrets", "configs"];

impl Pools {
    fn read() -> Self {
        let all = pools();
        let mut careful: BTreeMap<String, Pool> = BTreeMap::new();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.yml");
        around(folder.path());
        for section in SECTIONS.into_iter().chain(["top", "service", "deploy"]) {
            let mut kept = Pool::new();
            for (key, (common, _)) in &all[section] {
                let taken = common.iter().filter(|value| {
                    fs::write(&path, alone(&careful, section, &format!("{key}: {value}"))).unwrap();
                    strict(std::slice::from_ref(&path), &variables()).is_ok()
                });
                kept.insert(key.clone(), (taken.cloned().collect(), Vec::new()));
            }
            careful.insert(section.to_owned(), kept);
        }
        Self { all, careful }
    }
}

/// A file with one line of a section, and what the line may refer to.
fn alone(careful: &BTreeMap<String, Pool>, section: &str, line: &str) -> String {
    let mine = |name: &str, indent: &str| {
        if name == section { format!("{indent}{line}\n") } else { String::new() }
    };
    let image = if line.starts_with("image:") { "" } else { IMAGE };
    let deploy = mine("deploy", "    deploy:\n      ");
    let mut text = format!("{}services:\n  one:\n{IMAGE}  two:\n{IMAGE}", mine("top", ""));
    write!(text, "  three:\n{image}{}{deploy}", mine("service", "    ")).unwrap();
    for name in SECTIONS {
        let known = careful.get(name).into_iter().flatten();
        let known = known.filter_map(|(key, (common, _))| Some(format!("  {key}: {}\n", common.first()?)));
        let body: String = known.chain([mine(name, "  ")]).collect();
        if !body.is_empty() {
            write!(text, "{name}:\n{body}").unwrap();
        }
    }
    text
}

fn variables() -> BTreeMap<String, String> {
    VARIABLES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// How often things stand in a file, in thousandths.
#[derive(Clone, Copy)]
struct Odds {
    common: u32,
    rare: u32,
}

/// Lines of a section; which keys and values is up to `dice`.
fn lines(pool: &Pool, odds: Odds, indent: &str, dice: &mut dyn Iterator<Item = u32>) -> String {
    let mut out = String::new();
    for (key, (common, rare)) in pool {
        let roll = dice.next().unwrap_or_default() % 1000;
        let at = dice.next().unwrap_or_default() as usize;
        let list = if roll >= 1000 - odds.rare { rare } else { common };
        if (roll < odds.common || roll >= 1000 - odds.rare) && !list.is_empty() {
            writeln!(out, "{indent}{key}: {}", list[at % list.len()]).unwrap();
        }
    }
    out
}

/// One file; the first names every section and an image for each service.
fn file(
    pools: &BTreeMap<String, Pool>,
    at: usize,
    services: usize,
    dice: &mut dyn Iterator<Item = u32>,
) -> String {
    // Careful ones have no rare values.
    let careful = pools.values().flatten().all(|(_, (_, rare))| rare.is_empty());
    let odds = |common: u32| Odds { common, rare: if careful { 0 } else { 3 } };
    let mut text = lines(&pools["top"], odds(60), "", dice);
    text.push_str("services:\n");
    for name in &["one", "two", "three"][..services] {
        let density = [30, 100, 250][dice.next().unwrap_or_default() as usize % 3];
        let skipped = at > 0 && dice.next().unwrap_or_default().is_multiple_of(3);
        let body = lines(&pools["service"], odds(density), "    ", dice);
        let deploy = lines(&pools["deploy"], odds(density), "      ", dice);
        if skipped {
            continue;
        }
        let image = if at == 0 && !body.contains("    image:") { IMAGE } else { "" };
        let deploy = if deploy.is_empty() { deploy } else { format!("    deploy:\n{deploy}") };
        let filler = if at > 0 && body.is_empty() && deploy.is_empty() { "    hostname: q\n" } else { "" };
        write!(text, "  {name}:\n{image}{body}{filler}{deploy}").unwrap();
    }
    if text.ends_with("services:\n") {
        text.push_str("  one:\n    hostname: q\n");
    }
    for section in SECTIONS {
        let later = if careful { 0 } else { 100 };
        let body = lines(&pools[section], odds(if at == 0 { 997 } else { later }), "  ", dice);
        if !body.is_empty() {
            write!(text, "{section}:\n{body}").unwrap();
        }
    }
    text
}

/// Files that stacks name.
fn around(folder: &Path) {
    for (name, text) in [
        ("conf.txt", "x"),
        ("empty.txt", ""),
        ("one.env", "# c\nA=1\nYES\nQ=\"q\"\nE=\n"),
        ("two.env", "A=2\nYES=\nNOWHERE\n"),
        ("bad.env", "A=1\nB C=2\n"),
        ("app.txt", "{{ env \"A\" }}\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Writes the files of a stack; returns them in order. Of nine in ten, strict may take everything by itself.
fn stack(folder: &Path, pools: &Pools, shape: (usize, usize), dice: &[u32]) -> Vec<PathBuf> {
    around(folder);
    let mut dice = dice.iter().copied();
    let careful = dice.next().unwrap_or_default() % 10 < 9;
    let pools = if careful { &pools.careful } else { &pools.all };
    let paths = (0..shape.0).map(|at| {
        let path = folder.join(format!("{at}.yml"));
        fs::write(&path, file(pools, at, shape.1, &mut dice)).unwrap();
        path
    });
    paths.collect()
}

#[test]
fn random_stacks_become_the_requests_of_docker_or_are_refused_by_both() {
    let wanted = std::env::var_os("HOLDFAST_RANDOM_STACKS");
    let wanted = wanted
        .map_or(CASES, |text| text.to_string_lossy().parse().expect("HOLDFAST_RANDOM_STACKS is a number"));
    let (pools, env) = (Pools::read(), variables());
    let (sent, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    let (merged, strict) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pools, env, sent, refused) = (&pools, &env, &sent, &refused);
            let (merged, strict) = (&merged, &strict);
            scope.spawn(move || {
                let config = Config {
                    cases: wanted.div_ceil(THREADS),
                    failure_persistence: None,
                    ..Config::default()
                };
                // Zero means the first value or none at all, so that what fails shrinks to few lines.
                let dice = prop::collection::vec(0_u32..1_000_000, 1600);
                let strategy = (1_usize..4, 1_usize..4, dice);
                let case = |(files, services, dice): (usize, usize, Vec<u32>)| {
                    let folder = tempfile::tempdir().unwrap();
                    let paths = stack(folder.path(), pools, (files, services), &dice);
                    let again = dice.last().is_some_and(|last| last.is_multiple_of(MERGED));
                    let agreed = compare(&paths, env).and_then(|both| {
                        let found = if again { Some(merged::compare(&paths, env)?) } else { None };
                        if let Some(found) = found {
                            merged.fetch_add(1, Ordering::Relaxed);
                            strict.fetch_add(u32::from(found.strict), Ordering::Relaxed);
                        }
                        Ok(both)
                    });
                    let count = match agreed {
                        Ok(true) => sent,
                        Ok(false) => refused,
                        Err(reason) => {
                            let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
                            let texts: Vec<String> = texts.collect();
                            return Err(TestCaseError::fail(format!("{reason}\n{}", texts.join("---\n"))));
                        }
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                };
                // The default run says the same each time it is run; more cases are other cases.
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&(u64::from(wanted) << 8 | u64::from(thread)).to_le_bytes());
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
                if let Err(error) = TestRunner::new_with_rng(config, rng).run(&strategy, case) {
                    let text = error.to_string();
                    panic!("{}", text.split("minimal failing input").next().unwrap_or_default());
                }
            });
        }
    });
    let (sent, refused) = (sent.into_inner(), refused.into_inner());
    let (merged, strict) = (merged.into_inner(), strict.into_inner());
    eprintln!("{sent} random stacks sent the same, {refused} refused by both");
    eprintln!("{merged} of them through `docker stack config` too, {strict} of those in strict as well");
    assert!(sent > wanted / 5 && refused > wanted / 50, "too few stacks of either kind prove anything");
    assert!(strict > merged / 8 && strict < merged, "too few stacks prove anything of strict");
}
