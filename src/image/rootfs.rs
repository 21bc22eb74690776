//! Images from a root file system: one layer, and a config that the manifest gives.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::ImageError;
use super::config::config_text;
use super::input::{Blob, Hasher, Limits, Packing, clean, open_tar};
use super::output::{ArchiveWriter, Contents};
use super::tree::{Content, Kind, Node, Tree};
use crate::manifest::ImageConfig;
use crate::state::open_named;

/// A root file system after its first reading.
pub(super) struct RootFs {
    pub(super) contents: Contents,
    path: PathBuf,
    layer: Blob,
    tree: Tree,
    /// The tarball, unpacked; none for a folder.
    spans: Option<File>,
}

impl RootFs {
    /// Reads names, owners and modes, then hashes the layer that they make.
    pub(super) fn read(path: &Path, config: &ImageConfig, limits: Limits) -> Result<Self, ImageError> {
        let reader = Reader { path, limits };
        let mut tree = Tree::default();
        let spans = if path.is_dir() {
            reader.folder(Path::new(""), &mut tree)?;
            None
        } else {
            Some(reader.tarball(&mut tree)?)
        };
        tree.settle().map_err(|(member, problem)| reader.bad(&member, problem))?;
        if tree.len() == 0 {
            let problem = "nothing is in it".to_owned();
            return Err(ImageError::Bad { path: path.to_owned(), member: None, problem });
        }
        let mut hash = HashWriter(Hasher::default());
        tree.write(spans.as_ref(), &mut hash)
            .map_err(|(member, source)| reader.read_error(&member, source))?;
        let layer = hash.0.finish();
        let contents = Contents { config: config_text(config, &layer), layers: vec![layer.clone()] };
        Ok(Self { contents, path: path.to_owned(), layer, tree, spans })
    }

    /// Writes the layer; refuses when the bytes are not those that were hashed.
    pub(super) fn write_layer(&self, writer: &mut ArchiveWriter<'_>) -> Result<(), ImageError> {
        writer.layer_with(&self.layer, &mut |out| {
            let mut tee = Tee { out, hasher: Hasher::default(), failed: None };
            let result = self.tree.write(self.spans.as_ref(), &mut tee);
            if let Some(source) = tee.failed {
                return Err(ImageError::Write { name: self.path.display().to_string(), source });
            }
            result.map_err(|(member, source)| Reader::read_error_of(&self.path, &member, source))?;
            let found = tee.hasher.finish();
            if found == self.layer {
                return Ok(());
            }
            let (path, was) = (self.path.clone(), self.layer.digest.clone());
            Err(ImageError::Changed { path, what: "the layer", was, now: found.digest })
        })
    }
}

struct Reader<'a> {
    path: &'a Path,
    limits: Limits,
}

