//! Text → tokens as go-yaml v3 sees them, with the comments between them.
//!
//! The YAML parser of the crate has read the text before: it says what the scalars hold and refuses what is no YAML.
//! Here only the places of indicators and the levels of indentation are found, because comments hang on them.

mod scalar;

use zeroize::Zeroizing;

use super::cursor::{Cursor, Mark, ends_word, is_blank};
use super::remarks::{Remark, Side};
use super::scalars::Scalars;

/// A key may stand so far before its colon.
const KEY_REACH: usize = 1024;

/// What a token is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    DocumentStart,
    DocumentEnd,
    BlockList,
    BlockMap,
    BlockEnd,
    FlowList,
    FlowListEnd,
    FlowMap,
    FlowMapEnd,
    Dash,
    Comma,
    Key,
    Colon,
    Alias(String),
    Anchor(String),
    Tag(String),
    /// Which of the scalars.
    Scalar(usize),
    End,
}

/// A token and its characters; one that is not written has none.
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A token that may turn out to be a key.
struct Candidate {
    /// Its position among the tokens.
    token: usize,
    mark: Mark,
}

/// A text on its way to tokens.
pub(super) struct Scanner<'t> {
    pub(super) cursor: Cursor<'t>,
    pub(super) tokens: Vec<Token>,
    pub(super) remarks: Vec<Remark>,
    /// The column of the open block, -1 outside of all.
    pub(super) indent: isize,
    /// Open brackets.
    pub(super) flow: usize,
    scalars: &'t Scalars,
    next_scalar: usize,
    indents: Vec<isize>,
    key_allowed: bool,
    /// One per open bracket, and one for the block around them.
    candidates: Vec<Option<Candidate>>,
}

/// What cannot be placed: the two readings of the text differ.
pub(super) struct Lost(pub(super) usize);

type Scanned = Result<(), Lost>;

impl<'t> Scanner<'t> {
    /// Every token of `text`, whose scalars are known.
    pub(super) fn scan(text: &'t [char], scalars: &'t Scalars) -> Result<(Vec<Token>, Vec<Remark>), Lost> {
        let mut scanner = Self {
            cursor: Cursor { text, mark: Mark::default(), newlines: 0 },
            tokens: vec![Token { kind: Kind::Start, start: 0, end: 0 }],
            remarks: Vec::new(),
            indent: -1,
            flow: 0,
            scalars,
            next_scalar: 0,
            indents: Vec::new(),
            key_allowed: true,
            candidates: vec![None],
        };
        while scanner.tokens.last().is_some_and(|token| token.kind != Kind::End) {
            scanner.token()?;
        }
        if scanner.next_scalar == scalars.list.len() {
            Ok((scanner.tokens, scanner.remarks))
        } else {
            Err(Lost(text.len()))
        }
    }

    fn token(&mut self) -> Scanned {
        let sought = self.cursor.mark;
        self.skip_to_token(sought);
        let column = isize::try_from(self.cursor.mark.column).unwrap_or(isize::MAX);
        self.unroll(column, sought.index);
        let Some(first) = self.cursor.ahead(0) else {
            self.unroll(-1, self.cursor.mark.index);
            self.push(Kind::End);
            return Ok(());
        };
        if column == 0 && ends_word(self.cursor.ahead(3)) {
            let kind = match [first, self.next(1), self.next(2)] {
                ['-', '-', '-'] => Some(Kind::DocumentStart),
                ['.', '.', '.'] => Some(Kind::DocumentEnd),
                _ => None,
            };
            if let Some(kind) = kind {
                self.document_indicator(kind);
                return Ok(());
            }
        }
        let joins_left = if self.flow == 0 { first == ':' } else { first == ',' };
        let comment_to = match self.tokens.last() {
            Some(last) if joins_left => last.start,
            _ => self.cursor.mark.index,
        };
        self.indicator_or_scalar(first)?;
        // A comment behind a dash belongs to what follows.
        if self.tokens.last().is_some_and(|token| token.kind != Kind::Dash) {
            self.line_remark(comment_to);
        }
        Ok(())
    }

    fn next(&self, far: usize) -> char {
        self.cursor.ahead(far).unwrap_or('\0')
    }

    fn skip_to_token(&mut self, sought: Mark) {
        loop {
            while self.cursor.ahead(0).is_some_and(|letter| is_blank(letter) || letter == '\u{feff}') {
                self.cursor.advance();
            }
            if self.cursor.ahead(0) == Some('#') {
                self.remarks(sought);
            }
            if !matches!(self.cursor.ahead(0), Some('\r' | '\n')) {
                return;
            }
            self.cursor.advance();
            self.key_allowed |= self.flow == 0;
        }
    }

