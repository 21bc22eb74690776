//! The INI store, with the habits of the library that sops uses: a section `DEFAULT` stands first, values may be quoted
//! or go on in the next line, and a comment belongs to what follows it.

mod splice;
mod write;

use std::collections::HashSet;
use std::ops::Range;

use zeroize::Zeroizing;

use self::splice::{Pair, Place};
pub(super) use self::splice::{resectioned, spliced};
pub(super) use self::write::write;
use super::out::replaced;
use super::{File, wrong};
use crate::secrets::error::SecretError;
use crate::secrets::flatten::unflatten;
use crate::secrets::scalar::Leaf;
use crate::secrets::tree::{Comment, Entry, Node};
use crate::secrets::value::SecretBytes;

/// The section before the first header.
const DEFAULT: &str = "DEFAULT";
const METADATA: &str = "sops";

/// Reads a file; stricter than sops, which lets the last of two equal keys win.
pub(super) fn read(bytes: &[u8]) -> Result<File, SecretError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| wrong(bytes, error.valid_up_to(), "no UTF-8 text"))?;
    let mut reader = Reader::new(text);
    let mut document = Vec::new();
    let mut metadata = None;
    for (name, entries) in reader.sections()? {
        if name != METADATA {
            document.push(Entry::Pair(name, Node::Map(entries)));
        } else if metadata.replace(flat(entries)?).is_some() {
            return Err(SecretError::Metadata("it has two `sops` sections".to_owned()));
        }
    }
    Ok(File { documents: vec![document], metadata })
}

/// The metadata; line breaks in it are written as a backslash and an `n`.
fn flat(entries: Vec<Entry>) -> Result<Node, SecretError> {
    let pairs = entries.into_iter().filter_map(|entry| match entry {
        Entry::Pair(key, Node::Leaf(Leaf::Text(value))) => {
            Some((key, replaced(value.expose(), b"\\n", b"\n")))
        }
        _ => None,
    });
    unflatten(pairs.collect()).map_err(SecretError::Metadata)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// Where the line that is being read begins.
    line: usize,
    /// Comments that wait for what they belong to.
    comment: Zeroizing<String>,
    /// Where the first of them starts.
    above: Option<usize>,
    /// Where the sign of the last key stands, and its value.
    sign: usize,
    value: Range<usize>,
    /// Where everything stands that was read.
    places: Vec<Place>,
}

