//! Files that the command line names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::source::Limits;

/// The manifest's own file: `path`, or `manifest.json` in it where that is a folder.
pub(crate) fn manifest_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("manifest.json") } else { path.to_owned() }
}

/// Reads a whole file, but not much more than a parser would take: a device or a pipe never fills the memory.
pub(crate) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let most = u64::try_from(Limits::default().bytes).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path)?;
    let length = file.metadata().map_or(0, |meta| meta.len()).min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The folder of a file, absolute: what paths in the file are relative to.
pub(crate) fn base(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .unwrap_or_else(|_| folder.to_owned())
}
