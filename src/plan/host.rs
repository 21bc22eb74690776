//! Files under the run folder.

use std::collections::BTreeMap;

use super::builder::{Builder, Draft};
use super::{Action, Change, Consequence, FilesAction, Group, Verb};
use crate::address::{Address, Kind};
use crate::observed::InstalledFile;

/// Plans one new generation of secrets when any of it differs, and one rename for each generated file that does.
pub(super) fn files(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let diff = differences(&observed.files, &desired.files);
    if !diff.is_empty() {
        let verb = if observed.files.is_empty() { Verb::Create } else { Verb::Update };
        let draft = Draft::new(
            Address::single(Kind::Files),
            verb,
            Group::Ground,
            Action::Files(FilesAction::Install),
        );
        builder.add(draft.changing(diff, Consequence::None));
    }
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
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
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
