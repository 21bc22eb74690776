//! Scalars as go-yaml v3 writes them: plain where that is safe, else in the quotes or the block that it chooses.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secrets::number::yaml_float;
use crate::secrets::scalar::{Leaf, yaml};

/// A line of base64 is so long.
const BASE64_LINE: usize = 70;

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// A scalar and how it is written.
pub(super) struct Word<'t> {
    pub(super) text: Bytes<'t>,
    pub(super) style: Style,
    /// The tag in front of it: of bytes that are no text, and of `<<`, which else merges maps. Empty for none.
    pub(super) tag: &'static str,
    /// True for text with line ends.
    pub(super) lines: bool,
}

/// Borrowed, or made here and wiped.
pub(super) enum Bytes<'t> {
    Borrowed(&'t [u8]),
    Made(Zeroizing<Vec<u8>>),
}

impl Bytes<'_> {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl<'t> Word<'t> {
    /// A value's scalar.
    pub(super) fn of(leaf: &'t Leaf) -> Self {
        let made = match leaf {
            Leaf::Text(bytes) => return Self::text(bytes.expose()),
            Leaf::Null => "null".to_owned(),
            Leaf::Int(value) => value.to_string(),
            Leaf::Float(value) => yaml_float(*value),
            Leaf::Bool(value) => value.to_string(),
            Leaf::Time(time) => time.nanoseconds(),
        };
        let text = Bytes::Made(Zeroizing::new(made.into_bytes()));
        Self { text, style: Style::Plain, tag: "", lines: false }
    }

    /// Text; quoted where it would read as something else.
    pub(super) fn text(bytes: &'t [u8]) -> Self {
        let Ok(words) = std::str::from_utf8(bytes) else { return Self::binary(bytes) };
        let shape = Traits::of(words);
        let style = if bytes.contains(&b'\n') {
            // For a tab at the start of a block, sops writes `null`.
            if shape.block && !words.starts_with('\t') { Style::Literal } else { Style::Double }
        } else if reads_as_other(words) {
            Style::Double
        } else if shape.plain {
            Style::Plain
        } else if shape.single {
            Style::Single
        } else {
            Style::Double
        };
        let tag = if words == "<<" { "!!merge" } else { "" };
        Self { text: Bytes::Borrowed(bytes), style, tag, lines: shape.lines }
    }

    fn binary(bytes: &[u8]) -> Self {
        let encoded = Zeroizing::new(STANDARD.encode(bytes).into_bytes());
        let (text, style) = if encoded.len() < BASE64_LINE {
            (encoded, Style::Plain)
        } else {
            let lines = encoded.chunks(BASE64_LINE).flat_map(|line| line.iter().chain(b"\n"));
            (Zeroizing::new(lines.copied().collect()), Style::Literal)
        };
        Self { text: Bytes::Made(text), style, tag: "!!binary", lines: style == Style::Literal }
    }
}

/// True for text that YAML 1.1 or 1.2 takes for no text.
fn reads_as_other(words: &str) -> bool {
    const OLD_BOOLEANS: [&str; 16] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    OLD_BOOLEANS.contains(&words) || !matches!(yaml(words), Leaf::Text(_)) || is_base_60(words)
}

/// `1:30:00.5`, a number in YAML 1.1.
fn is_base_60(words: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let loose = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let words = words.strip_prefix(['+', '-']).unwrap_or(words);
    if !words.starts_with(|letter: char| letter.is_ascii_digit()) {
        return false;
    }
    let Some((first, rest)) = words.split_once(':') else { return false };
    let (rest, fraction) = rest.split_once('.').map_or((rest, ""), |(rest, fraction)| (rest, fraction));
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    loose(first) && rest.split(':').all(|part| sixtieth(part) && digits(part)) && loose(fraction)
}

/// In which ways a text may be written, and whether it has several lines.
#[expect(clippy::struct_excessive_bools, reason = "four independent answers about one text")]
struct Traits {
    plain: bool,
    single: bool,
    block: bool,
    lines: bool,
}

impl Traits {
    fn of(words: &str) -> Self {
        if words.is_empty() {
            return Self { plain: true, single: true, block: false, lines: false };
        }
        // Most words; nothing of what follows is true of them.
        let simple =
            |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'/' | b'+' | b'=');
        if words.bytes().all(simple) {
            return Self { plain: true, single: true, block: true, lines: false };
        }
        let letters = || words.chars();
        let marker = words.starts_with("---") || words.starts_with("...");
        let special = letters().any(|letter| letter != '\t' && !is_printable(letter));
        let tabs = words.contains('\t');
        let lines = letters().any(is_break);
        let pairs = || letters().zip(letters().skip(1));
        let break_space = pairs().any(|(left, right)| is_break(left) && right == ' ');
        let space_break = pairs().any(|(left, right)| left == ' ' && is_break(right));
        let edge = |letter: Option<char>| letter.is_some_and(|letter| letter == ' ' || is_break(letter));
        let edges = edge(letters().next()) || edge(letters().next_back());
        let single = !(break_space || space_break || tabs || special);
        Self {
            plain: single && !edges && !lines && !marker && !has_indicator(words),
            single,
            block: !(words.ends_with(' ') || space_break || special),
            lines,
        }
    }
}

/// True for signs that mean something outside of quotes.
fn has_indicator(words: &str) -> bool {
    let mut before = None;
    let mut letters = words.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends = letters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
        let blank =
            before.is_none_or(|before| matches!(before, ' ' | '\t') || is_break(before) || before == '\0');
        let found = match letter {
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                before.is_none()
            }
            '?' | '-' => before.is_none() && ends,
            ':' => ends,
            '#' => blank,
            _ => false,
        };
        if found {
            return true;
        }
        before = Some(letter);
    }
    false
}

pub(super) const fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What go-yaml writes as it is; it takes everything outside of the basic plane for unprintable.
fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && letter != '\u{feff}'
}

/// How a letter is written between double quotes.
pub(super) fn escaped(letter: char) -> Option<Cow<'static, str>> {
    let short = match letter {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        letter if is_printable(letter) => return None,
        letter => {
            let code = u32::from(letter);
            return Some(Cow::Owned(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            }));
        }
    };
    Some(Cow::Borrowed(short))
}