impl Reader<'_> {
    /// Fills the tree from a tarball; returns the plain tarball that its spans point into.
    fn tarball(&self, tree: &mut Tree) -> Result<File, ImageError> {
        let whole = |source| ImageError::Read { path: self.path.to_owned(), member: None, source };
        let (packing, mut stream) = open_tar(self.path, self.limits)?;
        let plain = if packing == Packing::Plain {
            open_named(self.path).map_err(whole)?
        } else {
            // The layer is sorted, so its members are needed in another order than they come: they must lie open.
            let mut file = unnamed_file().map_err(whole)?;
            io::copy(&mut stream, &mut file).map_err(whole)?;
            file
        };
        drop(stream);
        io::Seek::rewind(&mut &plain).map_err(whole)?;
        let mut tarball = tar::Archive::new(io::BufReader::with_capacity(1 << 16, &plain));
        for entry in tarball.entries_with_seek().map_err(whole)? {
            let mut entry = entry.map_err(whole)?;
            self.entry(&mut entry, tree)?;
        }
        drop(tarball);
        Ok(plain)
    }

    fn entry<R: io::Read>(&self, entry: &mut tar::Entry<'_, R>, tree: &mut Tree) -> Result<(), ImageError> {
        let name = entry.path_bytes().into_owned();
        let failed = |source| self.read_error(&name, source);
        let link = || entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let header = entry.header();
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                Kind::File(Content::Span(entry.raw_file_position(), entry.size()))
            }
            tar::EntryType::Directory => Kind::Folder,
            tar::EntryType::Symlink => Kind::Symlink(link()),
            tar::EntryType::Link => Kind::HardLink(self.inside(&link())?),
            kind @ (tar::EntryType::Char | tar::EntryType::Block) => {
                let number = |n: io::Result<Option<u32>>| n.map(Option::unwrap_or_default).map_err(failed);
                let character = kind == tar::EntryType::Char;
                Kind::Device(character, number(header.device_major())?, number(header.device_minor())?)
            }
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::XGlobalHeader => return Ok(()),
            tar::EntryType::GNUSparse => return Err(self.bad(&name, "it is sparse; pack without `--sparse`")),
            _ => return Err(self.bad(&name, "its type is not known")),
        };
        let mut node = Node {
            kind,
            mode: if blank(&header.as_old().mode) { 0 } else { header.mode().map_err(failed)? },
            uid: if blank(&header.as_old().uid) { 0 } else { header.uid().map_err(failed)? },
            gid: if blank(&header.as_old().gid) { 0 } else { header.gid().map_err(failed)? },
            records: BTreeMap::new(),
        };
        self.records(entry, &name, &mut node)?;
        self.put(&name, node, tree)
    }

    /// Takes over what PAX records say: extended attributes, and owners that do not fit the header.
    fn records<R: io::Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        name: &[u8],
        node: &mut Node,
    ) -> Result<(), ImageError> {
        let failed = |source| self.read_error(name, source);
        let Some(extensions) = entry.pax_extensions().map_err(failed)? else { return Ok(()) };
        for record in extensions {
            let record = record.map_err(failed)?;
            let key = String::from_utf8_lossy(record.key_bytes()).into_owned();
            let number = || record.value().ok().and_then(|text| text.parse().ok());
            if key.starts_with("GNU.sparse.") {
                return Err(self.bad(name, "it is sparse; pack without `--sparse`"));
            } else if key.starts_with("SCHILY.xattr.") {
                node.records.insert(key, record.value_bytes().to_vec());
            } else if key == "uid" {
                node.uid = number().unwrap_or(node.uid);
            } else if key == "gid" {
                node.gid = number().unwrap_or(node.gid);
            }
        }
        Ok(())
    }

    fn folder(&self, below: &Path, tree: &mut Tree) -> Result<(), ImageError> {
        let folder = self.path.join(below);
        let whole = |source| self.read_error(below.as_os_str().as_bytes(), source);
        drop(open_named(&folder).map_err(whole)?);
        for entry in fs::read_dir(&folder).map_err(whole)? {
            let inside = below.join(entry.map_err(whole)?.file_name());
            let name = inside.as_os_str().as_bytes();
            let failed = |source| self.read_error(name, source);
            let full = self.path.join(&inside);
            let meta = fs::symlink_metadata(&full).map_err(failed)?;
            let kind = meta.file_type();
            // Hard links of a folder are an accident of where it lies, so each becomes a file of its own.
            let kind = if kind.is_dir() {
                self.folder(&inside, tree)?;
                Kind::Folder
            } else if kind.is_file() {
                Kind::File(Content::Host(full.clone(), meta.len()))
            } else if kind.is_symlink() {
                Kind::Symlink(fs::read_link(&full).map_err(failed)?.as_os_str().as_bytes().to_vec())
            } else if kind.is_fifo() {
                Kind::Fifo
            } else if kind.is_char_device() || kind.is_block_device() {
                let device = meta.rdev();
                Kind::Device(kind.is_char_device(), rustix::fs::major(device), rustix::fs::minor(device))
            } else {
                return Err(self.bad(name, "a socket cannot be in an image"));
            };
            let (uid, gid) = (u64::from(meta.uid()), u64::from(meta.gid()));
            let mut records = BTreeMap::new();
            if let (Kind::File(_), Some(value)) = (&kind, capability(&full).map_err(failed)?) {
                records.insert("SCHILY.xattr.security.capability".to_owned(), value);
            }
            self.put(name, Node { kind, mode: meta.mode(), uid, gid, records }, tree)?;
        }
        Ok(())
    }

    fn put(&self, name: &[u8], node: Node, tree: &mut Tree) -> Result<(), ImageError> {
        let path = self.inside(name)?;
        if path.is_empty() {
            return Ok(()); // the root itself
        }
        let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if last.starts_with(b".wh.") {
            return Err(self.bad(name, "names that start with `.wh.` mean a removed file in a layer"));
        }
        if tree.len() >= self.limits.members {
            return Err(self.bad(name, "there are too many members"));
        }
        if tree.add(path, node) { Ok(()) } else { Err(self.bad(name, "it is there twice")) }
    }

    /// A name below the root, `./` and double slashes removed.
    fn inside(&self, name: &[u8]) -> Result<Vec<u8>, ImageError> {
        let leads_out = || self.bad(name, "the name leads out of the root file system");
        match std::str::from_utf8(name) {
            Ok(text) => clean(text).map(String::into_bytes).ok_or_else(leads_out),
            Err(_) => Err(self.bad(name, "the name is not UTF-8")),
        }
    }

    fn bad(&self, member: &[u8], problem: &str) -> ImageError {
        let member = Some(String::from_utf8_lossy(member).into_owned());
        ImageError::Bad { path: self.path.to_owned(), member, problem: problem.to_owned() }
    }

    fn read_error(&self, member: &[u8], source: io::Error) -> ImageError {
        Self::read_error_of(self.path, member, source)
    }

    fn read_error_of(path: &Path, member: &[u8], source: io::Error) -> ImageError {
        let member = Some(String::from_utf8_lossy(member).into_owned()).filter(|member| !member.is_empty());
        ImageError::Read { path: path.to_owned(), member, source }
    }
}

/// True for a number field that the packer left empty; everybody reads it as 0.
fn blank(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, 0 | b' '))
}

/// The file capabilities of a file of the host.
fn capability(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 64];
    match rustix::fs::lgetxattr(path, "security.capability", &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file without a name: gone when closed, whatever happens.
fn unnamed_file() -> io::Result<File> {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    Ok(File::from(rustix::fs::open(std::env::temp_dir(), flags, mode)?))
}

struct HashWriter(Hasher);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes on and hashes; keeps the error of `out`, so that it is not taken for one of the input.
struct Tee<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    failed: Option<io::Error>,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.out.write_all(bytes) {
            self.failed = Some(error);
            return Err(io::Error::other("not written"));
        }
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
