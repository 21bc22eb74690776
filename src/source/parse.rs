//! Text → tree. Iterative, so that depth is a limit and not a stack overflow.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Input, Parser, ScalarStyle};

use super::ascii::Ascii;
use super::node::{Entry, Node, Scalar, Span, Value};
use super::offsets::Offsets;
use super::problem::{Problem, Source};

/// What a text may at most hold; beyond it, parsing stops with a problem.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Nodes after aliases are expanded (an alias bomb grows here and nowhere else).
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 100, nodes: 1_000_000 }
    }
}

/// Reads every document of `source`. An empty text has none.
///
/// # Errors
/// The first syntax error, a duplicate key, a key that is no scalar, an alias without anchor, or a limit.
pub fn parse(source: &Source, limits: Limits) -> Result<Vec<Node>, Problem> {
    parse_hearing(source, limits, &mut |_, _| ())
}

/// As [`parse`]; `hear` is told each event of the parser too, with its place in characters.
///
/// # Errors
/// As [`parse`].
pub fn parse_hearing(
    source: &Source,
    limits: Limits,
    hear: &mut dyn FnMut(&Event<'_>, Range<usize>),
) -> Result<Vec<Node>, Problem> {
    if source.text.len() > limits.bytes {
        let message = format!("the file is longer than {} bytes", limits.bytes);
        return Err(source.problem(Span::default(), message));
    }
    let (text, offsets) = Offsets::of(&source.text);
    let mut builder = Builder {
        source,
        limits,
        offsets,
        stack: Vec::new(),
        done: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
    };
    match Ascii::of(&text) {
        Some(ascii) => builder.read(Parser::new(ascii), hear)?,
        None => builder.read(Parser::new_from_str(&text), hear)?,
    }
    Ok(builder.done)
}

/// The range without the blanks at its end, which the parser counts in.
fn trimmed(text: &str, span: Span) -> Span {
    let length = text.get(span.start..span.end).map_or(0, |part| part.trim_end().len());
    Span { end: span.start + length, ..span }
}

/// An open map or list.
struct Open {
    anchor: usize,
    start: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashSet<String>, key: Option<(Scalar, Span)> },
}

struct Builder<'s> {
    source: &'s Source,
    limits: Limits,
    offsets: Offsets,
    stack: Vec<Open>,
    done: Vec<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Bytes of text in anchors and aliases.
    copied: usize,
}

