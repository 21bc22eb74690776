//! The tree itself.

/// A range of byte offsets in a source text, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// True when `other` lies in this range.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value stands.
    pub span: Span,
    /// What stands there.
    pub value: Value,
}

/// What a [`Node`] holds. Aliases are already expanded.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any scalar, as written.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text. Duplicate keys are a problem of [`super::parse()`], never here.
    Map(Vec<Entry>),
}

/// A scalar as written; the reader decides what type it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text after unquoting and unescaping; block scalars are folded.
    pub text: String,
    /// True when the scalar was written without quotes and not as a block, so that it may be a number, a
    /// boolean or null.
    pub plain: bool,
    /// The tag, where one was written: `!!str` reads `tag:yaml.org,2002:str`.
    pub tag: Option<String>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// True when the key was written without quotes.
    pub key_plain: bool,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value under `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a map that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| entry.key == key)
    }

    /// The entries, if this is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The items, if this is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// Where the node begins: the bracket of a list or map, the first key or item of one without brackets.
    #[must_use]
    pub fn head(&self) -> Span {
        let first = match &self.value {
            Value::Scalar(_) => return self.span,
            Value::List(items) => items.first().map(|item| item.span),
            Value::Map(entries) => entries.first().map(|entry| entry.key_span),
        };
        match first {
            Some(first) if first.start == self.span.start => first,
            _ => Span { start: self.span.start, end: self.span.end.min(self.span.start + 1) },
        }
    }

    /// The scalar, if this is one.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }

    /// The node that a path of keys and list positions leads to, if there is one.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| node.child(step))
    }

    fn child(&self, step: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(_) => self.get(step),
            Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Value::Scalar(_) => None,
        }
    }

    /// The node at an RFC 6901 JSON pointer (`/gates/web/https`), or the nearest ancestor that exists.
    #[must_use]
    pub fn nearest(&self, pointer: &str) -> &Self {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            match node.child(&step) {
                Some(child) => node = child,
                None => return node,
            }
        }
        node
    }
}

impl Scalar {
    /// True for a plain `null`, `~` or nothing at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.plain && self.tag.is_none() && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}
