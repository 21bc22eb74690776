//! The dotenv store: a key and a value on each line, nothing is quoted.

mod splice;

use std::collections::HashSet;

pub(super) use self::splice::{resectioned, spliced};
use super::out::{replaced, written};
use super::{File, wrong};
use crate::secrets::error::SecretError;
use crate::secrets::flatten::{flatten, unflatten};
use crate::secrets::scalar::Leaf;
use crate::secrets::tree::{Comment, Entry, Node};
use crate::secrets::value::SecretBytes;

/// What the keys of metadata begin with.
pub(super) const PREFIX: &str = "sops_";

/// Reads a file; stricter than sops, which takes keys twice.
pub(super) fn read(bytes: &[u8]) -> Result<File, SecretError> {
    let (mut document, mut flat, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut at = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let start = at;
        at += line.len() + 1;
        if let Some(text) = line.strip_prefix(b"#") {
            document.push(Entry::Comment(Comment { text: SecretBytes::new(text.to_vec()), inline: false }));
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let Some(sign) = line.iter().position(|byte| *byte == b'=') else {
            return Err(wrong(bytes, start, "neither a comment nor `KEY=value`"));
        };
        let (key, value) = line.split_at(sign);
        let key = std::str::from_utf8(key).map_err(|_| wrong(bytes, start, "a key that is no UTF-8 text"))?;
        if !seen.insert(key) {
            return Err(wrong(bytes, start, &format!("the key `{key}` stands there twice")));
        }
        let value = replaced(value.get(1..).unwrap_or_default(), b"\\n", b"\n");
        match key.strip_prefix(PREFIX) {
            // Some old writers doubled the backslash.
            Some(name) => flat.push((name.to_owned(), replaced(value.expose(), b"\\\n", b"\n"))),
            None => document.push(Entry::Pair(key.to_owned(), Node::Leaf(Leaf::Text(value)))),
        }
    }
    let metadata = if flat.is_empty() { None } else { Some(unflatten(flat).map_err(SecretError::Metadata)?) };
    Ok(File { documents: vec![document], metadata })
}

/// Writes the file.
pub(super) fn write(file: &File) -> Result<SecretBytes, SecretError> {
    let document = super::only(file, "dotenv")?;
    written(|out| {
        for entry in document {
            match entry {
                Entry::Comment(comment) => {
                    out.put(b"#");
                    out.put(comment.text.expose());
                }
                Entry::Pair(key, Node::Leaf(leaf)) => pair(out, key, leaf)?,
                Entry::Pair(key, _) => {
                    return Err(SecretError::Key {
                        path: key.clone(),
                        reason: "is a map or list, which a dotenv file cannot hold",
                    });
                }
            }
            out.put(b"\n");
        }
        for (key, leaf) in file.metadata.iter().flat_map(|metadata| flatten(metadata, PREFIX)) {
            pair(out, &key, leaf)?;
            out.put(b"\n");
        }
        Ok(())
    })
}

fn pair(out: &mut super::out::Out, key: &str, leaf: &Leaf) -> Result<(), SecretError> {
    if key.contains(['=', '\n']) || key.starts_with('#') {
        let reason = "cannot be a key of a dotenv file";
        return Err(SecretError::Key { path: key.to_owned(), reason });
    }
    out.put(key.as_bytes());
    out.put(b"=");
    out.put(replaced(leaf.flat().expose(), b"\n", b"\\n").expose());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &[u8]) -> Result<Vec<u8>, String> {
        let file = read(text).map_err(|error| error.to_string())?;
        write(&file).map(|written| written.expose().to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_keep_every_byte_but_blank_ones() {
        let text = b"#c\nA=1\nfoo = x # y\nB=\nC=a\\nb\r\nD=\xff=\n# d\n";
        assert_eq!(round(text).as_deref(), Ok(&text[..]));
        assert_eq!(round(b"\nA=1\n\nB=2").as_deref(), Ok(&b"A=1\nB=2\n"[..]));
    }

    #[test]
    fn what_is_refused_is_named_by_its_line_and_never_by_its_text() {
        assert_eq!(
            round(b"A=1\nCANARY\n").expect_err("no pair"),
            "line 2 column 1: neither a comment nor `KEY=value`"
        );
        assert_eq!(
            round(b"A=1\nA=2\n").expect_err("twice"),
            "line 2 column 1: the key `A` stands there twice"
        );
        assert!(round(b"A=1\nsops_age__list_1=x\n").expect_err("a gap").contains("gap"));
    }
}