impl Builder<'_> {
    fn read(
        &mut self,
        parser: Parser<'_, impl Input>,
        hear: &mut dyn FnMut(&Event<'_>, Range<usize>),
    ) -> Result<(), Problem> {
        for item in parser {
            match item {
                Ok((event, span)) => {
                    hear(&event, span.start.index()..span.end.index());
                    let span = self.offsets.span(span.start.index(), span.end.index());
                    self.event(event, trimmed(&self.source.text, span))?;
                }
                Err(error) => {
                    let at = self.offsets.byte(error.marker().index());
                    let message = format!("cannot be read: {}", error.info());
                    return Err(self.source.problem(Span { start: at, end: at }, message));
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain, tag };
                self.add(Node { span, value: Value::Scalar(scalar) }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, span, OpenKind::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let kind = OpenKind::Map { entries: Vec::new(), seen: HashSet::new(), key: None };
                self.open(anchor, span, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(self
                        .source
                        .problem(span, "an alias of something that is still open or unknown"));
                };
                let Size { nodes: size, text, depth } = measure(node);
                if self.stack.len() + depth > self.limits.depth {
                    let message = format!(
                        "nested more than {} levels deep once aliases are expanded",
                        self.limits.depth
                    );
                    return Err(self.source.problem(span, message));
                }
                self.grow(text, span)?;
                let node = self.anchors.get(&anchor).cloned();
                node.map_or(Ok(()), |node| self.add(node, 0, size))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, span: Span, kind: OpenKind) -> Result<(), Problem> {
        if self.stack.len() >= self.limits.depth {
            let message = format!("nested more than {} levels deep", self.limits.depth);
            return Err(self.source.problem(span, message));
        }
        if let Some(Open { kind: OpenKind::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(self.source.problem(span, "a map or list cannot be a key"));
        }
        self.stack.push(Open { anchor, start: span.start, kind });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Problem> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let span = trimmed(&self.source.text, Span { start: open.start, end: span.end });
        let value = match open.kind {
            OpenKind::List(items) => Value::List(items),
            OpenKind::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { span, value };
        self.add(node, open.anchor, 1)
    }

    /// Counts text that is held once more.
    fn grow(&mut self, text: usize, span: Span) -> Result<(), Problem> {
        self.copied = self.copied.saturating_add(text);
        if self.copied > self.limits.bytes {
            let message = format!("holds more than {} bytes in aliases", self.limits.bytes);
            return Err(self.source.problem(span, message));
        }
        Ok(())
    }

    /// Puts a finished node where it belongs. `size` counts towards the node limit.
    fn add(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > self.limits.nodes {
            let message = format!("holds more than {} values once aliases are expanded", self.limits.nodes);
            return Err(self.source.problem(node.span, message));
        }
        if anchor > 0 {
            // The copy counts too: anchors inside of anchors hold the innermost once a level.
            let Size { nodes, text, .. } = measure(&node);
            self.nodes = self.nodes.saturating_add(nodes);
            self.grow(text, node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.done.push(node);
            return Ok(());
        };
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { entries, seen, key } => match key.take() {
                None => {
                    let Value::Scalar(scalar) = node.value else {
                        return Err(self.source.problem(node.span, "a map or list cannot be a key"));
                    };
                    // `<<` may stand more than once: it is an instruction, not a key.
                    if scalar.text != "<<" && !seen.insert(scalar.text.clone()) {
                        let message = format!("the key `{}` stands here a second time", scalar.text);
                        return Err(self.source.problem(node.span, message).fix("keep one of the two"));
                    }
                    *key = Some((scalar, node.span));
                }
                Some((scalar, key_span)) => {
                    let Scalar { text, plain, .. } = scalar;
                    entries.push(Entry { key: text, key_plain: plain, key_span, value: node });
                }
            },
        }
        Ok(())
    }
}

/// How large a tree is.
struct Size {
    nodes: usize,
    /// Bytes of keys and scalars.
    text: usize,
    /// Levels of maps and lists.
    depth: usize,
}

/// The size of a tree, found without recursion.
fn measure(node: &Node) -> Size {
    let mut todo = vec![(node, 1)];
    let mut size = Size { nodes: 0, text: 0, depth: 0 };
    while let Some((node, level)) = todo.pop() {
        size.nodes = size.nodes.saturating_add(1);
        match &node.value {
            Value::Scalar(scalar) => {
                size.text = size.text.saturating_add(scalar.text.len());
                continue;
            }
            Value::List(items) => todo.extend(items.iter().map(|item| (item, level + 1))),
            Value::Map(entries) => {
                let keys: usize = entries.iter().map(|entry| entry.key.len()).sum();
                size.text = size.text.saturating_add(keys);
                todo.extend(entries.iter().map(|entry| (&entry.value, level + 1)));
            }
        }
        size.depth = size.depth.max(level);
    }
    size
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn read(text: &str) -> Result<Vec<Node>, Problem> {
        parse(&Source::new("m", text), Limits::default())
    }

    /// Every scalar of a document with the text of its span.
    fn scalars(text: &str) -> Vec<(String, String)> {
        let mut todo: Vec<Node> = read(text).unwrap();
        let mut found = Vec::new();
        while let Some(node) = todo.pop() {
            match node.value {
                Value::Scalar(scalar) => {
                    found.push((scalar.text, text[node.span.start..node.span.end].to_owned()));
                }
                Value::List(items) => todo.extend(items.into_iter().rev()),
                Value::Map(entries) => todo.extend(entries.into_iter().rev().map(|entry| entry.value)),
            }
        }
        found
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(text, raw)| ((*text).to_owned(), (*raw).to_owned())).collect()
    }

    #[test]
    fn json_reads_as_json_does_and_every_span_is_the_value_as_written() {
        let text = "\u{feff}{\n\t\"é\": [1, \"a\\u00e9\\ud83d\\ude00\\\\ud83d\\/\", null],\n\t\"b\":\"ü\"}";
        let expected = [
            ("1", "1"),
            ("aé😀\\ud83d/", r#""a\u00e9\ud83d\ude00\\ud83d\/""#),
            ("null", "null"),
            ("ü", "\"ü\""),
        ];
        assert_eq!(scalars(text), pairs(&expected));
    }

    #[test]
    fn a_lone_surrogate_is_refused() {
        assert!(read(r#"{"a": "\ud83d x"}"#).is_err());
    }

    #[test]
    fn an_alias_bomb_stops_at_the_node_limit() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
        }
        assert!(read(&text).unwrap_err().message.contains("once aliases are expanded"));
    }

    #[test]
    fn a_hundred_levels_are_read_and_one_more_is_not() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(&nested(100)).is_ok());
        assert!(read(&nested(101)).unwrap_err().message.contains("100 levels"));
        assert!(read(&nested(1_000_000)).is_err(), "depth must not overflow the stack");
    }

    #[test]
    fn aliases_do_not_nest_deeper_than_the_limit() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..2000 {
            writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
        }
        assert!(read(&text).unwrap_err().message.contains("100 levels deep once aliases"));
    }

    #[test]
    fn duplicate_keys_complex_keys_and_unknown_aliases_are_problems_at_their_place() {
        for (text, place) in [("{\"a\": 1, \"a\": 2}", 9), ("? [a]\n: 1", 2), ("a: *b", 3)] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.span.start, place, "{text}: {problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[\\[\\]{}:,&*!|>'\"\\\\a-c0-9 \n\t#?<-]{0,60}") {
            if let Err(problem) = read(&text) {
                assert!(problem.render(false).contains(&problem.message) || problem.message.contains('\t'));
            }
        }
    }
}
