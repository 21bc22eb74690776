//! A text without any character beyond ASCII, as most are, for the parser: it asks several times about each character, and
//! here each of them is one byte, which is not decoded first.

use saphyr_parser::Input;

/// How far the parser looks ahead at most, and how many characters it takes at a time; as it has it for other texts.
const AHEAD: usize = 128;

/// What of the text is not read yet.
pub(super) struct Ascii<'t> {
    rest: &'t [u8],
    /// So far the parser wanted to look; all of the text is there, and zeros are behind it.
    seen: usize,
}

impl<'t> Ascii<'t> {
    /// The text, where every character of it is ASCII.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        text.is_ascii().then_some(Self { rest: text.as_bytes(), seen: 0 })
    }
}

impl Input for Ascii<'_> {
    #[inline]
    fn lookahead(&mut self, count: usize) {
        self.seen = self.seen.max(count);
    }

    #[inline]
    fn buflen(&self) -> usize {
        self.seen
    }

    #[inline]
    fn bufmaxlen(&self) -> usize {
        AHEAD
    }

    #[inline]
    fn raw_read_ch(&mut self) -> char {
        let first = self.peek();
        self.skip();
        first
    }

    #[inline]
    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let first = self.peek_opt().filter(|letter| !matches!(letter, '\0' | '\r' | '\n'))?;
        self.skip();
        Some(first)
    }

    #[inline]
    fn skip(&mut self) {
        self.skip_n(1);
    }

    #[inline]
    fn skip_n(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    #[inline]
    fn peek(&self) -> char {
        self.peek_nth(0)
    }

    #[inline]
    fn peek_nth(&self, n: usize) -> char {
        self.rest.get(n).map_or('\0', |byte| char::from(*byte))
    }

    #[inline]
    fn peek_opt(&self) -> Option<char> {
        self.rest.first().map(|byte| char::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr_parser::{Event, Parser, ScanError, Span};

    use super::*;

    /// What the parser says of a text: of one that it does not understand, where that begins.
    type Heard<'t> = Result<Vec<(Event<'t>, Span)>, ScanError>;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn the_parser_hears_of_it_what_it_hears_of_any_text(
            text in "([\\[\\]{}:,&*!|>'\"\\\\a-cxuU0-9 \n\t\r\0#?<%@`~+.-]|: |- |\n  |---|\\.\\.\\.|\n\n|[ -~]{10}){0,60}",
        ) {
            let heard: Heard<'_> = Parser::new(Ascii::of(&text).expect("ASCII")).collect();
            let expected: Heard<'_> = Parser::new_from_str(&text).collect();
            prop_assert_eq!(heard, expected);
        }
    }

    #[test]
    fn lines_that_are_longer_than_it_looks_ahead_are_heard_as_any() {
        let long = "a b:c#d ".repeat(100);
        for text in [
            format!("k: {long}\nl: '{long}'\nm: \"{long}\"\nn: |\n  {long}\n  {long}\n"),
            format!("{}k: >-\n{}{long}\n", " ".repeat(200), " ".repeat(300)),
            format!("k: |\n{}{long}\n{}x\n", " ".repeat(300), " ".repeat(300)),
        ] {
            let heard: Heard<'_> = Parser::new(Ascii::of(&text).expect("ASCII")).collect();
            let expected: Heard<'_> = Parser::new_from_str(&text).collect();
            assert!(expected.is_ok(), "{expected:?}");
            assert_eq!(heard, expected);
        }
        assert!(Ascii::of("\u{e9}").is_none());
    }
}
