//! What a reader who is removed could read until now, and so may still know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::clear::Readers;
use super::document::Opener;
use super::history::history;
use super::identity::{Environment, spelled};
use super::opened::{data_key, open, read};
use super::scalar::Leaf;
use super::store::File;
use super::token::{DataKey, PREFIX};
use super::tree::{Entry, Item, Node};
use crate::manifest::SecretFormat;

/// A text of this length is taken for the same secret wherever it stands.
const TELLING: usize = 8;

/// What somebody could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The reader, as the file spells it.
    pub reader: String,
    /// How many versions of the file he could read.
    pub versions: usize,
    /// False where he needed readers of other groups for it.
    pub alone: bool,
    /// Paths of values, in their order, and what became of each.
    pub values: Vec<(String, Fate)>,
}

/// What became of a value that somebody could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The path is not in the file any more.
    Gone,
    /// Another value stands there.
    Replaced,
    /// Nobody here can open the versions that had it.
    Unknown,
    /// The file still has this value, so it must be replaced.
    InUse,
}

/// What each of `gone` could read, and reasons why it may have been more.
#[must_use]
pub fn exposures(
    (file, bytes, format): (&Path, &[u8], SecretFormat),
    gone: &[String],
    opener: &Opener<'_>,
    environment: &Environment,
) -> (Vec<Exposure>, Vec<String>) {
    let mut past = history(file, environment);
    past.versions.push(bytes.to_vec());
    past.versions.sort();
    past.versions.dedup();
    let known = Known::of(bytes, format, opener);
    let versions: Vec<Version> =
        past.versions.iter().filter_map(|bytes| Version::of(bytes, format, opener, &known)).collect();
    let unread = past.versions.len() - versions.len();
    if unread > 0 {
        past.gaps.push(format!("{unread} versions of it are no sops files, or in another form"));
    }
    let all = gone.iter().map(|reader| {
        let theirs = |version: &&Version| {
            version.readers.groups.iter().flatten().any(|one| spelled(one) == spelled(reader))
        };
        let mut exposure = Exposure { reader: reader.clone(), versions: 0, alone: false, values: Vec::new() };
        let mut values: BTreeMap<&str, Fate> = BTreeMap::new();
        for version in versions.iter().filter(theirs) {
            exposure.versions += 1;
            exposure.alone |=
                version.readers.groups.len() < 2 || version.readers.include(std::slice::from_ref(reader));
            for (path, fate) in &version.values {
                let worst = values.entry(path).or_insert(*fate);
                *worst = (*worst).max(*fate);
            }
        }
        exposure.values = values.into_iter().map(|(path, fate)| (path.to_owned(), fate)).collect();
        exposure
    });
    (all.collect(), past.gaps)
}

/// The file as it is now.
#[derive(Default)]
struct Known {
    key: Option<DataKey>,
    paths: BTreeSet<String>,
    /// Hashes of values with their paths, and of telling ones alone.
    values: BTreeSet<[u8; 32]>,
}

impl Known {
    fn of(bytes: &[u8], format: SecretFormat, opener: &Opener<'_>) -> Self {
        let mut known = Self::default();
        let Ok((file, metadata)) = read(bytes, format) else { return known };
        each(&file, &mut |path, _| known.paths.extend([path.to_owned()]));
        let Ok(key) = data_key(opener, &metadata) else { return known };
        if let Ok((file, _)) = open(bytes, format, &key) {
            each(&file, &mut |path, leaf| {
                known.values.insert(hash(path, leaf));
                known.values.extend(telling(leaf));
            });
        }
        known.key = Some(key);
        known
    }
}

struct Version {
    readers: Readers,
    values: Vec<(String, Fate)>,
}

impl Version {
    fn of(bytes: &[u8], format: SecretFormat, opener: &Opener<'_>, known: &Known) -> Option<Self> {
        let (sealed, metadata) = read(bytes, format).ok()?;
        let mut paths = BTreeSet::new();
        each(&sealed, &mut |path, leaf| {
            if matches!(leaf, Leaf::Text(text) if text.expose().starts_with(PREFIX.as_bytes())) {
                paths.insert(path.to_owned());
            }
        });
        let current = known.key.as_ref().and_then(|key| open(bytes, format, key).ok());
        let other = || data_key(opener, &metadata).ok().and_then(|key| open(bytes, format, &key).ok());
        let clear = current.or_else(other).map(|(file, _)| file);
        let mut same = BTreeSet::new();
        if let Some(clear) = &clear {
            each(clear, &mut |path, leaf| {
                let again = telling(leaf).is_some_and(|hash| known.values.contains(&hash));
                if again || known.values.contains(&hash(path, leaf)) {
                    same.insert(path.to_owned());
                }
            });
        }
        let fate = |path: &String| match (&clear, known.paths.contains(path)) {
            (None, _) => Fate::Unknown,
            (Some(_), _) if same.contains(path) => Fate::InUse,
            (Some(_), true) => Fate::Replaced,
            (Some(_), false) => Fate::Gone,
        };
        let values = paths.into_iter().map(|path| (path.clone(), fate(&path))).collect();
        let spelling =
            |group: &Vec<super::metadata::Wrap>| group.iter().map(|wrap| wrap.recipient.clone()).collect();
        let groups = metadata.groups.iter().map(spelling).collect();
        Some(Self { readers: Readers { groups, threshold: metadata.threshold }, values })
    }
}

fn hash(path: &str, leaf: &Leaf) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((path.len() as u64).to_be_bytes());
    hash.update(path);
    hash.update(leaf.hashed(false));
    hash.finalize().into()
}

/// A hash of the value alone, where it can hardly be another secret by chance.
fn telling(leaf: &Leaf) -> Option<[u8; 32]> {
    let Leaf::Text(text) = leaf else { return None };
    (text.expose().len() >= TELLING).then(|| hash("", leaf))
}

/// Every value with its path: keys and positions joined by `/`; those of later documents with the document's number.
fn each(file: &File, tell: &mut impl FnMut(&str, &Leaf)) {
    for (index, document) in file.documents.iter().enumerate() {
        let above = if index == 0 { String::new() } else { format!("document {}: ", index + 1) };
        entries(document, &above, tell);
    }
}

fn entries(all: &[Entry], above: &str, tell: &mut impl FnMut(&str, &Leaf)) {
    for (key, node) in all.iter().filter_map(Entry::pair) {
        value(node, &format!("{above}{key}"), tell);
    }
}

fn value(node: &Node, path: &str, tell: &mut impl FnMut(&str, &Leaf)) {
    match node {
        Node::Leaf(leaf) => tell(path, leaf),
        Node::Map(all) => entries(all, &format!("{path}/"), tell),
        Node::List(items) => {
            for (index, node) in items.iter().filter_map(Item::node).enumerate() {
                value(node, &format!("{path}/{index}"), tell);
            }
        }
    }
}
