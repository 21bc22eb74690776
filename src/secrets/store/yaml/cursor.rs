//! A place in the text that counts lines as go-yaml does.

/// The range of bytes that is looked through for a comment; go-yaml's reading ahead ends there too.
pub(super) const FAR: usize = 512;

/// A place: characters from the start, line and column from 0.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A place that moves forward over a text.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t [char],
    pub(super) mark: Mark,
    /// Line ends since the last character that is neither a blank nor a line end.
    pub(super) newlines: usize,
}

impl Cursor<'_> {
    /// The character so far ahead; nothing behind the end.
    pub(super) fn ahead(&self, distance: usize) -> Option<char> {
        self.text.get(self.mark.index + distance).copied()
    }

    /// One character on; a CR LF is one.
    pub(super) fn advance(&mut self) {
        match self.ahead(0) {
            None => {}
            Some('\r') if self.ahead(1) == Some('\n') => self.next_line(2),
            Some('\r' | '\n') => self.next_line(1),
            Some(other) => {
                if !is_blank(other) {
                    self.newlines = 0;
                }
                self.mark.index += 1;
                self.mark.column += 1;
            }
        }
    }

    fn next_line(&mut self, characters: usize) {
        self.mark.index += characters;
        self.mark.column = 0;
        self.mark.line += 1;
        self.newlines += 1;
    }

    /// On to a place further on.
    pub(super) fn advance_to(&mut self, index: usize) {
        let words = self.text.get(self.mark.index..index.min(self.text.len())).unwrap_or_default();
        // Mostly a value in one line, and mostly a long one: looked through to its end, several letters are looked at at once.
        if !words.iter().fold(false, |found, letter| found | matches!(letter, '\r' | '\n')) {
            if words.iter().any(|letter| !is_blank(*letter)) {
                self.newlines = 0;
            }
            self.mark.index += words.len();
            self.mark.column += words.len();
        }
        while self.mark.index < index.min(self.text.len()) {
            self.advance();
        }
    }

    /// True before a line end or at the end of the text.
    pub(super) fn at_line_end(&self) -> bool {
        ends_line(self.ahead(0))
    }
}

pub(super) fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

/// True for a line end and for nothing.
pub(super) fn ends_line(letter: Option<char>) -> bool {
    matches!(letter, None | Some('\r' | '\n'))
}

/// True for a blank, a line end and for nothing.
pub(super) fn ends_word(letter: Option<char>) -> bool {
    ends_line(letter) || letter.is_some_and(is_blank)
}