type Sections = Vec<(String, Vec<Entry>)>;

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let first = Place { name: DEFAULT.to_owned(), header: at..at, pairs: Vec::new() };
        let (comment, places) = (Zeroizing::default(), vec![first]);
        Self { text, at, line: at, comment, above: None, sign: at, value: at..at, places }
    }

    fn wrong(&self, what: &str) -> SecretError {
        wrong(self.text.as_bytes(), self.line, what)
    }

    /// The next line with its line break.
    fn next(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        self.line = self.at;
        self.at += length;
        rest.get(..length)
    }

    fn sections(&mut self) -> Result<Sections, SecretError> {
        let (mut done, mut name, mut entries) = (Vec::new(), DEFAULT.to_owned(), Vec::new());
        let mut seen = HashSet::new();
        while let Some(line) = self.next() {
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            if line.starts_with(['#', ';']) {
                self.comment.push_str(line);
                self.above.get_or_insert(self.line);
                continue;
            }
            if let Some(inside) = line.strip_prefix('[') {
                let (header, behind) =
                    inside.rsplit_once(']').ok_or_else(|| self.wrong("a section without `]`"))?;
                if header.is_empty() {
                    return Err(self.wrong("a section without a name"));
                }
                let header_at = self.above.unwrap_or(self.line)..self.at;
                self.places.push(Place { name: header.to_owned(), header: header_at, pairs: Vec::new() });
                self.behind(behind)?;
                done.push((std::mem::replace(&mut name, header.to_owned()), std::mem::take(&mut entries)));
                seen.clear();
                entries.extend(self.waiting());
                continue;
            }
            let start = self.line;
            let (key, value) = self.pair(line)?;
            if !seen.insert(key.clone()) {
                let twice = format!("the key `{key}` stands twice in section `{name}`");
                return Err(wrong(self.text.as_bytes(), start, &twice));
            }
            self.placed(&key, start);
            entries.push(Entry::Pair(key, Node::Leaf(Leaf::Text(value))));
            entries.extend(self.waiting());
        }
        done.push((name, entries));
        Ok(done)
    }

    /// Keeps where the key that was just read stands.
    fn placed(&mut self, key: &str, start: usize) {
        let lines = self.above.unwrap_or(start)..self.at;
        let pair = Pair { key: key.to_owned(), lines, start, sign: self.sign, value: self.value.clone() };
        if let Some(place) = self.places.last_mut() {
            place.pairs.push(pair);
        }
    }

    /// What stands behind a section's header or the closing quotes of a value: a comment or nothing.
    fn behind(&mut self, rest: &str) -> Result<(), SecretError> {
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            return Err(self.wrong("text behind the end of a header or of a value in quotes"));
        }
        self.comment.push_str(rest);
        Ok(())
    }

    /// The comment that waits, without the sign of its first line.
    fn waiting(&mut self) -> Option<Entry> {
        self.above = None;
        let comment = std::mem::take(&mut self.comment);
        let text = comment.trim();
        let text = match text.chars().next() {
            None => return None,
            Some(';') => text.trim_start_matches([';', ' ']),
            Some('#') => text.trim_start_matches(['#', ' ']),
            Some(_) => text,
        };
        let text = SecretBytes::new(text.as_bytes().to_vec());
        Some(Entry::Comment(Comment { text, inline: false }))
    }

    fn pair(&mut self, line: &str) -> Result<(String, SecretBytes), SecretError> {
        let quote = ["\"\"\"", "\"", "`"].into_iter().find(|quote| line.starts_with(quote));
        // A line of nothing but three quotes is too short to be a key in them.
        let quote = quote.map(|quote| if quote.len() == 3 && line.len() <= 6 { "\"" } else { quote });
        let (key, rest) = if let Some(quote) = quote {
            let inside = line.get(quote.len()..).unwrap_or_default();
            let parts = inside.split_once(quote);
            let (key, rest) = parts.ok_or_else(|| self.wrong("a key without its closing quote"))?;
            let sign = rest.find(['=', ':']).ok_or_else(|| self.wrong("a key without a value"))?;
            if !rest.get(..sign).unwrap_or_default().trim().is_empty() {
                return Err(self.wrong("text behind a key in quotes"));
            }
            (key, rest.get(sign + 1..))
        } else {
            let sign =
                line.find(['=', ':']).ok_or_else(|| self.wrong("neither a comment nor `key = value`"))?;
            (line.get(..sign).unwrap_or_default(), line.get(sign + 1..))
        };
        match key.trim() {
            "" => Err(self.wrong("a key without a name")),
            "-" => Err(self.wrong("the key `-`, which sops would write as a comment")),
            key => {
                let rest = rest.unwrap_or_default();
                self.sign = self.at.saturating_sub(rest.len() + 1);
                Ok((key.to_owned(), self.value(rest)?.into()))
            }
        }
    }

    fn value(&mut self, rest: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let line = rest.trim_start();
        let from = if line.is_empty() { rest.trim_start_matches([' ', '\t']) } else { line };
        let from = self.at.saturating_sub(from.len());
        self.value = from..from + line.trim_end().len();
        let quote = match line {
            _ if line.len() > 3 && line.starts_with("\"\"\"") => Some("\"\"\""),
            _ if line.starts_with('`') => Some("`"),
            _ => None,
        };
        if let Some(quote) = quote {
            let inside = line.get(quote.len()..).unwrap_or_default();
            let Some((value, behind)) = inside.rsplit_once(quote) else { return self.lines(inside, quote) };
            self.value.end = self.at.saturating_sub(behind.len());
            let behind = behind.trim();
            if !behind.is_empty() && !behind.starts_with(['#', ';']) {
                return Err(self.wrong("text behind a value in quotes"));
            }
            return Ok(bytes(value));
        }
        let line = line.trim();
        if let Some(begun) = line.strip_suffix('\\') {
            return Ok(self.continued(begun));
        }
        let line = match line.find(['#', ';']) {
            None => line,
            Some(at) => {
                self.comment.push_str(line.get(at..).unwrap_or_default());
                let line = line.get(..at).unwrap_or_default().trim();
                self.value.end = self.value.start + line.len();
                line
            }
        };
        let unquoted = ['"', '\''].into_iter().find_map(|quote| {
            let inside = line.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inside.contains(quote)).then_some(inside)
        });
        Ok(bytes(unquoted.unwrap_or(line)))
    }

    /// A value in quotes that end in a later line.
    fn lines(&mut self, begun: &str, quote: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let start = self.line;
        // Never longer than what is left, so that it never moves.
        let left = self.text.len().saturating_sub(self.at);
        let mut value = Zeroizing::new(Vec::with_capacity(begun.len() + left));
        value.extend_from_slice(begun.as_bytes());
        while let Some(line) = self.next() {
            let Some((last, behind)) =
                line.rsplit_once(quote).filter(|(_, behind)| !behind.trim().ends_with('\\'))
            else {
                value.extend_from_slice(line.as_bytes());
                continue;
            };
            value.extend_from_slice(last.as_bytes());
            self.value.end = self.at.saturating_sub(behind.len());
            self.behind(behind)?;
            return Ok(value);
        }
        Err(wrong(self.text.as_bytes(), start, "a value in quotes without an end"))
    }

    /// A value that a backslash at the end of a line continues.
    fn continued(&mut self, begun: &str) -> Zeroizing<Vec<u8>> {
        let left = self.text.len().saturating_sub(self.at);
        let mut value = Zeroizing::new(Vec::with_capacity(begun.len() + left));
        value.extend_from_slice(begun.as_bytes());
        while let Some(line) = self.next() {
            let whole = line.trim_end().len();
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            self.value.end = self.line + whole;
            value.extend_from_slice(line.as_bytes());
            if value.pop_if(|last| *last == b'\\').is_none() {
                break;
            }
        }
        value
    }
}

fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Result<String, String> {
        let file = read(text.as_bytes()).map_err(|error| error.to_string())?;
        let written = write(&file).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(written.expose().to_vec()).expect("text"))
    }

    #[test]
    fn quotes_comments_and_continued_lines_come_out_as_sops_writes_them() {
        for (given, expected) in [
            ("", ""),
            ("top=1\n[a]\nk:v\n", "top = 1\n\n[a]\nk = v\n"),
            ("[a]\nlong=1\nb='x'\nc=\"y\"\nd=\n", "[a]\nlong = 1\nb    = x\nc    = y\nd    = \n"),
            ("; s\n[a]\n# k\n; l\nk=v ; i\n", "; s\n[a]\n; k\n; l\n; i\nk = v\n"),
            (
                "[a]\nk=\"\"\"x\ny\"\"\"\nl=` p `\nm=`#;`\n",
                "[a]\nk = \"\"\"x\ny\"\"\"\nl = \" p \"\nm = `#;`\n",
            ),
            ("[a]\nk=x\\\n  y\\\nz\n`a=b`=1\n", "[a]\nk     = xyz\n`a=b` = 1\n"),
            ("[a]\nk=1\n[a]\nk=2\n[DEFAULT]\n", "[a]\nk = 1\n\n[a]\nk = 2\n\n[DEFAULT]\n"),
        ] {
            assert_eq!(round(given).as_deref(), Ok(expected), "{given:?}");
        }
    }

    #[test]
    fn what_is_refused_is_named_by_its_line_and_never_by_its_text() {
        for bad in [
            "[a]\nCANARY\n",
            "[a]\nk=1\nk=CANARY\n",
            "[a]\n=CANARY\n",
            "[a]\n-=CANARY\n",
            "[a\n",
            "[]\n",
            "[a]\nk=`CANARY` CANARY\n",
            "[a]\nk=`CANARY\nx\n",
            "[a] CANARY\n",
            "[a]\n\"CANARY = x\n",
        ] {
            let said = round(bad).expect_err(bad);
            assert!(said.starts_with("line ") && !said.contains("CANARY"), "{bad:?}: {said}");
        }
    }
}
