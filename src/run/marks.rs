//! A file of secrets that is older than one which this host has seen is no news: somebody put it back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::begin::Run;
use super::order::Order;
use super::stop::Stop;
use crate::manifest::Manifest;
use crate::secrets::{Identities, Stamp, Unlocked};
use crate::state::{Mark, Marks, known_as};

/// By how much two clocks that are right may differ.
const HASTE: SignedDuration = SignedDuration::from_mins(5);

/// A file that is older than its mark.
struct Older {
    file: PathBuf,
    /// What the mark is kept under.
    known: String,
    stamp: Stamp,
    /// Which is older than which, for people.
    said: String,
    allowed: bool,
}

/// Holds back the secrets of files that are older than their marks, unless that is allowed or the whole manifest is one
/// that was applied here. `digests` gives the keyed digests of the secrets as they are. Returns the marks to come.
pub(super) fn hold_back(
    run: &mut Run<'_>,
    (manifest, identities): (&Manifest, &Identities),
    (unlocked, kept): (&mut Unlocked, Option<&Path>),
    digests: impl Fn(&Unlocked) -> Result<BTreeMap<String, String>, Stop>,
) -> Result<Marks, Stop> {
    let mut marks = Marks::read(&manifest.paths.state)?;
    let before = marks.clone();
    let older = look(&mut marks, run.order, manifest, unlocked);
    run.record.warnings.extend(to_come(&before, &marks, run.since));
    if older.is_empty() {
        return Ok(marks);
    }
    let all_allowed = older.iter().all(|older| older.allowed);
    let recorded = if all_allowed { None } else { run.recorded(manifest, &digests(unlocked)?)? };
    for Older { file, known, stamp, said, allowed } in older {
        let shown = file.display();
        if allowed {
            run.record.warnings.push(format!("{shown}: {said}; it is allowed"));
            marks.set(known, mark(&stamp));
        } else if let Some(number) = recorded {
            let text = "the whole manifest is that of generation";
            run.record.warnings.push(format!("{shown}: {said}; {text} {number}: this is a rollback"));
        } else {
            unlocked.refuse((manifest, &file), &refusal(&file, &said), (identities, kept));
        }
    }
    Ok(marks)
}

/// What is worth saying of marks that are new: one that is still to come refuses every file that is written until then.
fn to_come(before: &Marks, marks: &Marks, now: Timestamp) -> Vec<String> {
    let is_new = |(known, mark): &(&String, &Mark)| before.files.get(*known) != Some(*mark);
    let ahead = |(known, mark): (&String, &Mark)| {
        let time: Timestamp = mark.lastmodified.parse().ok()?;
        (time.duration_since(now) > HASTE).then(|| {
            format!(
                "{known}: is of {}, which is still to come by the clock of this host: one of the two clocks is wrong, and \
                 what is written before that time will be older than it",
                mark.lastmodified
            )
        })
    };
    marks.files.iter().filter(is_new).filter_map(ahead).collect()
}

/// As [`hold_back`], for one answer that sets no marks: of an older file the last applied version counts, which in a
/// rollback is that of the older file itself.
pub(super) fn hold_back_answer(
    order: &Order,
    (manifest, identities): (&Manifest, &Identities),
    (unlocked, kept): (&mut Unlocked, Option<&Path>),
) -> Result<(), Stop> {
    let mut marks = Marks::read(&manifest.paths.state)?;
    for Older { file, said, .. } in
        look(&mut marks, order, manifest, unlocked).into_iter().filter(|older| !older.allowed)
    {
        unlocked.refuse((manifest, &file), &refusal(&file, &said), (identities, kept));
    }
    Ok(())
}

/// The files that are older than their marks; the others raise theirs.
fn look(marks: &mut Marks, order: &Order, manifest: &Manifest, unlocked: &Unlocked) -> Vec<Older> {
    let mut found = Vec::new();
    for (file, stamp) in unlocked.stamps(manifest) {
        let known = known(manifest, &file);
        let Some(above) = marks.above(&known, &stamp.lastmodified) else {
            marks.set(known, mark(&stamp));
            continue;
        };
        let said = format!(
            "is of {}, older than that of {} which was applied here",
            stamp.lastmodified, above.lastmodified
        );
        let allowed = allowed(order, manifest, &file);
        found.push(Older { file, known, stamp, said, allowed });
    }
    found
}

/// What a file's mark is kept under. In the Nix store two files of different folders may have one name: each is then
/// known by the first secret that it holds too.
fn known(manifest: &Manifest, file: &Path) -> String {
    let name = known_as(file);
    let is_other = |other: &Path| other != file && known_as(other) == name;
    if !manifest.secrets.values().any(|secret| is_other(&secret.file)) {
        return name;
    }
    let first = manifest.secrets.iter().find(|(_, secret)| secret.file == file);
    format!("{name} of {}", first.map_or("", |(secret, _)| secret.as_str()))
}

fn refusal(file: &Path, said: &str) -> String {
    format!(
        "{said}, and this manifest never was with it; if that is meant: `--allow-older {}`, or `allow_older` in the manifest",
        file.display()
    )
}

fn mark(stamp: &Stamp) -> Mark {
    Mark { lastmodified: stamp.lastmodified.clone(), mac: stamp.mac.clone() }
}

fn allowed(order: &Order, manifest: &Manifest, file: &Path) -> bool {
    let named = |path: &PathBuf| std::path::absolute(path).is_ok_and(|path| same(&path, file));
    order.allow_older.iter().any(named) || manifest.allow_older.iter().any(|path| path == file)
}

/// Paths of one file, by whatever links it is reached.
fn same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files of one name, in other folders of the Nix store: a mark that they shared would refuse the older of both.
    #[test]
    fn files_of_one_name_have_marks_of_their_own() {
        let store = |digest: char| format!("/nix/store/{}-web.yaml", digest.to_string().repeat(32));
        let manifest = |secrets: serde_json::Value| -> Manifest {
            let text = serde_json::json!({ "version": 1, "host": { "name": "h" }, "secrets": secrets });
            serde_json::from_value(text).unwrap()
        };
        let both = manifest(serde_json::json!({
            "one": { "file": store('a') }, "two": { "file": store('b') }, "three": { "file": store('b') },
        }));
        assert_eq!(known(&both, Path::new(&store('a'))), "web.yaml of one");
        assert_eq!(known(&both, Path::new(&store('b'))), "web.yaml of three");
        let alone =
            manifest(serde_json::json!({ "one": { "file": store('a') }, "two": { "file": store('a') } }));
        assert_eq!(known(&alone, Path::new(&store('a'))), "web.yaml");
    }
}
