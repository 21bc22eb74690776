//! Reading members of tarballs and folders as streams, with their digests, within limits.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::ImageError;
use crate::state::open_named;

/// Limits on what one input may unpack to: what lies beyond is taken for an attack or a mistake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes after unpacking, all members together.
    pub(super) bytes: u64,
    /// Members.
    pub(super) members: u64,
    /// Bytes that any input may unpack to before its ratio counts.
    pub(super) free: u64,
    /// Unpacked bytes for each packed byte.
    pub(super) ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // 64 GiB and a million members are ten times the largest images in use; gzip cannot pass 1032:1, and real
        // layers stay below 20:1, so 200:1 beyond the first 256 MiB is a bomb.
        Self { bytes: 64 << 30, members: 1_000_000, free: 256 << 20, ratio: 200 }
    }
}

/// True words about whether a file or folder can be read, without reading it whole.
pub(super) fn look(path: &Path) -> Result<(), ImageError> {
    let look = || {
        let mut file = open_named(path)?;
        if file.metadata()?.is_dir() {
            return fs::read_dir(path).map(drop);
        }
        file.read(&mut [0]).map(drop)
    };
    look().map_err(|source| ImageError::Read { path: path.to_owned(), member: None, source })
}

/// A digest and the size of what it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// `sha256:` and 64 hex digits.
    pub(super) digest: String,
    /// Bytes.
    pub(super) size: u64,
}

impl Blob {
    /// Of bytes in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The hex digits alone.
    pub(super) fn hex(&self) -> &str {
        self.digest.trim_start_matches("sha256:")
    }
}

/// A digest in the making.
#[derive(Default)]
pub(super) struct Hasher {
    sha: Sha256,
    size: u64,
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> Blob {
        Blob { digest: format!("sha256:{:x}", self.sha.finalize()), size: self.size }
    }
}

/// A reader that hashes what passes.
pub(super) struct Hashing<R> {
    inner: R,
    pub(super) hasher: Hasher,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default() }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// A reader that stops at a limit: unpacked bytes against an absolute cap and against the packed bytes read so far.
pub(super) struct Capped<R> {
    inner: R,
    limits: Limits,
    packed: u64,
    read: u64,
}

impl<R> Capped<R> {
    /// `packed` is the size of what the stream is unpacked from.
    pub(super) const fn new(inner: R, limits: Limits, packed: u64) -> Self {
        Self { inner, limits, packed, read: 0 }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        if self.read > self.limits.bytes {
            return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.limits.bytes)));
        }
        if self.read > self.limits.free && self.read / self.limits.ratio > self.packed {
            let problem = format!("it unpacks to more than {} times its size", self.limits.ratio);
            return Err(io::Error::other(problem));
        }
        Ok(count)
    }
}

/// How a stream is packed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    /// Known and not supported.
    Other(&'static str),
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Other("zstd"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Other("xz"),
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// Buffers `reader` and looks at its first bytes.
pub(super) fn sniff<R: Read>(reader: R) -> io::Result<(Packing, BufReader<R>)> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let packing = Packing::of(reader.fill_buf()?);
    Ok((packing, reader))
}

/// Opens a tarball, unpacked where it is gzipped.
pub(super) fn open_tar(path: &Path, limits: Limits) -> Result<(Packing, Box<dyn Read>), ImageError> {
    let read = |source| ImageError::Read { path: path.to_owned(), member: None, source };
    let file = open_named(path).map_err(read)?;
    let packed = file.metadata().map_err(read)?.len();
    let (packing, reader) = sniff(file).map_err(read)?;
    let stream: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(reader),
        Packing::Gzip => Box::new(Capped::new(MultiGzDecoder::new(reader), limits, packed)),
        Packing::Other(form) => {
            let problem = format!("it is packed with {form}; gzip and plain tarballs are read");
            return Err(ImageError::Bad { path: path.to_owned(), member: None, problem });
        }
    };
    Ok((packing, stream))
}

/// What a walk meets.
pub(super) enum Member<'a> {
    /// A regular file and its size.
    File(&'a mut dyn Read, u64),
    /// A link to another member, its target as written, relative to the member's own folder.
    Link(String),
}

/// What is done with each member: its name below the root, and what it is.
pub(super) type Visit<'a> = dyn FnMut(&str, Member<'_>) -> Result<(), ImageError> + 'a;

/// Walks a tarball or folder of an image archive once, from start to end.
pub(super) fn walk(path: &Path, limits: Limits, visit: &mut Visit<'_>) -> Result<(), ImageError> {
    if path.is_dir() {
        return walk_folder(path, Path::new(""), visit);
    }
    let (_, stream) = open_tar(path, limits)?;
    let read = |source| ImageError::Read { path: path.to_owned(), member: None, source };
    let bad = |member: &str, problem: &str| ImageError::Bad {
        path: path.to_owned(),
        member: Some(member.to_owned()),
        problem: problem.to_owned(),
    };
    let mut tarball = tar::Archive::new(stream);
    let mut count = 0;
    for entry in tarball.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        count += 1;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(clean) = clean(&name) else {
            return Err(bad(&name, "the name leads out of the archive"));
        };
        if count > limits.members {
            return Err(bad(&name, "there are too many members"));
        }
        let target = || entry.link_name_bytes().map(|t| String::from_utf8_lossy(&t).into_owned());
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let size = entry.size();
                visit(&clean, Member::File(&mut entry, size))?;
            }
            tar::EntryType::Symlink => visit(&clean, Member::Link(target().unwrap_or_default()))?,
            // A hard link names its target from the root of the archive.
            tar::EntryType::Link => {
                let up = "../".repeat(clean.matches('/').count());
                visit(&clean, Member::Link(format!("{up}{}", target().unwrap_or_default())))?;
            }
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
            other => return Err(bad(&name, &format!("{other:?} has no place in an image archive"))),
        }
    }
    Ok(())
}

fn walk_folder(root: &Path, below: &Path, visit: &mut Visit<'_>) -> Result<(), ImageError> {
    let folder = root.join(below);
    let fail = |at: PathBuf| move |source| ImageError::Read { path: at, member: None, source };
    let mut names = open_named(&folder)
        .and_then(|_| fs::read_dir(&folder))
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(fail(folder.clone()))?;
    names.sort();
    for name in names {
        let inside = below.join(name);
        let full = root.join(&inside);
        let kind = fs::metadata(&full).map_err(fail(full.clone()))?;
        if kind.is_dir() {
            walk_folder(root, &inside, visit)?;
        } else if kind.is_file() {
            let mut file = open_named(&full).map_err(fail(full.clone()))?;
            visit(&inside.to_string_lossy(), Member::File(&mut file, kind.len()))?;
        }
    }
    Ok(())
}

/// A name below the root without `.` parts; `None` where it is absolute or goes up.
pub(super) fn clean(name: &str) -> Option<String> {
    if name.starts_with('/') || name.contains('\0') {
        return None;
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
