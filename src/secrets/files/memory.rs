//! The file systems that secrets are written to: in memory, never swapped.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, fstatfs, major, minor, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount as umount};
use rustix::process::geteuid;

use super::error::FilesError;

/// What all secrets of a host may have together. ramfs has no limit of its own.
pub(super) const MOST: usize = 64 << 20;

const TMPFS_MAGIC: u64 = 0x0102_1994;
const RAMFS_MAGIC: u64 = 0x8584_58f6;

/// What stands at a path.
enum Standing {
    /// Nothing is mounted there.
    Nothing,
    /// A memory file system that is never swapped, and only one, with its device (`0:32`).
    Memory(String),
    /// Something else, with what is wrong.
    Foreign(&'static str),
}

/// The folder `path`, on a memory file system that is mounted exactly there; mounted if it is not.
pub(super) fn ensure(path: &Path) -> Result<OwnedFd, FilesError> {
    make(path)?;
    safe(path)?;
    let path = fs::canonicalize(path).map_err(FilesError::io("resolve", path))?;
    match standing(&path)? {
        Standing::Memory(_) => {}
        Standing::Nothing => {
            mount_memory(&path)
                .map_err(|errno| FilesError::Mount { path: path.clone(), source: errno.into() })?;
        }
        Standing::Foreign(reason) => return Err(FilesError::Foreign { path, reason }),
    }
    checked(path)
}

/// Makes the mount point and the run folder above it. Readers pass through both, whatever the umask is.
fn make(path: &Path) -> Result<(), FilesError> {
    for folder in [path.parent().unwrap_or(path), path] {
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(FilesError::io("create", folder))?;
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(folder, mode).map_err(FilesError::io("set the mode of", folder))?;
        }
    }
    Ok(())
}

/// Refuses a folder that another user could have led elsewhere: secrets would be mounted over, or read from, a place
/// of that user's choice.
fn safe(path: &Path) -> Result<(), FilesError> {
    let refuse = |path: &Path, reason| Err(FilesError::Foreign { path: path.to_owned(), reason });
    let above = path.parent().unwrap_or(path);
    let meta = fs::metadata(above).map_err(FilesError::io("look at", above))?;
    if ![0, geteuid().as_raw()].contains(&meta.uid()) || meta.mode() & 0o022 != 0 {
        return refuse(above, "belongs to another user or can be written by others");
    }
    let link = fs::symlink_metadata(path).map_err(FilesError::io("look at", path))?.is_symlink();
    if link { refuse(path, "is a link") } else { Ok(()) }
}

/// The folder `path`, if a memory file system is mounted there.
pub(super) fn open_existing(path: &Path) -> Result<Option<OwnedFd>, FilesError> {
    let Ok(real) = fs::canonicalize(path) else { return Ok(None) };
    safe(path)?;
    let path = real;
    match standing(&path)? {
        Standing::Memory(_) => checked(path).map(Some),
        Standing::Nothing => Ok(None),
        Standing::Foreign(reason) => Err(FilesError::Foreign { path, reason }),
    }
}

