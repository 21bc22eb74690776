//! Tokens → values with their comments above, in the line and below, as go-yaml v3 hands them out.
//!
//! A token that is looked at takes up the remarks that start at it or before; the next value keeps them. So what
//! matters is which token is looked at when, and each function here looks in go-yaml's order.

mod block;
mod flow;

use std::collections::HashMap;

use super::remarks::{Remark, Side};
use super::scalars::{Scalars, Style};
use super::tokens::{Kind, Lost, Token, Words, long_tag};

/// A value's position among all of the text.
pub(super) type Id = usize;

/// What a value is.
pub(super) enum Shape {
    /// A scalar, and whether it is plain.
    Scalar {
        text: Words,
        plain: bool,
    },
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
    /// The value that an alias stands for.
    Alias(Id),
}

/// A value with its comments, each line with its `#`.
pub(super) struct Part {
    pub(super) shape: Shape,
    pub(super) tag: Option<String>,
    /// Where it stands.
    pub(super) place: Place,
    pub(super) head: Words,
    pub(super) line: Words,
    pub(super) foot: Words,
}

/// Where a value stands, in characters.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) start: usize,
    /// Behind the last character of it and of what is in it.
    pub(super) end: usize,
    /// Where the colon, dash, comma or bracket before it starts and ends.
    pub(super) mark_start: usize,
    pub(super) mark_end: usize,
    /// True between brackets, and for what has them.
    pub(super) flow: bool,
}

/// A document: its comments and its value.
pub(super) struct Document {
    pub(super) head: Words,
    pub(super) foot: Words,
    pub(super) root: Id,
}

/// A text on its way from tokens to values.
pub(super) struct Parts<'t> {
    tokens: &'t [Token],
    at: usize,
    remarks: std::iter::Peekable<std::vec::IntoIter<Remark>>,
    scalars: &'t Scalars,
    /// Every value.
    pub(super) all: Vec<Part>,
    anchors: HashMap<String, Id>,
    head: Words,
    line: Words,
    foot: Words,
    /// What stood above the dash of a list or map.
    stem: Option<Words>,
}

type Found<T> = Result<T, Lost>;

impl<'t> Parts<'t> {
    pub(super) fn new(tokens: &'t [Token], remarks: Vec<Remark>, scalars: &'t Scalars) -> Self {
        Self {
            tokens,
            at: 0,
            remarks: remarks.into_iter().peekable(),
            scalars,
            all: Vec::new(),
            anchors: HashMap::new(),
            head: Words::default(),
            line: Words::default(),
            foot: Words::default(),
            stem: None,
        }
    }

    /// The next document, if there is one.
    pub(super) fn document(&mut self) -> Found<Option<Document>> {
        if *self.look() == Kind::Start {
            self.at += 1;
        }
        let first = self.at <= 1;
        while !first && *self.look() == Kind::DocumentEnd {
            self.at += 1;
        }
        let mut head = Words::default();
        match self.look() {
            Kind::End => return Ok(None),
            Kind::DocumentStart => {
                self.at += 1;
                if matches!(self.look(), Kind::DocumentStart | Kind::DocumentEnd | Kind::End) {
                    let root = self.empty();
                    return Ok(Some(self.end_of_document(head, root)));
                }
            }
            _ if first => head = self.split_head(),
            _ => return Err(self.lost()),
        }
        let root = self.value(true, false)?;
        Ok(Some(self.end_of_document(head, root)))
    }

    fn end_of_document(&mut self, head: Words, root: Id) -> Document {
        if *self.look() == Kind::DocumentEnd {
            self.at += 1;
        }
        let [above, _, below] = self.take();
        let foot = if below.is_empty() { above } else { below };
        Document { head, foot, root }
    }

    /// What stands above an empty line at the top of the first document belongs to the document.
    fn split_head(&mut self) -> Words {
        let text = self.head.as_str();
        let (above, below) = match text.strip_suffix('\n') {
            Some(above) => (above, ""),
            None => text.rsplit_once("\n\n").unwrap_or(("", text)),
        };
        let (above, below) = (Words::new(above.to_owned()), Words::new(below.to_owned()));
        self.head = below;
        above
    }

