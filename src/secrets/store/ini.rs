//! The INI store, with the habits of the library that sops uses: a section `DEFAULT` stands first, values may be quoted
//! or go on in the next line, and a comment belongs to what follows it.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::out::{Out, replaced, written};
use super::{File, wrong};
use crate::secrets::error::SecretError;
use crate::secrets::flatten::{flatten, unflatten};
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
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut reader = Reader { text, at: start, line: start, comment: Zeroizing::default() };
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
}

type Sections = Vec<(String, Vec<Entry>)>;

impl<'t> Reader<'t> {
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
                continue;
            }
            if let Some(inside) = line.strip_prefix('[') {
                let (header, behind) =
                    inside.rsplit_once(']').ok_or_else(|| self.wrong("a section without `]`"))?;
                if header.is_empty() {
                    return Err(self.wrong("a section without a name"));
                }
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
            entries.push(Entry::Pair(key, Node::Leaf(Leaf::Text(value))));
            entries.extend(self.waiting());
        }
        done.push((name, entries));
        Ok(done)
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
            key => Ok((key.to_owned(), self.value(rest.unwrap_or_default())?.into())),
        }
    }

    fn value(&mut self, rest: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let line = rest.trim_start();
        let quote = match line {
            _ if line.len() > 3 && line.starts_with("\"\"\"") => Some("\"\"\""),
            _ if line.starts_with('`') => Some("`"),
            _ => None,
        };
        if let Some(quote) = quote {
            let inside = line.get(quote.len()..).unwrap_or_default();
            let Some((value, behind)) = inside.rsplit_once(quote) else { return self.lines(inside, quote) };
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
                line.get(..at).unwrap_or_default().trim()
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
        while let Some(line) = self.next().map(str::trim).filter(|line| !line.is_empty()) {
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

/// A key, its value and the comment above it.
type Line<'n> = (&'n str, SecretBytes, Option<&'n SecretBytes>);

struct Section<'n> {
    name: &'n str,
    comment: Option<&'n SecretBytes>,
    lines: Vec<Line<'n>>,
}

/// Writes the file: keys aligned, an empty line between sections.
pub(super) fn write(file: &File) -> Result<SecretBytes, SecretError> {
    let document = super::only(file, "INI")?;
    let mut sections = Vec::new();
    for entry in document {
        // Comments between sections have no place; reading never makes any.
        let Entry::Pair(name, node) = entry else { continue };
        let Node::Map(entries) = node else {
            let reason = "is no map, which a section of an INI file must be";
            return Err(SecretError::Key { path: name.clone(), reason });
        };
        sections.push(section(name, entries)?);
    }
    let metadata = file.metadata.as_ref().map(|metadata| flatten(metadata, ""));
    if let Some(flat) = &metadata {
        let line = |(key, leaf): &'_ (String, &Leaf)| {
            let value = replaced(leaf.flat().expose(), b"\n", b"\\n");
            (key.clone(), value)
        };
        let lines: Vec<_> = flat.iter().map(line).collect();
        let lines_of = |out: &mut Out| {
            let lines = lines.iter().map(|(key, value)| (key.as_str(), value.clone(), None)).collect();
            let own = Section { name: METADATA, comment: None, lines };
            put_sections(out, &sections, Some(&own));
            Ok(())
        };
        return written(lines_of);
    }
    written(|out| {
        put_sections(out, &sections, None);
        Ok(())
    })
}

fn section<'n>(name: &'n str, entries: &'n [Entry]) -> Result<Section<'n>, SecretError> {
    let mut found = Section { name, comment: None, lines: Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        match (entry, found.lines.last_mut()) {
            (Entry::Comment(comment), None) if index == 0 => found.comment = Some(&comment.text),
            (Entry::Comment(_), None) => {}
            (Entry::Comment(comment), Some((_, _, above))) => *above = Some(&comment.text),
            (Entry::Pair(key, Node::Leaf(leaf)), _) => found.lines.push((key, leaf.flat(), None)),
            (Entry::Pair(key, _), _) => {
                let reason = "is a map or list, which a section of an INI file cannot hold";
                return Err(SecretError::Key { path: format!("{name}/{key}"), reason });
            }
        }
    }
    Ok(found)
}

fn put_sections(out: &mut Out, sections: &[Section<'_>], last: Option<&Section<'_>>) {
    let count = sections.len() + usize::from(last.is_some());
    for (index, section) in sections.iter().chain(last).enumerate() {
        if let Some(comment) = section.comment {
            put_comment(out, comment, false);
        }
        if index > 0 || !section.name.eq_ignore_ascii_case(DEFAULT) {
            out.put(b"[");
            out.put(section.name.as_bytes());
            out.put(b"]\n");
        } else if section.lines.is_empty() {
            continue;
        }
        let widest = section.lines.iter().map(|(key, ..)| quoted(key).len()).max().unwrap_or(0);
        for (key, value, comment) in &section.lines {
            if let Some(comment) = comment {
                put_comment(out, comment, true);
            }
            let key = quoted(key);
            out.put(key.as_bytes());
            out.repeat(widest.saturating_sub(key.len()), b" ");
            out.put(b" = ");
            put_value(out, value.expose());
            out.put(b"\n");
        }
        if index + 1 < count {
            out.put(b"\n");
        }
    }
}

/// A key in the quotes that it needs.
fn quoted(key: &str) -> String {
    if key.contains(['"', '=', ':']) {
        format!("`{key}`")
    } else if key.contains('`') {
        format!("\"\"\"{key}\"\"\"")
    } else {
        key.to_owned()
    }
}

fn put_value(out: &mut Out, value: &[u8]) {
    let has = |signs: &[u8]| value.iter().any(|byte| signs.contains(byte));
    let trimmed = std::str::from_utf8(value).map_or(value.trim_ascii().len(), |text| text.trim().len());
    let quote: &[u8] = match value {
        _ if has(b"\n`") => b"\"\"\"",
        _ if has(b"#;") => b"`",
        _ if trimmed != value.len() => b"\"",
        _ => b"",
    };
    for part in [quote, value, quote] {
        out.put(part);
    }
}

/// A comment, a sign before each line; `trim` as above a key.
fn put_comment(out: &mut Out, comment: &SecretBytes, trim: bool) {
    if comment.expose().is_empty() {
        return;
    }
    for line in comment.expose().split(|byte| *byte == b'\n') {
        let text = if let [b'#' | b';', text @ ..] = line {
            out.put(line.get(..1).unwrap_or_default());
            text.trim_ascii()
        } else {
            out.put(b";");
            if trim { line.trim_ascii() } else { line }
        };
        out.put(b" ");
        out.put(text);
        out.put(b"\n");
    }
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