/// Empties, unmounts and removes the folder `path`. Content goes first: a container may hold the mount.
pub(super) fn unmount(path: &Path) -> Result<(), FilesError> {
    if let Some(folder) = open_existing(path)? {
        super::folder::empty(&folder, path)?;
        drop(folder);
        umount(path, UnmountFlags::DETACH).map_err(FilesError::io("unmount", path))?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FilesError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Keeps others from mounting or unmounting `path` as long as what it returns lives; the folder above it is made.
pub(super) fn alone(path: &Path) -> Result<OwnedFd, FilesError> {
    make(path)?;
    let above = path.parent().unwrap_or(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let gate = open(above, flags, Mode::empty()).map_err(FilesError::io("open", above))?;
    flock(&gate, FlockOperation::LockExclusive).map_err(FilesError::io("lock", above))?;
    Ok(gate)
}

/// Unmounts and removes the folder `path`, if nothing is in it; what still holds a folder that was in it holds nothing
/// else.
pub(super) fn retire(path: &Path) -> Result<(), FilesError> {
    let _alone = alone(path)?;
    if let Some(folder) = open_existing(path)? {
        if !super::folder::list(&folder, path)?.is_empty() {
            return Ok(());
        }
        drop(folder);
        umount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
            .map_err(FilesError::io("unmount", path))?;
    }
    fs::remove_dir(path).map_err(FilesError::io("remove", path))
}

fn mount_memory(path: &Path) -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // `noswap` is refused before Linux 6.4; ramfs has never been swapped and has no size limit.
    match mount("holdfast", path, "tmpfs", flags, c"mode=0751,size=64m,noswap") {
        Err(Errno::INVAL) => mount("holdfast", path, "ramfs", flags, c"mode=0751"),
        other => other,
    }
}

/// Opens the folder and asks the file system itself what it is: a mount on a folder above would hide the one that the
/// mount table still lists.
fn checked(path: PathBuf) -> Result<OwnedFd, FilesError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(&path, flags, Mode::empty()).map_err(FilesError::io("open", &path))?;
    let stat = fstatfs(&folder).map_err(FilesError::io("look at", &path))?;
    if !is_memory(u64::try_from(stat.f_type).unwrap_or(0)) {
        return Err(FilesError::Foreign { path, reason: "is no longer on a memory file system" });
    }
    let device = fstat(&folder).map_err(FilesError::io("look at", &path))?.st_dev;
    match standing(&path)? {
        Standing::Memory(listed) if listed == format!("{}:{}", major(device), minor(device)) => Ok(folder),
        _ => Err(FilesError::Foreign { path, reason: "is hidden under another mount" }),
    }
}

/// True for the number of a file system that lives in memory.
pub(super) const fn is_memory(magic: u64) -> bool {
    matches!(magic, TMPFS_MAGIC | RAMFS_MAGIC)
}

/// True where a memory file system is mounted at the path that is never swapped.
pub(super) fn never_swapped(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|path| matches!(standing(&path), Ok(Standing::Memory(_))))
}

fn standing(path: &Path) -> Result<Standing, FilesError> {
    let table = Path::new("/proc/self/mountinfo");
    let bytes = fs::read(table).map_err(FilesError::io("read", table))?;
    Ok(standing_in(&String::from_utf8_lossy(&bytes), path))
}

fn standing_in(table: &str, path: &Path) -> Standing {
    let wanted = escaped(path);
    let mut found = table.lines().filter(|line| line.split(' ').nth(4) == Some(wanted.as_str()));
    let Some(line) = found.next() else { return Standing::Nothing };
    if found.next().is_some() {
        return Standing::Foreign("has one mount on top of another");
    }
    let device = line.split(' ').nth(2).unwrap_or_default().to_owned();
    let mut behind = line.split_once(" - ").map_or("", |(_, behind)| behind).split(' ');
    let kind = behind.next().unwrap_or_default();
    let noswap = behind.nth(1).is_some_and(|options| options.split(',').any(|option| option == "noswap"));
    match kind {
        "ramfs" => Standing::Memory(device),
        "tmpfs" if noswap => Standing::Memory(device),
        "tmpfs" => Standing::Foreign("is a tmpfs that may be swapped out"),
        _ => Standing::Foreign("is a mount, but not of a memory file system"),
    }
}

/// A path as the mount table spells it.
fn escaped(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![*byte],
    };
    let bytes: Vec<u8> = path.as_os_str().as_bytes().iter().flat_map(escape).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(kind: &str, options: &str, times: usize) -> &'static str {
        let line = format!("36 25 0:32 / /run/a\\040b rw,nosuid shared:1 - {kind} holdfast {options}\n");
        match standing_in(&line.repeat(times), Path::new("/run/a b")) {
            Standing::Nothing => "nothing",
            Standing::Memory(_) => "memory",
            Standing::Foreign(reason) => reason,
        }
    }

    #[test]
    fn only_one_mount_that_is_never_swapped_counts() {
        assert_eq!(says("ramfs", "rw", 1), "memory");
        assert_eq!(says("tmpfs", "rw,size=65536k,noswap", 1), "memory");
        assert_eq!(says("tmpfs", "rw,size=65536k", 1), "is a tmpfs that may be swapped out");
        assert_eq!(says("ext4", "rw", 1), "is a mount, but not of a memory file system");
        assert_eq!(says("ramfs", "rw", 2), "has one mount on top of another");
        assert_eq!(says("ramfs", "rw", 0), "nothing");
    }
}
