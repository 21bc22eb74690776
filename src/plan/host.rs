//! Files under the run folder, and what on the host depends on them.

use std::collections::{BTreeMap, BTreeSet};

use super::bind::UNKNOWN;
use super::builder::{Builder, Draft};
use super::units::{self, Touched};
use super::{Action, Change, Consequence, FilesAction, Group, Verb};
use crate::address::{Address, Kind};
use crate::manifest::{Folder, Installed};
use crate::observed::{InstalledFile, UnitSeen, is_leftover};

/// Plans what the host needs without an engine: files, links, units; of these folders.
pub(super) fn secrets(builder: &mut Builder<'_>, folders: &[Folder]) {
    mint(builder);
    let (mut installs, mut touched) = (BTreeMap::new(), Touched::new());
    for folder in folders {
        if let Some(id) = install(builder, *folder, &mut touched) {
            installs.insert(*folder, id);
        }
        install_later(builder, *folder, &mut touched);
    }
    units::links(builder, folders, &installs, &mut touched);
    units::units(builder, &touched);
}

/// Keeps what the host has made, before every other step.
fn mint(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let mut made = Vec::new();
    for name in desired.host.mint.difference(&observed.host.minted) {
        let action = Action::Files(FilesAction::Mint { name: name.clone() });
        let draft = Draft::new(Address::new(Kind::Secret, name), Verb::Create, Group::Ground, action);
        made.push(builder.add(draft.because("made on this host, and kept for it and its admins")));
    }
    builder.minted = made;
}

/// Plans one new generation of a folder when any of it differs.
fn install(builder: &mut Builder<'_>, folder: Folder, touched: &mut Touched) -> Option<usize> {
    let (desired, observed) = (builder.desired, builder.observed);
    let (before, after) = match folder {
        Folder::Services => (&observed.files, &desired.files),
        Folder::Users => (&observed.host.user_files, &desired.host.user_files),
    };
    let diff = differences(before, after);
    if diff.is_empty() {
        return None;
    }
    let changed: BTreeSet<String> = diff.iter().map(|change| change.field.clone()).collect();
    let keep = kept(builder, folder, &changed);
    if diff.iter().all(|change| is_leftover(&change.field)) {
        let action = Action::Files(FilesAction::Prune { folder, keep });
        let draft = Draft::new(folder.address(), Verb::Delete, Group::Ground, action);
        builder.add(draft.changing(diff, Consequence::None).because("nobody reads it any more"));
        return None;
    }
    let verb = if before.is_empty() { Verb::Create } else { Verb::Update };
    let action = Action::Files(FilesAction::Install { folder, keep });
    let draft = Draft::new(folder.address(), verb, Group::Ground, action);
    let id = builder.add(draft.changing(diff, Consequence::None));
    let files = desired.compiled.manifest.installed().filter(|file| file.folder() == folder);
    for file in files.filter(|file| changed.contains(&file.file()) && after.contains_key(&file.file())) {
        touched.entry(file.address()).or_default().insert(id);
    }
    Some(id)
}

/// Plans the installation of files whose values a forge tells in this very run.
fn install_later(builder: &mut Builder<'_>, folder: Folder, touched: &mut Touched) {
    let (desired, observed) = (builder.desired, builder.observed);
    let before = match folder {
        Folder::Services => &observed.files,
        Folder::Users => &observed.host.user_files,
    };
    let files = desired.compiled.manifest.installed().filter(|file| file.install && file.folder() == folder);
    let files: Vec<_> =
        files.filter_map(|file| Some((builder.later.get(&file.file())?.clone(), file))).collect();
    if files.is_empty() {
        return;
    }
    let change = |file: &Installed<'_>| Change {
        field: file.file(),
        before: before.get(&file.file()).map(words),
        after: Some(UNKNOWN.to_owned()),
    };
    let changed: BTreeSet<String> = files.iter().map(|(_, file)| file.file()).collect();
    let keep = kept(builder, folder, &changed);
    let verb = if before.is_empty() { Verb::Create } else { Verb::Update };
    let action = Action::Files(FilesAction::Install { folder, keep });
    let mut draft = Draft::new(folder.address(), verb, Group::Ground, action);
    draft.diff = files.iter().map(|(_, file)| change(file)).collect();
    let mut from: Vec<String> = files.iter().map(|(told, _)| told.to_string()).collect();
    from.dedup();
    draft.after = files.iter().map(|(told, file)| (file.file(), told.clone())).collect();
    let id = builder.add(draft.because(format!("from {}", from.join(", "))));
    for (_, file) in files {
        touched.entry(file.address()).or_default().insert(id);
    }
}

/// Generations that a unit may still hold: those of before, and the present one where a unit runs that will be told of
/// the change. What is needed for users is read before any unit runs.
fn kept(builder: &Builder<'_>, folder: Folder, changed: &BTreeSet<String>) -> BTreeSet<u64> {
    if folder == Folder::Users {
        return BTreeSet::new();
    }
    let (desired, host) = (builder.desired, &builder.observed.host);
    let manifest = &desired.compiled.manifest;
    let mut keep = host.held();
    let runs =
        |unit: &String| host.units.as_ref().and_then(|units| units.get(unit)).is_some_and(UnitSeen::runs);
    let mut files = manifest.installed().filter(|file| changed.contains(&file.file()));
    if files.any(|file| file.restart_units.iter().chain(file.reload_units).any(runs)) {
        keep.extend(host.generation);
    }
    keep
}

/// Plans files under the run folder: secrets and templates, and one rename for each generated file that differs.
pub(super) fn files(builder: &mut Builder<'_>) {
    secrets(builder, &Folder::ALL);
    let (desired, observed) = (builder.desired, builder.observed);
    for (path, wanted) in &desired.generated {
        let installed = observed.generated.get(path);
        if installed == Some(wanted) {
            continue;
        }
        let verb = if installed.is_some() { Verb::Update } else { Verb::Create };
        let action = Action::Files(FilesAction::Put { path: path.into() });
        let consequence = if installed.is_some() { Consequence::Reload } else { Consequence::None };
        let one = |file: &InstalledFile| BTreeMap::from([(path.clone(), file.clone())]);
        let before = installed.map(one).unwrap_or_default();
        let draft = Draft::new(Address::new(Kind::File, path), verb, Group::Ground, action);
        builder.add(draft.changing(differences(&before, &one(wanted)), consequence));
    }
}

fn differences(
    before: &BTreeMap<String, InstalledFile>,
    after: &BTreeMap<String, InstalledFile>,
) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| Change {
            field: name.clone(),
            before: before.get(name).map(words),
            after: after.get(name).map(words),
        })
        .collect()
}

/// `id 0123456789ab, 0:0, 0400`: what may be said of a secret file.
fn words(file: &InstalledFile) -> String {
    format!("id {}, {}:{}, {:04o}", file.digest, file.uid, file.gid, file.mode)
}
