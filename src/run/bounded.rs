//! Files that a manifest names, read with a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::state::open_named;

/// The largest file that is read, in bytes: what the parser takes at most. A config may have far fewer.
const LARGEST: u64 = 16 << 20;

/// The first bytes of what may be a pipe as well: one more than the parser takes, which says so.
pub(super) fn first(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of a file that a manifest names, or what it names, with the care of [`open_named`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_named(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("it is larger than {} MiB", LARGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}
