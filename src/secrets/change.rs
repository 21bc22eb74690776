//! Changes in the tree of a document, as sops makes them.

use super::error::SecretError;
use super::path::{Step, shown};
use super::scalar::Leaf;
use super::store::File;
use super::token::PREFIX;
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;

/// Sets the value at `path` of the first document, or removes it where `value` is nothing.
pub(super) fn apply(file: &mut File, path: &[Step], value: Option<Node>) -> Result<(), SecretError> {
    let wrong = |reason| SecretError::Key { path: shown(path), reason };
    let document = file.documents.first_mut().ok_or_else(|| wrong("is not in the file"))?;
    match value {
        Some(value) => set_in(document, path, value).map_err(wrong),
        None => unset_in(document, path).map_err(wrong),
    }
}

/// Sets a value below these entries; keys and lists that are missing are made.
pub(super) fn set_in(entries: &mut Vec<Entry>, path: &[Step], value: Node) -> Result<(), &'static str> {
    let Some((Step::Key(key), rest)) = path.split_first() else { return Err("names a position in a map") };
    if let Some(node) = find(entries, key) {
        return set(node, rest, value);
    }
    entries.push(Entry::Pair(key.clone(), nested(rest, value)));
    Ok(())
}

fn set(node: &mut Node, path: &[Step], value: Node) -> Result<(), &'static str> {
    let Some((step, rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    match (&mut *node, step) {
        (Node::Map(entries), Step::Key(_)) => set_in(entries, path, value),
        (Node::List(items), Step::Index(index)) => {
            if let Some(item) = values(items).nth(*index) {
                return set(item, rest, value);
            }
            items.push(Item::Node(nested(rest, value)));
            Ok(())
        }
        (Node::Leaf(_), _) => {
            *node = nested(path, value);
            Ok(())
        }
        (Node::Map(_), Step::Index(_)) => Err("names a position in a map"),
        (Node::List(_), Step::Key(_)) => Err("names a key in a list"),
    }
}

fn unset_in(entries: &mut Vec<Entry>, path: &[Step]) -> Result<(), &'static str> {
    const ABSENT: &str = "is not in the file";
    let Some((Step::Key(key), rest)) = path.split_first() else { return Err("names a position in a map") };
    if rest.is_empty() {
        let at = entries.iter().position(|entry| matches!(entry, Entry::Pair(name, _) if name == key));
        entries.remove(at.ok_or(ABSENT)?);
        return Ok(());
    }
    let mut node = find(entries, key).ok_or(ABSENT)?;
    let mut rest = rest;
    while let Some((step, below)) = rest.split_first() {
        match (node, step) {
            (Node::Map(entries), Step::Key(_)) => return unset_in(entries, rest),
            (Node::List(items), Step::Index(index)) if below.is_empty() => {
                let mut positions =
                    (0..items.len()).filter(|at| matches!(items.get(*at), Some(Item::Node(_))));
                let at = positions.nth(*index).ok_or(ABSENT)?;
                items.remove(at);
                return Ok(());
            }
            (Node::List(items), Step::Index(index)) => node = values(items).nth(*index).ok_or(ABSENT)?,
            _ => return Err(ABSENT),
        }
        rest = below;
    }
    Err(ABSENT)
}

fn find<'e>(entries: &'e mut [Entry], key: &str) -> Option<&'e mut Node> {
    entries.iter_mut().find_map(|entry| match entry {
        Entry::Pair(name, node) if name == key => Some(node),
        _ => None,
    })
}

/// The path with positions that count values, of one whose positions count comments too, as those of sops do.
pub(super) fn by_values(entries: &[Entry], path: &[Step]) -> Result<Vec<Step>, &'static str> {
    let mut found = Vec::with_capacity(path.len());
    let mut node: Option<&Node> = None;
    for (depth, step) in path.iter().enumerate() {
        let next = match (step, node) {
            (Step::Key(key), None) if depth == 0 => pair(entries, key),
            (Step::Key(key), Some(Node::Map(entries))) => pair(entries, key),
            (Step::Index(index), Some(Node::List(items))) => {
                let before = items.iter().take(*index).filter_map(Item::node).count();
                found.push(Step::Index(before + index.saturating_sub(items.len())));
                node = match items.get(*index) {
                    Some(Item::Comment(_)) => {
                        return Err("is a comment (positions in a list count comments)");
                    }
                    Some(Item::Node(node)) => Some(node),
                    None => None,
                };
                continue;
            }
            _ => None,
        };
        found.push(step.clone());
        node = next;
    }
    Ok(found)
}

fn pair<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Node> {
    entries.iter().filter_map(Entry::pair).find(|(name, _)| *name == key).map(|(_, node)| node)
}

fn values(items: &mut [Item]) -> impl Iterator<Item = &mut Node> {
    items.iter_mut().filter_map(|item| match item {
        // An encrypted comment is none of the values.
        Item::Node(Node::Leaf(Leaf::Text(text))) if is_comment(text) => None,
        Item::Node(node) => Some(node),
        Item::Comment(_) => None,
    })
}

