//! Tree → values with their comments above, in the line and below, as sops hands them to go-yaml v3.

use zeroize::Zeroizing;

use super::words::Word;
use crate::secrets::tree::{Comment, Entry, Item, Node};

/// Lines of comment as they are written, each with its `#`.
pub(super) type Remark = Zeroizing<Vec<u8>>;

/// A value that is about to be written.
pub(super) struct Laid<'t> {
    pub(super) shape: Shape<'t>,
    pub(super) head: Remark,
    pub(super) line: Remark,
    pub(super) foot: Remark,
}

/// What it is.
pub(super) enum Shape<'t> {
    Scalar(Word<'t>),
    List(Vec<Laid<'t>>),
    Map(Vec<(Laid<'t>, Laid<'t>)>),
}

/// Comments that wait for the value that they belong to.
#[derive(Default)]
struct Waiting<'t> {
    above: Vec<&'t Comment>,
    inline: Vec<&'t Comment>,
}

impl<'t> Waiting<'t> {
    fn add(&mut self, comment: &'t Comment) {
        if comment.inline { &mut self.inline } else { &mut self.above }.push(comment);
    }

    fn above(&mut self) -> Remark {
        joined(&std::mem::take(&mut self.above))
    }

    fn inline(&mut self) -> Remark {
        joined(&std::mem::take(&mut self.inline))
    }

    fn rest(mut self) -> Remark {
        self.above.append(&mut self.inline);
        self.above()
    }
}

fn joined(comments: &[&Comment]) -> Remark {
    let length = comments.iter().map(|comment| comment.text.expose().len() + 2).sum();
    // Sized first, so that no copy is left behind.
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for (index, comment) in comments.iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"#" } else { b"\n#" });
        text.extend_from_slice(comment.text.expose());
    }
    text
}

impl<'t> Laid<'t> {
    fn new(shape: Shape<'t>) -> Self {
        Self { shape, head: Remark::default(), line: Remark::default(), foot: Remark::default() }
    }

    /// A value without comments of its own.
    pub(super) fn node(node: &'t Node) -> Self {
        match node {
            Node::Leaf(leaf) => Self::new(Shape::Scalar(Word::of(leaf))),
            Node::List(items) => Self::list(items),
            Node::Map(entries) => Self::map(entries, None),
        }
    }

    /// A map of one pair.
    pub(super) fn pair(key: &'t str, node: &'t Node) -> Self {
        let key = Self::new(Shape::Scalar(Word::text(key.as_bytes())));
        Self::new(Shape::Map(vec![(key, Self::node(node))]))
    }

    /// A list of one item.
    pub(super) fn item(node: &'t Node) -> Self {
        Self::new(Shape::List(vec![Self::node(node)]))
    }

    /// A map: the comments before the first key are the map's, those behind the last one the last key's.
    /// `last` is one more pair.
    pub(super) fn map(entries: &'t [Entry], last: Option<(&'t str, &'t Node)>) -> Self {
        let (mut head, mut waiting) = (Remark::default(), Waiting::default());
        let mut pairs: Vec<(Self, Self)> = Vec::new();
        let entries = entries.iter().map(|entry| match entry {
            Entry::Comment(comment) => Err(comment),
            Entry::Pair(key, node) => Ok((key.as_str(), node)),
        });
        for entry in entries.chain(last.map(Ok)) {
            let (key, node) = match entry {
                Ok(pair) => pair,
                Err(comment) => {
                    waiting.add(comment);
                    continue;
                }
            };
            let mut key = Self::new(Shape::Scalar(Word::text(key.as_bytes())));
            if pairs.is_empty() {
                head = waiting.above();
            } else {
                key.head = waiting.above();
            }
            let mut value = Self::node(node);
            value.line = waiting.inline();
            pairs.push((key, value));
        }
        match pairs.last_mut() {
            Some((last, _)) => last.foot = waiting.rest(),
            None => head = waiting.rest(),
        }
        Self { head, ..Self::new(Shape::Map(pairs)) }
    }

    fn list(items: &'t [Item]) -> Self {
        let (mut head, mut waiting) = (Remark::default(), Waiting::default());
        let mut laid: Vec<Self> = Vec::new();
        for item in items {
            let node = match item {
                Item::Comment(comment) => {
                    waiting.add(comment);
                    continue;
                }
                Item::Node(node) => node,
            };
            let mut item = Self::node(node);
            if laid.is_empty() {
                head = waiting.above();
            } else {
                let above = waiting.above();
                item.head = stacked(above, std::mem::take(&mut item.head));
            }
            item.line = waiting.inline();
            laid.push(item);
        }
        match laid.last_mut() {
            Some(last) => last.foot = waiting.rest(),
            None => head = waiting.rest(),
        }
        Self { head, ..Self::new(Shape::List(laid)) }
    }
}

/// One comment above the other.
fn stacked(above: Remark, below: Remark) -> Remark {
    if above.is_empty() || below.is_empty() {
        return if above.is_empty() { below } else { above };
    }
    Zeroizing::new([above.as_slice(), b"\n", below.as_slice()].concat())
}
