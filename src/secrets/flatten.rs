//! Metadata as the flat forms hold it: `age__list_0__map_enc`.

use std::collections::{BTreeMap, HashMap};

use super::scalar::Leaf;
use super::tree::{Entry, Item, Node};
use super::value::SecretBytes;

const MAP: &str = "__map_";
const LIST: &str = "__list_";
/// Metadata of sops goes five steps deep; what goes much deeper is there to overflow a stack.
const MOST_STEPS: usize = 16;
/// Characters of a key that are told; nobody wants to read a megabyte.
const TOLD: usize = 80;

/// One step of a flat key.
enum Step<'k> {
    Key(&'k str),
    Index(usize),
}

/// A place that is being filled; children in the order in which they came.
#[derive(Default)]
struct Place<'k> {
    value: Option<SecretBytes>,
    keys: Vec<(&'k str, Place<'k>)>,
    /// Where each of `keys` is: there may be as many as fit into a file.
    known: HashMap<&'k str, usize>,
    items: BTreeMap<usize, Place<'k>>,
}

/// The map behind flat keys.
///
/// # Errors
/// A list with a gap, a place with two values or of two kinds. The key is public and is in the text.
pub(super) fn unflatten(pairs: Vec<(String, SecretBytes)>) -> Result<Node, String> {
    let mut root = Place::default();
    let (keys, values): (Vec<String>, Vec<SecretBytes>) = pairs.into_iter().unzip();
    for (key, value) in keys.iter().zip(values) {
        let mut place = &mut root;
        for step in steps(key).map_err(|why| format!("`{}` {why}", told(key)))? {
            place = match step {
                Step::Key(name) => {
                    let at = *place.known.entry(name).or_insert_with(|| {
                        place.keys.push((name, Place::default()));
                        place.keys.len() - 1
                    });
                    match place.keys.get_mut(at) {
                        Some((_, place)) => place,
                        None => return Err(format!("`{}` cannot be placed", told(key))),
                    }
                }
                Step::Index(index) => place.items.entry(index).or_default(),
            };
        }
        if place.value.replace(value).is_some() {
            return Err(format!("`{}` stands there twice", told(key)));
        }
    }
    node(root)
}

/// A key for people.
fn told(key: &str) -> String {
    if key.chars().count() <= TOLD {
        return key.to_owned();
    }
    key.chars().take(TOLD).chain("...".chars()).collect()
}

fn node(place: Place<'_>) -> Result<Node, String> {
    let Place { value, keys, items, .. } = place;
    match (value, keys.is_empty(), items.is_empty()) {
        (Some(value), true, true) => Ok(Node::Leaf(Leaf::Text(value))),
        (None, false, true) => {
            let pairs = keys.into_iter().map(|(key, place)| Ok(Entry::Pair(key.to_owned(), node(place)?)));
            Ok(Node::Map(pairs.collect::<Result<_, String>>()?))
        }
        (None, true, false) => {
            if items.keys().enumerate().any(|(expected, found)| expected != *found) {
                return Err("one of its lists has a gap".to_owned());
            }
            let nodes = items.into_values().map(|place| Ok(Item::Node(node(place)?)));
            Ok(Node::List(nodes.collect::<Result<_, String>>()?))
        }
        (None, true, true) => Ok(Node::Map(Vec::new())),
        _ => Err("one of its keys stands for a value and for what holds others".to_owned()),
    }
}

fn steps(key: &str) -> Result<Vec<Step<'_>>, &'static str> {
    const NO_NUMBER: &str = "has a list position that is no number";
    let mut steps = Vec::new();
    let (mut rest, mut is_list) = (key, false);
    loop {
        let next = [rest.find(MAP).map(|at| (at, MAP)), rest.find(LIST).map(|at| (at, LIST))];
        let next = next.into_iter().flatten().min_by_key(|(at, _)| *at);
        let word = next.map_or(Some(rest), |(at, _)| rest.get(..at)).ok_or(NO_NUMBER)?;
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        steps.push(match is_list {
            true if !digits => return Err(NO_NUMBER),
            true => Step::Index(word.parse().map_err(|_| NO_NUMBER)?),
            false => Step::Key(word),
        });
        let Some((at, separator)) = next else { return Ok(steps) };
        if steps.len() == MOST_STEPS {
            return Err("is nested too deeply");
        }
        rest = rest.get(at + separator.len()..).ok_or(NO_NUMBER)?;
        is_list = separator == LIST;
    }
}

/// The flat keys of a map, each behind `prefix`, in the map's order.
pub(super) fn flatten<'n>(map: &'n Node, prefix: &str) -> Vec<(String, &'n Leaf)> {
    let mut flat = Vec::new();
    if let Node::Map(entries) = map {
        for entry in entries {
            if let Entry::Pair(key, node) = entry {
                descend(node, format!("{prefix}{key}"), &mut flat);
            }
        }
    }
    flat
}

fn descend<'n>(node: &'n Node, key: String, flat: &mut Vec<(String, &'n Leaf)>) {
    match node {
        Node::Leaf(leaf) => flat.push((key, leaf)),
        Node::Map(_) => flat.extend(flatten(node, &format!("{key}{MAP}"))),
        Node::List(items) => {
            let nodes = items.iter().filter_map(|item| match item {
                Item::Node(node) => Some(node),
                Item::Comment(_) => None,
            });
            for (index, node) in nodes.enumerate() {
                descend(node, format!("{key}{LIST}{index}"), flat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[&str]) -> Result<Vec<String>, String> {
        let pairs = keys.iter().map(|key| ((*key).to_owned(), SecretBytes::new(b"v".to_vec()))).collect();
        let root = unflatten(pairs)?;
        Ok(flatten(&root, "").into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn flat_keys_come_back() {
        let keys = [
            "mac",
            "key_groups__list_0__map_age__list_0__map_enc",
            "key_groups__list_0__map_age__list_0__map_recipient",
            "key_groups__list_1__map_age__list_0__map_enc",
        ];
        assert_eq!(read(&keys).as_deref(), Ok(&keys.map(str::to_owned)[..]));
        assert_eq!(read(&["a__list_1", "a__list_0"]), Ok(vec!["a__list_0".into(), "a__list_1".into()]));
    }

    #[test]
    fn gaps_doubles_and_mixed_kinds_are_refused() {
        for bad in [
            &["a__list_999999999"][..],
            &["a__list_1"],
            &["a__list_x"],
            &["a__list_"],
            &["a__list_-1"],
            &["a__list_99999999999999999999999"],
            &["a", "a"],
            &["a__list_0", "a__list_00"],
            &["a", "a__map_b"],
            &["a__map_b", "a__list_0"],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_goes_very_deep_is_refused_and_told_in_short() {
        for separator in [MAP, LIST] {
            let key = format!("a{}", format!("{separator}0").repeat(100_000));
            let error = read(&[&key]).expect_err("too deep");
            assert!(error.contains("nested too deeply") && error.len() < 200, "{error}");
        }
        assert!(read(&["a__map_b__map_c__map_d__map_e__map_f__list_0__list_0"]).is_ok());
    }
}