/// True for the token of a comment, which sops writes into lists like a value.
fn is_comment(text: &SecretBytes) -> bool {
    text.expose().starts_with(b"ENC[") && text.expose().ends_with(b",type:comment]")
}

/// The value with the maps and lists that the path wants around it.
fn nested(path: &[Step], value: Node) -> Node {
    path.iter().rev().fold(value, |inner, step| match step {
        Step::Key(key) => Node::Map(vec![Entry::Pair(key.clone(), inner)]),
        Step::Index(_) => Node::List(vec![Item::Node(inner)]),
    })
}

/// True where both hold the same values under the same keys in the same order; comments do not count.
pub(super) fn same(left: &[Entry], right: &[Entry]) -> bool {
    let mut both = left.iter().filter_map(Entry::pair).zip(right.iter().filter_map(Entry::pair));
    left.iter().filter_map(Entry::pair).count() == right.iter().filter_map(Entry::pair).count()
        && both.all(|((name, left), (other, right))| name == other && same_node(left, right))
}

fn same_node(left: &Node, right: &Node) -> bool {
    match (left, right) {
        (Node::Leaf(left), Node::Leaf(right)) => {
            matches!(left, Leaf::Null) == matches!(right, Leaf::Null)
                && *left.hashed(false) == *right.hashed(false)
        }
        (Node::Map(left), Node::Map(right)) => same(left, right),
        (Node::List(left), Node::List(right)) => {
            left.iter().filter_map(Item::node).count() == right.iter().filter_map(Item::node).count()
                && left
                    .iter()
                    .filter_map(Item::node)
                    .zip(right.iter().filter_map(Item::node))
                    .all(|(left, right)| same_node(left, right))
        }
        _ => false,
    }
}

/// True where both hold the same entries, comments and types among them.
pub(super) fn alike(left: &[Entry], right: &[Entry]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|pair| match pair {
            (Entry::Comment(left), Entry::Comment(right)) => left.text.expose() == right.text.expose(),
            (Entry::Pair(name, left), Entry::Pair(other, right)) => name == other && alike_node(left, right),
            _ => false,
        })
}

/// As [`alike`] for two values.
pub(super) fn alike_node(left: &Node, right: &Node) -> bool {
    match (left, right) {
        (Node::Leaf(one), Node::Leaf(other)) => one.kind() == other.kind() && same_node(left, right),
        (Node::Map(left), Node::Map(right)) => alike(left, right),
        (Node::List(left), Node::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|pair| match pair {
                    (Item::Comment(left), Item::Comment(right)) => left.text.expose() == right.text.expose(),
                    (Item::Node(left), Item::Node(right)) => alike_node(left, right),
                    _ => false,
                })
        }
        _ => false,
    }
}

/// Each token of `old` with the one that stands in its place in `new`, a document of the same shape.
pub(super) fn exchanged(old: &[Entry], new: &[Entry], into: &mut Vec<(SecretBytes, SecretBytes)>) {
    for pair in old.iter().zip(new) {
        match pair {
            (Entry::Comment(old), Entry::Comment(new)) => exchange(&old.text, &new.text, into),
            (Entry::Pair(_, old), Entry::Pair(_, new)) => exchanged_node(old, new, into),
            _ => {}
        }
    }
}

fn exchanged_node(old: &Node, new: &Node, into: &mut Vec<(SecretBytes, SecretBytes)>) {
    match (old, new) {
        (Node::Leaf(Leaf::Text(old)), Node::Leaf(Leaf::Text(new))) => exchange(old, new, into),
        (Node::Map(old), Node::Map(new)) => exchanged(old, new, into),
        (Node::List(old), Node::List(new)) => {
            for pair in old.iter().zip(new) {
                match pair {
                    (Item::Node(old), Item::Node(new)) => exchanged_node(old, new, into),
                    (Item::Comment(old), Item::Comment(new)) => exchange(&old.text, &new.text, into),
                    // An encrypted comment is read as a value, and written as a comment.
                    (Item::Node(Node::Leaf(Leaf::Text(old))), Item::Comment(new)) => {
                        exchange(old, &new.text, into);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn exchange(old: &SecretBytes, new: &SecretBytes, into: &mut Vec<(SecretBytes, SecretBytes)>) {
    if old.expose().starts_with(PREFIX.as_bytes()) && new.expose().starts_with(PREFIX.as_bytes()) {
        into.push((old.clone(), new.clone()));
    }
}

/// A copy of a sealed value.
pub(super) fn copy(node: &Node) -> Node {
    match node {
        Node::Leaf(leaf) => Node::Leaf(leaf.clone()),
        Node::List(items) => {
            Node::List(items.iter().filter_map(Item::node).map(|node| Item::Node(copy(node))).collect())
        }
        Node::Map(entries) => Node::Map(
            entries
                .iter()
                .filter_map(Entry::pair)
                .map(|(key, node)| Entry::Pair(key.to_owned(), copy(node)))
                .collect(),
        ),
    }
}
