//! A root file system as a sorted tree, and the one layer that it makes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::state::open_named;

const BLOCK: u64 = 512;
/// What fits into a tar header's name field with its final NUL.
const NAME_ROOM: usize = 99;

/// What stands at a path.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Folder,
    File(Content),
    Symlink(Vec<u8>),
    /// Another path of the same tree.
    HardLink(Vec<u8>),
    /// True for a character device; major and minor number.
    Device(bool, u32, u32),
    Fifo,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// In the tarball: offset and size.
    Span(u64, u64),
    /// In a file of the host, of this size.
    Host(PathBuf, u64),
}

/// One path.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// PAX records to keep: extended attributes.
    pub(super) records: BTreeMap<String, Vec<u8>>,
}

impl Node {
    /// A folder that nobody spoke of, but something lies in.
    const fn implied() -> Self {
        Self { kind: Kind::Folder, mode: 0o755, uid: 0, gid: 0, records: BTreeMap::new() }
    }
}

/// A tree by path, without leading or trailing slash. A parent sorts before what is in it.
#[derive(Default)]
pub(super) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

impl Tree {
    /// Adds a path; false where something other than a folder is there already.
    pub(super) fn add(&mut self, path: Vec<u8>, node: Node) -> bool {
        let folder = matches!(node.kind, Kind::Folder);
        match self.nodes.insert(path, node) {
            None => true,
            Some(before) => folder && matches!(before.kind, Kind::Folder),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Adds missing parents, and makes of each group of hard links one file at its first path with links to it.
    /// An error is the path that stands in the way and why.
    pub(super) fn settle(&mut self) -> Result<(), (Vec<u8>, &'static str)> {
        for path in self.nodes.keys().cloned().collect::<Vec<_>>() {
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                let parent = path.get(..at).unwrap_or_default().to_vec();
                let node = self.nodes.entry(parent).or_insert_with(Node::implied);
                if !matches!(node.kind, Kind::Folder) {
                    return Err((path, "it lies below something that is not a folder"));
                }
            }
        }
        let mut groups: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if matches!(node.kind, Kind::HardLink(_)) {
                let end = self.end_of_links(path).ok_or((path.clone(), "it is a hard link to nothing"))?;
                groups.entry(end).or_default().push(path.clone());
            }
        }
        for (end, mut paths) in groups {
            let Some(node) = self.nodes.get(&end).cloned() else { continue };
            paths.push(end);
            paths.sort();
            let mut paths = paths.into_iter();
            let Some(first) = paths.next() else { continue };
            for path in paths {
                self.nodes.insert(path, Node { kind: Kind::HardLink(first.clone()), ..node.clone() });
            }
            self.nodes.insert(first, node);
        }
        Ok(())
    }

    fn end_of_links(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut at = path.to_vec();
        for _ in 0..self.nodes.len() {
            match &self.nodes.get(&at)?.kind {
                Kind::HardLink(target) => at.clone_from(target),
                Kind::Folder => return None,
                _ => return Some(at),
            }
        }
        None
    }

    /// Writes the layer. `spans` is what [`Content::Span`] points into. On an error the path is told.
    pub(super) fn write(
        &self,
        spans: Option<&File>,
        out: &mut dyn Write,
    ) -> Result<(), (Vec<u8>, io::Error)> {
        for (path, node) in &self.nodes {
            write_node(path, node, spans, out).map_err(|error| (path.clone(), error))?;
        }
        out.write_all(&[0; 1024]).map_err(|error| (Vec::new(), error))
    }
}

fn write_node(path: &[u8], node: &Node, spans: Option<&File>, out: &mut dyn Write) -> io::Result<()> {
    let mut name = path.to_vec();
    let mut records = node.records.clone();
    let mut header = tar::Header::new_gnu();
    let mut size = 0;
    let mut link = Vec::new();
    let entry_type = match &node.kind {
        Kind::Folder => {
            name.push(b'/');
            tar::EntryType::Directory
        }
        Kind::File(Content::Span(_, length) | Content::Host(_, length)) => {
            size = *length;
            tar::EntryType::Regular
        }
        Kind::Symlink(target) => {
            link.clone_from(target);
            tar::EntryType::Symlink
        }
        Kind::HardLink(target) => {
            link.clone_from(target);
            tar::EntryType::Link
        }
        Kind::Device(character, major, minor) => {
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            if *character { tar::EntryType::Char } else { tar::EntryType::Block }
        }
        Kind::Fifo => tar::EntryType::Fifo,
    };
    header.set_entry_type(entry_type);
    fill(&mut header.as_old_mut().name, "path", &name, &mut records);
    fill(&mut header.as_old_mut().linkname, "linkpath", &link, &mut records);
    header.set_mode(node.mode & 0o7777);
    header.set_uid(node.uid);
    header.set_gid(node.gid);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    write_records(&records, out)?;
    out.write_all(header.as_bytes())?;
    match &node.kind {
        Kind::File(Content::Span(offset, length)) => copy_span(spans, *offset, *length, out)?,
        Kind::File(Content::Host(file, length)) => {
            let copied = io::copy(&mut open_named(file)?.take(length + 1), out)?;
            if copied != *length {
                return Err(io::Error::other("it changed while it was read"));
            }
        }
        _ => {}
    }
    pad(size, out)
}

/// Puts `value` into a name field, or into a record where it is too long.
fn fill(field: &mut [u8; 100], key: &str, value: &[u8], records: &mut BTreeMap<String, Vec<u8>>) {
    let kept = value.get(..value.len().min(NAME_ROOM)).unwrap_or_default();
    if kept.len() < value.len() {
        records.insert(key.to_owned(), value.to_vec());
    }
    for (to, from) in field.iter_mut().zip(kept) {
        *to = *from;
    }
}

/// A PAX header with the records, if there are any.
fn write_records(records: &BTreeMap<String, Vec<u8>>, out: &mut dyn Write) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut body = Vec::new();
    for (key, value) in records {
        // "LENGTH KEY=VALUE\n", where the length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        length = rest + length.to_string().len();
        body.extend_from_slice(format!("{length} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    let mut header = tar::Header::new_ustar();
    header.set_path("PaxHeaders/record")?;
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(body.len() as u64);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    out.write_all(&body)?;
    pad(body.len() as u64, out)
}

fn copy_span(spans: Option<&File>, mut offset: u64, length: u64, out: &mut dyn Write) -> io::Result<()> {
    let file = spans.ok_or_else(|| io::Error::other("its tarball is not open"))?;
    let mut buffer = vec![0; 1 << 16];
    let mut left = length;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..want).unwrap_or_default();
        file.read_exact_at(part, offset)?;
        out.write_all(part)?;
        offset += want as u64;
        left -= want as u64;
    }
    Ok(())
}

fn pad(size: u64, out: &mut dyn Write) -> io::Result<()> {
    let rest = usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or_default();
    out.write_all([0; 512].get(..rest).unwrap_or_default())
}
