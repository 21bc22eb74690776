//! How much is left on the file systems of some folders.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{statfs, statvfs};

use crate::observed::{Disk, Room};

/// The kernel's number for tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// The file systems that these folders lie on, each once; a folder that is not there yet will lie where the nearest one
/// above it does. With a line for each that cannot be looked at.
pub(super) fn look(folders: &[PathBuf]) -> (Vec<Disk>, Vec<String>) {
    let (mut disks, mut failed) = (BTreeMap::<u64, Disk>::new(), Vec::new());
    for folder in folders {
        let there = folder.ancestors().find_map(|path| Some((path, path.metadata().ok()?)));
        let Some((path, meta)) = there else { continue };
        let name = folder.display().to_string();
        if let Some(disk) = disks.get_mut(&meta.dev()) {
            disk.folders.push(name);
            continue;
        }
        match measure(path) {
            Ok(disk) => drop(disks.insert(meta.dev(), Disk { folders: vec![name], ..disk })),
            Err(error) => failed.push(format!("the file system of `{name}`: {error}")),
        }
    }
    let mut disks: Vec<Disk> = disks.into_values().collect();
    disks.sort_by(|one, other| one.folders.cmp(&other.folders));
    (disks, failed)
}

fn measure(path: &Path) -> std::io::Result<Disk> {
    let (sizes, kind) = (statvfs(path)?, statfs(path)?.f_type);
    let memory = u64::try_from(kind).is_ok_and(|kind| kind == TMPFS);
    let bytes = |blocks: u64| blocks.saturating_mul(sizes.f_frsize);
    Ok(Disk {
        folders: Vec::new(),
        bytes: room(bytes(sizes.f_bavail), bytes(sizes.f_blocks)),
        inodes: room(sizes.f_favail, sizes.f_files),
        memory,
    })
}

/// A file system without a limit (ramfs, tmpfs with `size=0`, btrfs for its inodes) says that there are 0.
fn room(left: u64, total: u64) -> Option<Room> {
    (total > 0).then_some(Room { left, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_file_system_are_told_together_also_before_they_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (here, later) = (folder.path().to_owned(), folder.path().join("not/yet/there"));
        let (disks, failed) = look(&[here.clone(), later.clone()]);
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(disks.len(), 1);
        let names = [here, later].map(|path| path.display().to_string());
        assert_eq!(disks[0].folders, names);
        assert!(disks[0].bytes.is_none_or(|bytes| bytes.left <= bytes.total));
        assert_eq!(room(0, 0), None, "no limit is not an empty disk");
    }
}
