//! Proves: exactly the units of what changed are told, once, after it, and only while they run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::tests::{compiled, desired};
use super::{Action, FilesAction, Plan, Verb, host};
use crate::desired::{Compiled, Desired};
use crate::manifest::Folder;
use crate::observed::{Ask, InstalledFile, LinkSeen, Observed, UnitSeen, Wish};

fn file(digest: &str) -> InstalledFile {
    InstalledFile { digest: digest.into(), uid: 0, gid: 0, mode: 0o400 }
}

fn house() -> Compiled {
    let mut compiled = compiled(&serde_json::json!({}), &[]);
    let secret = |fields: &str| {
        serde_json::from_str(&format!(r#"{{ "file": "/a.yaml" {fields} }}"#)).expect("a secret")
    };
    compiled.manifest.secrets = BTreeMap::from([
        ("a".to_owned(), secret(r#", "restart_units": ["one.service", "both.service"]"#)),
        ("b".to_owned(), secret(r#", "reload_units": ["two.service", "both.service"]"#)),
        ("c".to_owned(), secret(r#", "restart_units": ["three.service"], "path": "/etc/c""#)),
    ]);
    compiled.manifest.templates.clear();
    compiled
}

fn wanted(compiled: &Compiled) -> Desired<'_> {
    let mut desired = desired(compiled);
    desired.files = ["a", "b", "c"].map(|name| (name.to_owned(), file("0"))).into();
    desired.host.links = [(PathBuf::from("/etc/c"), PathBuf::from("/run/holdfast/secrets/c"))].into();
    desired
}

/// A host where all of it is installed and every unit runs.
fn settled(desired: &Desired<'_>) -> Observed {
    let mut observed = Observed { files: desired.files.clone(), ..Observed::default() };
    let unit = || UnitSeen {
        load: "loaded".into(),
        active: "active".into(),
        invocation: "x".into(),
        ..UnitSeen::default()
    };
    let units = ["one.service", "two.service", "three.service", "both.service"];
    observed.host.units = Some(units.map(|name| (name.to_owned(), unit())).into());
    observed.host.generation = Some(4);
    let links = desired.host.links.iter();
    observed.host.links =
        links.map(|(path, target)| (path.clone(), LinkSeen::Link(target.clone()))).collect();
    observed
}

fn told(plan: &Plan) -> Vec<(Verb, String)> {
    let units = plan.steps.iter().filter(|step| matches!(step.action, Action::Host(_)));
    units.map(|step| (step.verb, step.address.outer.name.clone())).collect()
}

fn of(verb: Verb, unit: &str) -> (Verb, String) {
    (verb, format!("{unit}.service"))
}

#[test]
fn what_changed_tells_its_units_after_it_and_a_restart_does_what_a_reload_would() {
    let compiled = house();
    let desired = wanted(&compiled);
    let mut observed = settled(&desired);
    assert!(host(&desired, &observed, &Folder::ALL).is_empty(), "nothing changed");

    observed.files.insert("a".into(), file("1"));
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(told(&plan), [of(Verb::Restart, "both"), of(Verb::Restart, "one")]);
    assert!(plan.steps[1..].iter().all(|step| step.needs == [0]), "before the files changed");
    let keep = BTreeSet::from([4]);
    assert_eq!(plan.steps[0].action, Action::Files(FilesAction::Install { folder: Folder::Services, keep }));

    observed.files.insert("b".into(), InstalledFile { mode: 0o440, ..file("0") });
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(told(&plan), [of(Verb::Restart, "both"), of(Verb::Restart, "one"), of(Verb::Reload, "two")]);
}

#[test]
fn a_link_that_changes_tells_the_units_of_its_secret() {
    let compiled = house();
    let desired = wanted(&compiled);
    let mut observed = settled(&desired);
    observed.host.links.insert("/etc/c".into(), LinkSeen::Missing);
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(told(&plan), [of(Verb::Restart, "three")]);
    observed.host.links.insert("/etc/c".into(), LinkSeen::Refused("it is a folder".into()));
    assert!(host(&desired, &observed, &Folder::ALL).is_empty(), "what cannot be made is no step");
}

#[test]
fn the_first_installation_and_units_that_do_not_run_are_left_alone() {
    let compiled = house();
    let desired = wanted(&compiled);
    let mut observed = settled(&desired);
    observed.files.clear();
    assert_eq!(told(&host(&desired, &observed, &Folder::ALL)), []);

    let mut observed = settled(&desired);
    observed.files.insert("a".into(), file("1"));
    for (active, load) in [("inactive", "loaded"), ("failed", "loaded"), ("inactive", "not-found")] {
        let units = observed.host.units.as_mut().expect("units");
        let unit = units.get_mut("one.service").expect("the unit");
        (unit.active, unit.load) = (active.into(), load.into());
        assert_eq!(told(&host(&desired, &observed, &Folder::ALL)), [of(Verb::Restart, "both")], "{active}");
    }
    observed.host.units = None;
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(told(&plan), []);
    assert!(plan.warnings[0].contains("`both.service`, `one.service`"), "{:?}", plan.warnings);
}

#[test]
fn what_a_killed_run_had_not_told_is_told_and_what_it_had_is_not_told_again() {
    let compiled = house();
    let desired = wanted(&compiled);
    let mut observed = settled(&desired);
    let ask = |before: &str, told| Ask {
        wish: Wish::Restart,
        before: before.into(),
        changed: 0,
        told,
        holds: BTreeSet::from([3]),
    };
    observed.host.asked = BTreeMap::from([
        ("one.service".to_owned(), ask("x", false)),
        ("two.service".to_owned(), ask("before", false)),
        ("three.service".to_owned(), ask("x", true)),
    ]);
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(told(&plan), [of(Verb::Restart, "one")]);
    assert_eq!(observed.host.held(), BTreeSet::from([3]), "its old invocation may hold it");
}

#[test]
fn a_generation_that_nobody_reads_is_only_removed() {
    let compiled = house();
    let desired = wanted(&compiled);
    let mut observed = settled(&desired);
    observed.files.insert(crate::observed::leftover("3"), file(""));
    let plan = host(&desired, &observed, &Folder::ALL);
    assert_eq!(plan.steps.len(), 1);
    assert!(matches!(plan.steps[0].action, Action::Files(FilesAction::Prune { .. })), "{plan:?}");
}

#[test]
fn links_that_left_the_manifest_go_and_those_of_others_stay() {
    let compiled = house();
    let mut desired = wanted(&compiled);
    let target = PathBuf::from("/run/holdfast/secrets/old");
    desired.host.recorded_links =
        ["/etc/old", "/etc/led-away", "/etc/gone"].map(|path| (PathBuf::from(path), target.clone())).into();
    let mut observed = settled(&desired);
    let links = &mut observed.host.links;
    links.insert("/etc/old".into(), LinkSeen::Link(target));
    links.insert("/etc/led-away".into(), LinkSeen::Link("/run/holdfast/secrets/other".into()));
    links.insert("/etc/gone".into(), LinkSeen::Missing);
    let plan = host(&desired, &observed, &Folder::ALL);
    let gone: Vec<String> = plan.steps.iter().map(|step| step.address.to_string()).collect();
    assert_eq!(gone, [r#"link."/etc/old""#]);
    assert_eq!(plan.steps[0].verb, Verb::Delete);
}
