//! Three clear documents become one: each value goes by its path, each comment with the value below it.

use super::super::change::{alike, alike_node};
use super::super::scalar::Leaf;
use super::super::tree::{Comment, Entry, Item, Node};

/// What both sides changed, each in its own way.
pub(super) type Conflicts = Vec<String>;

/// A key with the comments above it.
struct Pair<'e> {
    above: Vec<&'e Comment>,
    key: &'e str,
    node: &'e Node,
}

/// The entries that `ours` and `theirs` come to since `base`. In a conflict those of `ours` stay.
pub(super) fn entries(
    base: &[Entry],
    (ours, theirs): (&[Entry], &[Entry]),
    path: &str,
    conflicts: &mut Conflicts,
) -> Vec<Entry> {
    if alike(ours, theirs) || alike(base, theirs) {
        return ours.iter().map(entry).collect();
    }
    if alike(base, ours) {
        return theirs.iter().map(entry).collect();
    }
    let whole = ours;
    let ((base, last), (ours, our_last), (theirs, their_last)) = (parts(base), parts(ours), parts(theirs));
    if [&base, &ours, &theirs].into_iter().any(|pairs| twins(pairs)) {
        conflicts.push(format!("{path}: has one key several times, which cannot be told apart"));
        return whole.iter().map(entry).collect();
    }
    let find = |pairs: &'_ [Pair<'_>], key: &str| pairs.iter().position(|pair| pair.key == key);
    let mut merged = Vec::new();
    let news = theirs.iter().map(|pair| pair.key).filter(|key| find(&ours, key).is_none());
    for key in ours.iter().map(|pair| pair.key).chain(news) {
        let at = |pairs: &'_ [Pair<'_>]| find(pairs, key);
        let before = at(&base).and_then(|at| base.get(at));
        let mine = at(&ours).and_then(|at| ours.get(at));
        let other = at(&theirs).and_then(|at| theirs.get(at));
        pair((before, mine, other), &format!("{path}{key}"), &mut merged, conflicts);
    }
    let remarks =
        remarks((&last, &our_last, &their_last), || format!("{path}: the comments at the end"), conflicts);
    merged.extend(remarks.into_iter().map(Entry::Comment));
    merged
}

fn pair(
    (base, ours, theirs): (Option<&Pair<'_>>, Option<&Pair<'_>>, Option<&Pair<'_>>),
    path: &str,
    merged: &mut Vec<Entry>,
    conflicts: &mut Conflicts,
) {
    let same = |one: &Pair<'_>, other: &Pair<'_>| alike_node(one.node, other.node);
    let (chosen, node) = match (base, ours, theirs) {
        (_, None, None) => return,
        // Removed on one side: it goes, unless the other side changed it.
        (Some(base), Some(one), None) | (Some(base), None, Some(one)) => {
            if same(base, one) {
                return;
            }
            conflicts.push(format!("{path}: removed on one side and changed on the other"));
            (one, duplicate(one.node))
        }
        (None, Some(one), None) | (None, None, Some(one)) => (one, duplicate(one.node)),
        (base, Some(ours), Some(theirs)) => {
            (ours, value(base.map(|base| base.node), (ours.node, theirs.node), path, conflicts))
        }
    };
    let above = match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let before = base.map(|base| base.above.clone()).unwrap_or_default();
            remarks(
                (&before, &ours.above, &theirs.above),
                || format!("{path}: the comment above it"),
                conflicts,
            )
        }
        _ => chosen.above.iter().map(|comment| remark(comment)).collect(),
    };
    merged.extend(above.into_iter().map(Entry::Comment));
    merged.push(Entry::Pair(chosen.key.to_owned(), node));
}

fn value(base: Option<&Node>, (ours, theirs): (&Node, &Node), path: &str, conflicts: &mut Conflicts) -> Node {
    let unchanged = |side: &Node| base.is_some_and(|base| alike_node(base, side));
    if alike_node(ours, theirs) || unchanged(theirs) {
        return duplicate(ours);
    }
    if unchanged(ours) {
        return duplicate(theirs);
    }
    match (base, ours, theirs) {
        (base, Node::Map(ours), Node::Map(theirs)) => {
            let base = match base {
                Some(Node::Map(base)) => base.as_slice(),
                _ => &[],
            };
            Node::Map(entries(base, (ours, theirs), &format!("{path}/"), conflicts))
        }
        (Some(Node::List(base)), Node::List(ours), Node::List(theirs))
            if let Some(items) = items(base, (ours, theirs), path, conflicts) =>
        {
            Node::List(items)
        }
        _ => {
            conflicts.push(format!("{path}: changed on both sides"));
            duplicate(ours)
        }
    }
}

/// The items of lists that kept their length, each by its position; nothing where one is longer or has comments.
fn items(
    base: &[Item],
    (ours, theirs): (&[Item], &[Item]),
    path: &str,
    conflicts: &mut Conflicts,
) -> Option<Vec<Item>> {
    let nodes = |items: &'_ [Item]| items.iter().all(|item| item.node().is_some());
    if base.len() != ours.len() || base.len() != theirs.len() || ![base, ours, theirs].into_iter().all(nodes)
    {
        return None;
    }
    let sides = ours.iter().filter_map(Item::node).zip(theirs.iter().filter_map(Item::node));
    let merged = base.iter().filter_map(Item::node).zip(sides).enumerate().map(|(index, (base, sides))| {
        Item::Node(value(Some(base), sides, &format!("{path}/{index}"), conflicts))
    });
    Some(merged.collect())
}