    /// Looks at the next token, which takes up the remarks that start at it or before.
    fn look(&mut self) -> &'t Kind {
        let tokens: &'t [Token] = self.tokens;
        let Some(token) = tokens.get(self.at) else { return &Kind::End };
        while let Some(remark) = self.remarks.next_if(|remark| {
            let ends = token.kind == Kind::BlockEnd && remark.side == Side::Head;
            token.start >= remark.taken_from && !ends
        }) {
            let to = match remark.side {
                Side::Head => &mut self.head,
                Side::Line => &mut self.line,
                Side::Foot => &mut self.foot,
            };
            if !to.is_empty() {
                to.push('\n');
            }
            to.push_str(&remark.text);
        }
        &token.kind
    }

    /// The remarks that were taken up.
    fn take(&mut self) -> [Words; 3] {
        self.stem = None;
        [&mut self.head, &mut self.line, &mut self.foot].map(std::mem::take)
    }

    fn lost(&self) -> Lost {
        Lost(self.tokens.get(self.at).map_or(0, |token| token.start))
    }

    fn add(&mut self, shape: Shape, tag: Option<String>, [head, line, foot]: [Words; 3]) -> Id {
        let place = Place::default();
        self.all.push(Part { shape, tag, place, head, line, foot });
        self.all.len() - 1
    }

    /// A value that is not written.
    fn empty(&mut self) -> Id {
        let id =
            self.add(Shape::Scalar { text: Words::default(), plain: true }, None, <[Words; 3]>::default());
        self.set_place(id, self.at, false);
        id
    }

    /// Notes where a value stands that began at the token `first` and ends before this one.
    fn set_place(&mut self, id: Id, first: usize, flow: bool) {
        let mark = first.checked_sub(1).and_then(|before| self.tokens.get(before));
        let (mark_start, mark_end) = mark.map_or((0, 0), |mark| (mark.start, mark.end));
        let own = self.tokens.get(first..self.at).unwrap_or_default();
        let written = |token: &&Token| token.end > token.start;
        let start = own.first().map_or(mark_end, |token| token.start);
        let end = own.iter().rev().find(written).map_or(start, |token| token.end);
        if let Some(part) = self.all.get_mut(id) {
            part.place = Place { start, end, mark_start, mark_end, flow };
        }
    }

    fn value(&mut self, block: bool, dashes: bool) -> Found<Id> {
        let first = self.at;
        let id = self.content(block, dashes)?;
        let opens =
            matches!(self.tokens.get(first).map(|token| &token.kind), Some(Kind::FlowList | Kind::FlowMap));
        self.set_place(id, first, opens || !block);
        Ok(id)
    }

    fn content(&mut self, block: bool, dashes: bool) -> Found<Id> {
        if let Kind::Alias(name) = self.look() {
            let meant = *self.anchors.get(name).ok_or_else(|| self.lost())?;
            let remarks = self.take();
            self.at += 1;
            return Ok(self.add(Shape::Alias(meant), None, remarks));
        }
        let (mut anchor, mut tag) = (None, None);
        for _ in 0..2 {
            match self.look() {
                Kind::Anchor(name) if anchor.is_none() => anchor = Some(name.clone()),
                Kind::Tag(name) if tag.is_none() => tag = Some(long_tag(name)),
                _ => break,
            }
            self.at += 1;
        }
        let bare = anchor.is_none() && tag.is_none();
        let kind = self.look();
        let id = match kind {
            Kind::Dash if dashes => {
                let id = self.add(Shape::List(Vec::new()), tag, <[Words; 3]>::default());
                self.name(anchor, id);
                self.dashes(id)?;
                return Ok(id);
            }
            Kind::Scalar(which) => {
                let scalar = self.scalars.list.get(*which).ok_or_else(|| self.lost())?;
                let remarks = self.take();
                self.at += 1;
                let (text, plain) = (scalar.text.clone(), scalar.style == Style::Plain);
                self.add(Shape::Scalar { text, plain }, tag, remarks)
            }
            Kind::FlowList | Kind::FlowMap => {
                let remarks = self.take();
                let list = *kind == Kind::FlowList;
                let shape = if list { Shape::List(Vec::new()) } else { Shape::Map(Vec::new()) };
                self.add(shape, tag, remarks)
            }
            Kind::BlockList | Kind::BlockMap if block => {
                let list = *kind == Kind::BlockList;
                let shape = if list { Shape::List(Vec::new()) } else { Shape::Map(Vec::new()) };
                let head = self.stem.take().unwrap_or_default();
                self.add(shape, tag, [head, Words::default(), Words::default()])
            }
            _ if !bare => {
                self.add(Shape::Scalar { text: Words::default(), plain: true }, tag, <[Words; 3]>::default())
            }
            _ => return Err(self.lost()),
        };
        // Named before what is inside is read, as its own alias would see it.
        self.name(anchor, id);
        match kind {
            Kind::BlockList => self.block_list(id)?,
            Kind::BlockMap => self.block_map(id)?,
            Kind::FlowList => self.flow_list(id)?,
            Kind::FlowMap => self.flow_map(id)?,
            _ => {}
        }
        Ok(id)
    }

    fn name(&mut self, anchor: Option<String>, id: Id) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
    }

    fn push(&mut self, list: Id, item: Id) {
        if let Some(Part { shape: Shape::List(items), .. }) = self.all.get_mut(list) {
            items.push(item);
        }
    }

    /// Adds a pair; what is below the value belongs to the key, where that has nothing yet.
    fn pair(&mut self, map: Id, key: Id, value: Id) {
        if self.all.get(key).is_some_and(|key| key.foot.is_empty()) {
            let foot =
                self.all.get_mut(value).map(|value| std::mem::take(&mut value.foot)).unwrap_or_default();
            self.set_foot(key, foot);
        }
        if let Some(Part { shape: Shape::Map(pairs), .. }) = self.all.get_mut(map) {
            pairs.push((key, value));
        }
    }

    fn end(&mut self, id: Id, line: Words, foot: Words) {
        if let Some(part) = self.all.get_mut(id) {
            (part.line, part.foot) = (line, foot);
        }
    }

    fn set_foot(&mut self, id: Id, foot: Words) {
        if let Some(part) = self.all.get_mut(id) {
            part.foot = foot;
        }
    }
}