    fn indicator_or_scalar(&mut self, first: char) -> Scanned {
        let alone = ends_word(self.cursor.ahead(1));
        match first {
            '[' => self.open(Kind::FlowList),
            '{' => self.open(Kind::FlowMap),
            ']' => self.close(Kind::FlowListEnd),
            '}' => self.close(Kind::FlowMapEnd),
            ',' if self.flow > 0 => {
                self.forget_candidate();
                self.key_allowed = true;
                self.indicator(Kind::Comma);
            }
            '-' if alone => {
                self.roll(self.cursor.mark.column, None, Kind::BlockList, self.cursor.mark.index);
                self.forget_candidate();
                self.key_allowed = true;
                self.indicator(Kind::Dash);
            }
            '?' if alone => {
                self.roll(self.cursor.mark.column, None, Kind::BlockMap, self.cursor.mark.index);
                self.forget_candidate();
                self.key_allowed = self.flow == 0;
                self.indicator(Kind::Key);
            }
            ':' if alone || self.flow > 0 => self.colon(),
            '*' => self.named(Kind::Alias),
            '&' => self.named(Kind::Anchor),
            '!' => self.named(Kind::Tag),
            _ => return self.scalar(first),
        }
        Ok(())
    }

    fn push(&mut self, kind: Kind) {
        let start = self.cursor.mark.index;
        self.tokens.push(Token { kind, start, end: start });
    }

    fn indicator(&mut self, kind: Kind) {
        self.push(kind);
        self.cursor.advance();
        self.end(self.cursor.mark.index);
    }

    /// The last token ends here.
    fn end(&mut self, index: usize) {
        if let Some(last) = self.tokens.last_mut() {
            last.end = index;
        }
    }

    fn document_indicator(&mut self, kind: Kind) {
        self.unroll(-1, self.cursor.mark.index);
        self.forget_candidate();
        self.key_allowed = false;
        self.push(kind);
        self.cursor.advance_to(self.cursor.mark.index + 3);
        self.end(self.cursor.mark.index);
    }

    fn open(&mut self, kind: Kind) {
        self.save_candidate();
        self.candidates.push(None);
        self.flow += 1;
        self.key_allowed = true;
        self.indicator(kind);
    }

    fn close(&mut self, kind: Kind) {
        if self.flow > 0 {
            self.candidates.pop();
            self.flow -= 1;
        }
        self.key_allowed = false;
        self.indicator(kind);
    }

    fn forget_candidate(&mut self) {
        if let Some(last) = self.candidates.last_mut() {
            *last = None;
        }
    }

    fn save_candidate(&mut self) {
        if self.key_allowed {
            let candidate = Candidate { token: self.tokens.len(), mark: self.cursor.mark };
            if let Some(last) = self.candidates.last_mut() {
                *last = Some(candidate);
            }
        }
    }

    fn colon(&mut self) {
        let mark = self.cursor.mark;
        let candidate = self.candidates.last_mut().and_then(Option::take);
        let reaches =
            |key: &Candidate| key.mark.line == mark.line && key.mark.index + KEY_REACH >= mark.index;
        if let Some(Candidate { token, mark: key }) = candidate.filter(reaches) {
            self.tokens.insert(token, Token { kind: Kind::Key, start: key.index, end: key.index });
            self.roll(key.column, Some(token), Kind::BlockMap, key.index);
            self.key_allowed = false;
        } else {
            self.roll(mark.column, None, Kind::BlockMap, mark.index);
            self.key_allowed = self.flow == 0;
        }
        self.indicator(Kind::Colon);
    }

    /// Opens a block where the column is further to the right than the open one.
    fn roll(&mut self, column: usize, at: Option<usize>, kind: Kind, start: usize) {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.tokens.insert(at.unwrap_or(self.tokens.len()), Token { kind, start, end: start });
    }

    /// Closes the blocks that are further to the right than `column`. The end of a block is put before the comments
    /// that stand in the columns of the blocks around it.
    fn unroll(&mut self, column: isize, sought_from: usize) {
        if self.flow > 0 {
            return;
        }
        // One less than the place itself; nothing starts before 0.
        let mut start = sought_from.saturating_sub(1);
        while self.indent > column {
            let mut stop = start;
            for remark in self.remarks.iter().rev() {
                if remark.end < stop {
                    break;
                }
                if remark.side != Side::Line && isize::try_from(remark.start.column) == Ok(self.indent + 1) {
                    start = remark.start.index;
                }
                stop = remark.sought_from;
            }
            self.tokens.push(Token { kind: Kind::BlockEnd, start, end: start });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }
}

/// The tag as the parser of the crate spells it.
pub(super) fn long_tag(tag: &str) -> String {
    match tag.strip_prefix('!') {
        Some(name) => format!("tag:yaml.org,2002:{name}"),
        None => tag
            .strip_prefix('<')
            .and_then(|tag| tag.strip_suffix('>'))
            .map_or_else(|| format!("!{tag}"), str::to_owned),
    }
}

/// Text of a scalar that is wiped.
pub(super) type Words = Zeroizing<String>;