fn remarks(
    (base, ours, theirs): (&[&Comment], &[&Comment], &[&Comment]),
    place: impl Fn() -> String,
    conflicts: &mut Conflicts,
) -> Vec<Comment> {
    let same = |left: &[&Comment], right: &[&Comment]| {
        left.iter().map(|comment| comment.text.expose()).eq(right.iter().map(|comment| comment.text.expose()))
    };
    let chosen = if same(ours, theirs) || same(base, theirs) {
        ours
    } else if same(base, ours) {
        theirs
    } else {
        conflicts.push(format!("{}: changed on both sides", place()));
        ours
    };
    chosen.iter().map(|comment| remark(comment)).collect()
}

/// The pairs of a map with what stands above each, and what stands at its end.
fn parts(entries: &[Entry]) -> (Vec<Pair<'_>>, Vec<&Comment>) {
    let (mut pairs, mut above) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Comment(comment) => above.push(comment),
            Entry::Pair(key, node) => pairs.push(Pair { above: std::mem::take(&mut above), key, node }),
        }
    }
    (pairs, above)
}

/// INI knows one section several times.
fn twins(pairs: &[Pair<'_>]) -> bool {
    let mut keys: Vec<&str> = pairs.iter().map(|pair| pair.key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|two| matches!(two, [one, other] if one == other))
}

fn remark(comment: &Comment) -> Comment {
    Comment { text: comment.text.clone(), inline: comment.inline }
}

/// A copy with its comments.
pub(super) fn entry(entry: &Entry) -> Entry {
    match entry {
        Entry::Comment(comment) => Entry::Comment(remark(comment)),
        Entry::Pair(key, node) => Entry::Pair(key.clone(), duplicate(node)),
    }
}

fn duplicate(node: &Node) -> Node {
    match node {
        Node::Leaf(leaf) => Node::Leaf(Leaf::clone(leaf)),
        Node::Map(entries) => Node::Map(entries.iter().map(entry).collect()),
        Node::List(items) => {
            let item = |item: &Item| match item {
                Item::Comment(comment) => Item::Comment(remark(comment)),
                Item::Node(node) => Item::Node(duplicate(node)),
            };
            Node::List(items.iter().map(item).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::store;
    use super::*;
    use crate::manifest::SecretFormat;

    fn read(text: &str) -> Vec<Entry> {
        store::read(SecretFormat::Yaml, text.as_bytes())
            .unwrap_or_else(|_| panic!("{text}"))
            .documents
            .remove(0)
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Result<String, Conflicts> {
        let mut conflicts = Vec::new();
        let entries = entries(&read(base), (&read(ours), &read(theirs)), "", &mut conflicts);
        let file = store::File { documents: vec![entries], metadata: None };
        let text = store::write(SecretFormat::Yaml, &file, store::Indent::Default).ok().unwrap();
        let text = String::from_utf8(text.expose().to_vec()).unwrap();
        if conflicts.is_empty() { Ok(text) } else { Err(conflicts) }
    }

    #[test]
    fn what_one_side_changed_is_taken() {
        for (base, ours, theirs, expected) in [
            ("a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 1\nb: 2\n", "a: 2\nb: 2\n"),
            (
                "m:\n    a: 1\n    b: 1\n",
                "m:\n    a: 2\n    b: 1\n",
                "m:\n    a: 1\n    c: 3\n",
                "m:\n    a: 2\n    c: 3\n",
            ),
            ("a: 1\n", "a: 1\nb: 1\n", "a: 1\nc: 1\n", "a: 1\nb: 1\nc: 1\n"),
            ("a: 1\n", "a: 2\n", "a: 2\n", "a: 2\n"),
            ("a: [1, 2]\nb: 1\n", "a: [3, 2]\nb: 2\n", "a: [1, 4]\nb: 1\n", "a:\n    - 3\n    - 4\nb: 2\n"),
            (
                "# x\na: 1\nb: 1\n",
                "# x\na: 2\nb: 1\n",
                "# y\na: 1\nb: 1\n# end\n",
                "# y\na: 2\nb: 1\n# end\n",
            ),
            ("a: 1\nb: 1\nc: 1\n", "a: 1\nc: 2\n", "a: 1\nb: 1\nc: 1\nd: 1\n", "a: 1\nc: 2\nd: 1\n"),
            ("a: 1\n", "a: 1\nm: {x: 1}\n", "a: 1\nm: {z: 1}\n", "a: 1\nm:\n    x: 1\n    z: 1\n"),
        ] {
            assert_eq!(merged(base, ours, theirs), Ok(expected.to_owned()), "{base}{ours}{theirs}");
        }
    }

    #[test]
    fn what_both_sides_changed_is_named_by_its_path() {
        for (base, ours, theirs, place) in [
            ("n: {a: 1}\n", "n: {a: 2}\n", "n: {a: 3}\n", "n/a: changed"),
            ("a: 1\nb: 1\n", "b: 2\n", "a: 2\nb: 1\n", "a: removed"),
            ("a: [1]\n", "a: [1, 2]\n", "a: [1, 3]\n", "a: changed"),
            ("a: 1\n", "a: 1\nb: 1\n", "a: 1\nb: 2\n", "b: changed"),
            ("a: 1\n", "a: '1'\n", "a: 2\n", "a: changed"),
            ("# x\na: 1\n", "# y\na: 1\n", "# z\na: 1\n", "a: the comment above it: changed"),
        ] {
            let conflicts = merged(base, ours, theirs).unwrap_err();
            assert!(conflicts.len() == 1 && conflicts[0].starts_with(place), "{conflicts:?}");
        }
    }
}
