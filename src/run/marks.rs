//! A file of secrets that is older than one which this host has seen is no news: somebody put it back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::begin::Run;
use super::stop::Stop;
use crate::manifest::Manifest;
use crate::secrets::{Identities, Stamp, Unlocked};
use crate::state::{Mark, Marks};

/// Holds back the secrets of files that are older than their marks, unless that is allowed or the whole manifest is one
/// that was applied here. `digests` gives the keyed digests of the secrets as they are. Returns the marks to come.
pub(super) fn hold_back(
    run: &mut Run<'_>,
    (manifest, identities): (&Manifest, &Identities),
    (unlocked, kept): (&mut Unlocked, Option<&Path>),
    digests: impl Fn(&Unlocked) -> Result<BTreeMap<String, String>, Stop>,
) -> Result<Marks, Stop> {
    let mut marks = Marks::read(&manifest.paths.state)?;
    let stamps = unlocked.stamps(manifest);
    let mut recorded: Option<Option<u64>> = None;
    for (file, stamp) in &stamps {
        let Some(above) = marks.above(file, &stamp.lastmodified).cloned() else {
            marks.set(file, mark(stamp));
            continue;
        };
        let older = format!(
            "is of {}, older than that of {} which was applied here",
            stamp.lastmodified, above.lastmodified
        );
        if allowed(run, manifest, file) {
            run.record.warnings.push(format!("{}: {older}; it is allowed", file.display()));
            marks.set(file, mark(stamp));
            continue;
        }
        let generation = match recorded {
            Some(known) => known,
            None => *recorded.insert(run.recorded(manifest, &digests(unlocked)?)?),
        };
        if let Some(number) = generation {
            let text = format!(
                "{}: {older}; the whole manifest is that of generation {number}: this is a rollback",
                file.display()
            );
            run.record.warnings.push(text);
            continue;
        }
        let reason = format!(
            "{older}, and this manifest never was with it; if that is meant: `--allow-older {}`, or `allow_older` in the manifest",
            file.display()
        );
        unlocked.refuse((manifest, file), &reason, (identities, kept));
    }
    Ok(marks)
}

fn mark(stamp: &Stamp) -> Mark {
    Mark { lastmodified: stamp.lastmodified.clone(), mac: stamp.mac.clone() }
}

fn allowed(run: &Run<'_>, manifest: &Manifest, file: &Path) -> bool {
    let named = |path: &PathBuf| std::path::absolute(path).is_ok_and(|path| same(&path, file));
    run.order.allow_older.iter().any(named) || manifest.allow_older.iter().any(|path| path == file)
}

/// Paths of one file, by whatever links it is reached.
fn same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}
