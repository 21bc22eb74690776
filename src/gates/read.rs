//! Small files, read without waiting and without filling the memory.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Certificates and keys are a few kilobytes, a bundle of every public root a quarter of this.
const MOST: u64 = 1 << 20;

/// The bytes of a PEM file; an error names the file. It may be a key, so the bytes are wiped after use.
pub(super) fn bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("cannot read `{shown}`: {error}");
    // Opening a pipe would wait for its other end.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let meta = file.metadata().map_err(cannot)?;
    if !meta.is_file() {
        return Err(format!("cannot read `{shown}`: it is no regular file"));
    }
    let room = usize::try_from(meta.len().min(MOST)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 2));
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST {
        return Err(format!("`{shown}` is longer than {MOST} bytes, and no file of certificates or keys is"));
    }
    Ok(bytes)
}

/// Runs something that reads files where it holds up nobody else.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("reading files broke off".to_owned()))
}
