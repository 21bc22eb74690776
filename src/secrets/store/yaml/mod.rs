//! The YAML store: text ↔ tree with its comments, as sops 3.13.2 reads and writes it by way of go-yaml v3.

mod branch;
mod cursor;
mod emit;
mod lay;
mod parts;
mod remarks;
mod scalars;
mod splice;
mod tokens;
mod words;

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use self::branch::Branches;
use self::emit::Emitter;
use self::lay::Laid;
use self::parts::Parts;
use self::scalars::Scalars;
pub(in crate::secrets) use self::splice::{Change, node_at};
pub(super) use self::splice::{resectioned, spliced};
use self::tokens::{Lost, Scanner};
use super::out::written;
use super::{File, Indent, take};
use crate::secrets::document::FILE_CAP;
use crate::secrets::error::SecretError;
use crate::secrets::tree::Node;
use crate::secrets::value::SecretBytes;
use crate::source::{Limits, Problem, Source, Span, parse_hearing};

/// Reads YAML, encrypted or clear.
///
/// # Errors
/// What is no YAML, a key twice or without quotes though it is no text, too much of it, or two readings that differ.
pub(super) fn read(bytes: &[u8]) -> Result<File, SecretError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SecretError::Syntax("is not UTF-8 text".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let letters = letters(text);
    let at = |byte: usize, what: &str| {
        let (line, column) = Source::new("line", text).line_column(byte);
        SecretError::Syntax(format!("line {line} column {column}: {what}"))
    };
    let scalars =
        scalars(text, &letters).map_err(|problem| at(problem.span.start, problem.message.as_str()))?;
    let wrong =
        |index: usize, what: &str| at(letters.iter().take(index).map(|letter| letter.len_utf8()).sum(), what);
    let odd = |letter: &char| matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}');
    // None of them is ASCII, as most texts are throughout.
    let found = if text.is_ascii() { None } else { letters.iter().position(odd) };
    if let Some(index) = found {
        return Err(wrong(
            index,
            "a line end of Unicode, which only some YAML readers know (write it as `\\N`, `\\L` or `\\P` in double quotes)",
        ));
    }
    let lost =
        |Lost(index): Lost| wrong(index, "is written in a way that YAML readers understand differently");
    let (tokens, remarks) = Scanner::scan(&letters, &scalars).map_err(lost)?;
    let mut parts = Parts::new(&tokens, remarks, &scalars);
    let mut found = Vec::new();
    while let Some(document) = parts.document().map_err(lost)? {
        found.push(document);
    }
    let mut branches = Branches::new(&parts.all);
    let mut file = File { documents: Vec::new(), metadata: None };
    for (index, document) in found.iter().enumerate() {
        let mut entries = branches.document(document)?;
        let metadata = take(&mut entries, "sops");
        if index == 0 {
            file.metadata = metadata;
        }
        file.documents.push(entries);
    }
    if file.documents.is_empty() {
        return Err(SecretError::Metadata("it is empty".to_owned()));
    }
    Ok(file)
}

/// The characters of a text; there is room for all of them before the first, so that no copy is left behind.
fn letters(text: &str) -> Zeroizing<Vec<char>> {
    let mut letters = Zeroizing::new(Vec::with_capacity(text.len()));
    if text.is_ascii() {
        letters.extend(text.bytes().map(char::from));
    } else {
        letters.extend(text.chars());
    }
    letters
}

/// Most brackets that are mended; each needs one more reading.
const MOST_MENDED: usize = 100;

/// What the scalars of a text hold, which is read as the parser of the crate takes it, with every character in its place.
///
/// What is `a: {} # comment` in a clear file, sops writes with the comment between the brackets and the closing one in
/// the column of the key, where YAML does not allow it. Such a comment is blanked out.
fn scalars(text: &str, letters: &[char]) -> Result<Scalars, Problem> {
    let limits = Limits { bytes: FILE_CAP, ..Limits::default() };
    let mut again: Option<Zeroizing<String>> = None;
    for left in (0..MOST_MENDED).rev() {
        let parsed = again.as_ref().map_or(text, |mended| mended.as_str());
        let source = Source::new("line", parsed);
        let mut scalars = Scalars::default();
        match parse_hearing(&source, limits, &mut |event, range| scalars.hear(event, range, letters)) {
            // Of such escapes the crate makes others, which are not as long.
            Ok(_) if text.contains("\\ud") || text.contains("\\uD") => {
                return Scalars::read(parsed, letters).map_err(|index| {
                    let at = letters.iter().take(index).map(|letter| letter.len_utf8()).sum();
                    source.problem(Span { start: at, end: at }, "cannot be read")
                });
            }
            Ok(_) => return Ok(scalars),
            Err(problem) if left == 0 => return Err(problem),
            Err(problem) => again = Some(mended(parsed, problem.span.start).ok_or(problem)?),
        }
    }
    Ok(Scalars::default())
}

/// The text with blanks from an opening bracket, over comments, to the closing one at `at`.
fn mended(text: &str, at: usize) -> Option<Zeroizing<String>> {
    let (before, after) = text.split_at_checked(at)?;
    let open = if after.starts_with('}') { '{' } else { after.starts_with(']').then_some('[')? };
    let mut start = before.len();
    while let Some(end) = before.get(..start)?.trim_end_matches([' ', '\t']).strip_suffix(['\n', '\r']) {
        let line = end.rfind('\n').map_or(0, |at| at + 1);
        if !end.get(line..)?.trim_start().starts_with('#') {
            start = end.strip_suffix('\r').unwrap_or(end).len();
            break;
        }
        start = line;
    }
    let (kept, blanked) = before.split_at_checked(start)?;
    if !kept.ends_with(open) || blanked.is_empty() {
        return None;
    }
    let blanks = blanked.chars().map(|_| ' ');
    Some(Zeroizing::new(kept.chars().chain(blanks).chain(after.chars()).collect()))
}

/// Writes a list or map by itself, as sops prints one that it takes out of a file.
pub(super) fn write_value(node: &Node) -> Result<SecretBytes, SecretError> {
    let laid = Laid::node(node);
    written(|out| {
        Emitter::new(out, 4, false).document(&laid, true);
        Ok(())
    })
}

/// Writes YAML; the metadata stands at the end of every document. A file with metadata is stored and read again: in it
/// the few texts are in double quotes for which sops would write what nothing reads.
pub(super) fn write(file: &File, indent: Indent) -> Result<SecretBytes, SecretError> {
    let last = file.metadata.as_ref().map(|metadata| ("sops", metadata));
    let laid: Vec<Laid<'_>> = file.documents.iter().map(|entries| Laid::map(entries, last)).collect();
    let step = match indent {
        Indent::Default => 4,
        Indent::Blanks(count @ 2..=9) => count,
        Indent::Blanks(_) => 2,
    };
    written(|out| {
        let mut emitter = Emitter::new(out, step, last.is_some());
        for (index, document) in laid.iter().enumerate() {
            emitter.document(document, index == 0);
        }
        Ok(())
    })
}
