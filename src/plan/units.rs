//! Links to installed files, and units of systemd that use them.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, Draft};
use super::{Action, Change, Consequence, FilesAction, Group, HostAction, Verb};
use crate::address::{Address, Kind};
use crate::desired::HostWanted;
use crate::manifest::{Folder, Installed};
use crate::observed::{LinkSeen, Wish};

/// The steps that change each installed file, by its address.
pub(super) type Touched = BTreeMap<Address, BTreeSet<usize>>;

/// Makes the links that are not there, and removes those that left the manifest.
pub(super) fn links(
    builder: &mut Builder<'_>,
    folders: &[Folder],
    installs: &BTreeMap<Folder, usize>,
    touched: &mut Touched,
) {
    let (desired, observed) = (builder.desired, &builder.observed.host);
    let manifest = &desired.compiled.manifest;
    for file in manifest.installed().filter(|file| folders.contains(&file.folder())) {
        for path in file.links(&manifest.paths.run) {
            let Some(target) = desired.host.links.get(path) else { continue };
            let (verb, before) = match observed.links.get(path) {
                Some(LinkSeen::Link(seen)) if seen == target => continue,
                Some(LinkSeen::Link(seen)) => (Verb::Update, Some(seen.display().to_string())),
                Some(LinkSeen::Unfinished) => (Verb::Update, None),
                Some(LinkSeen::Missing) => (Verb::Create, None),
                // The secret's own failure says why.
                Some(LinkSeen::Refused(_)) | None => continue,
            };
            let address = Address::new(Kind::Link, path.display().to_string());
            let action = Action::Files(FilesAction::Link { path: path.to_owned(), target: target.clone() });
            let change =
                Change { field: "target".to_owned(), before, after: Some(target.display().to_string()) };
            let mut draft = Draft::new(address, verb, Group::Ground, action);
            draft.needs.extend(installs.get(&file.folder()));
            let id = builder.add(draft.changing(vec![change], Consequence::None));
            touched.entry(file.address()).or_default().insert(id);
        }
    }
    if !folders.contains(&Folder::Services) {
        return;
    }
    let declared = HostWanted::declared_links(manifest);
    for (path, target) in desired.host.recorded_links.iter().filter(|(path, _)| !declared.contains_key(*path))
    {
        let ours = matches!(observed.links.get(path), Some(LinkSeen::Link(seen)) if seen == target);
        if ours || observed.links.get(path) == Some(&LinkSeen::Unfinished) {
            let address = Address::new(Kind::Link, path.display().to_string());
            let action = Action::Files(FilesAction::Unlink { path: path.clone() });
            let draft = Draft::new(address, Verb::Delete, Group::Collection, action);
            builder.add(draft.because("left the manifest"));
        }
    }
}

/// What units are to do about the files that change, by unit; with the files that are why, and the steps before it.
struct Due<'m> {
    wish: Wish,
    because: Vec<Address>,
    needs: BTreeSet<usize>,
    unit: &'m str,
}

/// Restarts and reloads the units of what changed: after all of it, each once, and only those that
/// run, or failed when they were told before.
///
/// On a folder's first installation since the boot nothing is: what starts from now on finds the files.
pub(super) fn units(builder: &mut Builder<'_>, touched: &Touched) {
    let (desired, observed) = (builder.desired, &builder.observed.host);
    let mut due: BTreeMap<&str, Due<'_>> = BTreeMap::new();
    let none = BTreeSet::new();
    let names_units = |file: &Installed<'_>| !file.restart_units.is_empty() || !file.reload_units.is_empty();
    for file in desired.compiled.manifest.installed().filter(names_units) {
        let steps = match touched.get(&file.address()) {
            Some(steps) if !is_first(builder, &file) => steps,
            None if has_new_id(builder, &file) => &none,
            _ => continue,
        };
        let restart = file.restart_units.iter().map(|unit| (unit, Wish::Restart));
        for (unit, wish) in restart.chain(file.reload_units.iter().map(|unit| (unit, Wish::Reload))) {
            let new = || Due { wish, because: Vec::new(), needs: BTreeSet::new(), unit };
            let due = due.entry(unit).or_insert_with(new);
            // A restart does what a reload would.
            due.wish = due.wish.min(wish);
            due.because.push(file.address());
            due.needs.extend(steps);
        }
    }
    for (unit, ask) in observed.asked.iter().filter(|(_, ask)| !ask.told) {
        let new = || Due { wish: ask.wish, because: Vec::new(), needs: BTreeSet::new(), unit };
        let due = due.entry(unit).or_insert_with(new);
        due.wish = due.wish.min(ask.wish);
    }
    let Some(seen) = &observed.units else {
        if !due.is_empty() {
            let names: Vec<String> = due.keys().map(|unit| format!("`{unit}`")).collect();
            builder.warn(format!("systemd does not run here, so no unit is restarted: {}", names.join(", ")));
        }
        return;
    };
    for due in due.into_values() {
        let Some(unit) = seen.get(due.unit).filter(|unit| unit.load != "not-found") else {
            builder.warn(format!("`{}` is not known to systemd and is not restarted", due.unit));
            continue;
        };
        let ask = observed.asked.get(due.unit);
        // What a killed run had told systemd before it could say so.
        let done = due.because.is_empty() && ask.is_some_and(|ask| unit.invocation != ask.before);
        // What failed by the change before may run with this one.
        let failed = ask.is_some() && unit.active == "failed";
        if (unit.runs() || failed) && !done {
            builder.add(step(due, failed));
        }
    }
}

fn step(due: Due<'_>, failed: bool) -> Draft {
    let (verb, consequence) = match due.wish {
        Wish::Restart => (Verb::Restart, Consequence::Restart),
        Wish::Reload => (Verb::Reload, Consequence::Reload),
    };
    let action = Action::Host(HostAction { unit: due.unit.to_owned(), wish: due.wish, failed });
    let mut draft = Draft::new(Address::new(Kind::Unit, due.unit), verb, Group::Ground, action);
    draft.needs = due.needs.into_iter().collect();
    let names: Vec<String> = due.because.iter().map(ToString::to_string).collect();
    let reason =
        if names.is_empty() { "an earlier run was stopped before it".to_owned() } else { names.join(", ") };
    draft.changing(Vec::new(), consequence).because(reason)
}

/// True when a value that has no file is another one than units were last told of.
fn has_new_id(builder: &Builder<'_>, file: &Installed<'_>) -> bool {
    let id = builder.desired.digests.get(&file.file());
    let before = builder.observed.host.ids.get(&file.file());
    !file.install && before.is_some() && id.is_some() && before != id
}

/// True while nothing of the file's folder was installed since the boot.
fn is_first(builder: &Builder<'_>, file: &Installed<'_>) -> bool {
    match file.folder() {
        Folder::Services => builder.observed.files.is_empty(),
        Folder::Users => builder.observed.host.user_files.is_empty(),
    }
}
