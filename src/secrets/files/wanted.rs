//! Which files shall be, from values and owners.

use std::collections::BTreeMap;
use std::path::Path;

use super::account::Accounts;
use super::folder::{Item, components};
use crate::address::{Address, Kind};
use crate::manifest::Manifest;
use crate::observed::InstalledFile;
use crate::report::Failure;
use crate::secrets::digest::digest;
use crate::secrets::value::{SecretBytes, Unlocked};

/// The kind that digests of installed files are made for.
pub(super) const KIND: &str = "file";

/// Folder of rendered templates, below that of the secrets.
pub(crate) const RENDERED: &str = "rendered";

/// The files that shall be installed, by name (`NAME`, `rendered/NAME`), and a failure for each one that has a value
/// but an owner, group or mode that this host does not know.
#[must_use]
pub fn wanted(
    manifest: &Manifest,
    unlocked: &Unlocked,
    key: &SecretBytes,
    instance: &str,
) -> (BTreeMap<String, InstalledFile>, Vec<Failure>) {
    let (items, failures) = items(manifest, unlocked);
    let files = items.into_iter().map(|item| {
        let digest = digest(key, instance, KIND, &item.name, item.bytes);
        (item.name, InstalledFile { digest, uid: item.uid, gid: item.gid, mode: item.mode })
    });
    (files.collect(), failures)
}

/// Everything that has a value, with numbers for names.
pub(super) fn items<'u>(manifest: &Manifest, unlocked: &'u Unlocked) -> (Vec<Item<'u>>, Vec<Failure>) {
    let accounts = Accounts::load(Path::new("/etc"));
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    let secrets = manifest.secrets.iter().map(|(name, secret)| {
        (Kind::Secret, name, name.clone(), [&secret.owner, &secret.group, &secret.mode])
    });
    let templates = manifest.templates.iter().map(|(name, template)| {
        let path = format!("{RENDERED}/{name}");
        (Kind::Template, name, path, [&template.owner, &template.group, &template.mode])
    });
    for (kind, name, path, meta) in secrets.chain(templates) {
        let Some(bytes) = unlocked.values.get(&path) else { continue };
        match resolve(&accounts, kind, &path, meta) {
            Ok((uid, gid, mode)) => items.push(Item { name: path, bytes, uid, gid, mode }),
            Err(reason) => {
                failures.push(Failure { address: Address::new(kind, name), reason, kept: false });
            }
        }
    }
    (items, failures)
}

fn resolve(
    accounts: &Accounts,
    kind: Kind,
    path: &str,
    [owner, group, mode]: [&String; 3],
) -> Result<(u32, u32, u32), String> {
    let taken = kind == Kind::Secret && path.split('/').next() == Some(RENDERED);
    if taken || components(Path::new(path)).is_none() {
        return Err("its name is no file name below the folder of secrets".to_owned());
    }
    let uid = accounts.user(owner).ok_or_else(|| format!("there is no user `{owner}` on this host"))?;
    let gid = accounts.group(group).ok_or_else(|| format!("there is no group `{group}` on this host"))?;
    let mode = u32::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("`{mode}` is no octal mode up to 0777"))?;
    Ok((uid, gid, mode))
}
