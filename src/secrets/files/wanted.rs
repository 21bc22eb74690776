//! Which files shall be, from values and owners.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::account::Accounts;
use super::folder::{Item, components};
use crate::address::Kind;
use crate::manifest::{Folder, Installed, Manifest, RENDERED};
use crate::observed::InstalledFile;
use crate::report::Failure;
use crate::secrets::value::Unlocked;

/// The files of `folder` that shall be installed, by name (`NAME`, `rendered/NAME`), each with its digest of those of all
/// values, and a failure for each one that has a value but an owner, group or mode that this host does not know.
#[must_use]
pub fn wanted(
    manifest: &Manifest,
    folder: Folder,
    unlocked: &Unlocked,
    digests: &BTreeMap<String, String>,
) -> (BTreeMap<String, InstalledFile>, Vec<Failure>) {
    let (items, failures) = items(manifest, folder, unlocked);
    let files = items.into_iter().map(|item| {
        let digest = digests.get(&item.name).cloned().unwrap_or_default();
        (item.name, InstalledFile { digest, uid: item.uid, gid: item.gid, mode: item.mode })
    });
    (files.collect(), failures)
}

/// Everything that has a value, with numbers for names.
pub(super) fn items<'u>(
    manifest: &Manifest,
    folder: Folder,
    unlocked: &'u Unlocked,
) -> (Vec<Item<'u>>, Vec<Failure>) {
    let accounts = LazyCell::new(|| Accounts::load(Path::new("/etc")));
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for file in manifest.installed().filter(|file| file.install && file.folder() == folder) {
        let name = file.file();
        let Some(bytes) = unlocked.values.get(&name) else { continue };
        match resolve(&accounts, &file, &name) {
            Ok((uid, gid, mode)) => items.push(Item { name, bytes, uid, gid, mode }),
            Err(reason) => {
                let before = as_before(manifest, folder, &name);
                failures.push(Failure { address: file.address(), reason, kept: before.is_some() });
                if let Some((uid, gid, mode)) = before {
                    items.push(Item { name, bytes, uid, gid, mode });
                }
            }
        }
    }
    (items, failures)
}

/// Owner, group and mode of a file that is installed: one whose new owner is not known stays with the one that it had.
fn as_before(manifest: &Manifest, folder: Folder, name: &str) -> Option<(u32, u32, u32)> {
    components(Path::new(name))?;
    let meta = std::fs::symlink_metadata(manifest.paths.run.join(folder.link()).join(name)).ok()?;
    meta.is_file().then(|| (meta.uid(), meta.gid(), meta.mode() & 0o777))
}

fn resolve(accounts: &Accounts, file: &Installed<'_>, name: &str) -> Result<(u32, u32, u32), String> {
    let taken = file.kind == Kind::Secret && name.split('/').next() == Some(RENDERED);
    if taken || components(Path::new(name)).is_none() {
        return Err("its name is no file name below the folder of secrets".to_owned());
    }
    let Installed { owner, group, mode, .. } = file;
    let uid = accounts.user(owner).ok_or_else(|| format!("there is no user `{owner}` on this host"))?;
    let gid = accounts.group(group).ok_or_else(|| format!("there is no group `{group}` on this host"))?;
    let mode = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("`{mode}` is no octal mode up to 0777"))?;
    Ok((uid, gid, mode))
}
