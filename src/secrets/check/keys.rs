//! Private keys in files that are not encrypted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;
use zeroize::Zeroizing;

/// An age identity, or the head of a PEM private key with some of what belongs under it; words in documents about keys
/// are neither.
const KEY: &str = r"(?-u)AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{40}|-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?s:.{0,200}?)[A-Za-z0-9+/]{40}";
static KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEY).ok());

/// How much is looked at once, and how much of it again with what follows: more than any match is long.
const CHUNK: usize = 1 << 20;
const AGAIN: usize = 512;

/// The lines on which private keys begin, from 1.
pub(super) fn lines(path: &Path) -> io::Result<Vec<usize>> {
    let Some(keys) = KEYS.as_ref() else { return Ok(Vec::new()) };
    let mut file = File::open(path)?;
    let mut chunk = Zeroizing::new(vec![0_u8; CHUNK]);
    let (mut kept, mut before, mut found) = (0, 1, Vec::new());
    loop {
        let read = fill(&mut file, chunk.get_mut(kept..).unwrap_or_default())?;
        let text = chunk.get(..kept + read).unwrap_or_default();
        let last = read == 0 || text.len() < CHUNK;
        // A match that begins in what is looked at again is found then.
        let until = if last { text.len() } else { text.len().saturating_sub(AGAIN) };
        for key in keys.find_iter(text).filter(|key| key.start() < until) {
            found.push(before + newlines(text.get(..key.start()).unwrap_or_default()));
        }
        if last {
            found.dedup();
            return Ok(found);
        }
        before += newlines(text.get(..until).unwrap_or_default());
        let length = text.len();
        chunk.copy_within(until..length, 0);
        kept = length - until;
    }
}

fn newlines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count().saturating_sub(1)
}

fn fill(file: &mut File, mut into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while !into.is_empty() {
        match file.read(into) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                into = into.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &[u8]) -> Vec<usize> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        lines(file.path()).unwrap()
    }

    #[test]
    fn keys_are_found_by_line_and_words_about_keys_are_not() {
        let age = format!("AGE-SECRET-{}1{}", "KEY-", "Q".repeat(58));
        let pem = format!("-----BEGIN OPENSSH {}-----\n{}\n", "PRIVATE KEY", "b3Blbn".repeat(12));
        assert_eq!(lines_of(format!("# a\n{age}\n\n{pem}").as_bytes()), [2, 4]);
        let escaped = pem.replace('\n', "\\n");
        assert_eq!(lines_of(format!("{{\"key\": \"{escaped}\"}}").as_bytes()), [1]);
        let words = "`AGE-SECRET-KEY-1...` or `-----BEGIN RSA PRIVATE KEY-----`, a file\n".repeat(9);
        assert_eq!(lines_of(words.as_bytes()), [0_usize; 0]);
    }

    #[test]
    fn a_key_is_found_wherever_the_chunks_end() {
        let age = format!("AGE-SECRET-{}1{}", "KEY-", "Q".repeat(58));
        for at in [CHUNK - AGAIN - 1, CHUNK - AGAIN, CHUNK - 30, CHUNK, 2 * CHUNK - AGAIN - 40] {
            let text =
                [&b"x\n".repeat(at / 2)[..], age.as_bytes(), &b"\n"[..], &b"y\n".repeat(CHUNK)[..]].concat();
            assert_eq!(lines_of(&text), [at / 2 + 1], "{at}");
        }
    }
}
