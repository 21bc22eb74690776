//! Files that a manifest names, read with a limit.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::path::Path;

use rustix::process::geteuid;

use crate::state::{open_guarded, open_unguarded};

/// The largest file that is read, in bytes: what the parser takes at most. A config may have far fewer.
const LARGEST: u64 = 16 << 20;

/// The first bytes of what may be a pipe as well: one more than the parser takes, which says so.
pub(super) fn first(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of a regular file that a manifest names, or what it names. A device or pipe could give bytes for ever, or
/// none. Where root reads it and somebody else could lead the path elsewhere, no link is followed.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
    let is_odd = |kind: FileType| !kind.is_file() && !kind.is_dir();
    if fs::metadata(path).is_ok_and(|meta| is_odd(meta.file_type())) {
        return Err(no_file());
    }
    let file = if geteuid().is_root() { open_guarded(path) } else { open_unguarded(path) }?;
    // It may be another one by now.
    if is_odd(file.metadata()?.file_type()) {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("it is larger than {} MiB", LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
