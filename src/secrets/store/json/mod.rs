//! The JSON store: one object, Go's escapes, tabs. Comments are not kept.

mod write;

use std::collections::HashSet;

use zeroize::Zeroizing;

pub(super) use self::write::{write, write_value};
use super::{File, wrong};
use crate::secrets::error::SecretError;
use crate::secrets::scalar::Leaf;
use crate::secrets::tree::{Entry, Item, Node};
use crate::secrets::value::SecretBytes;

/// Deeper nesting is refused before it can exhaust the stack.
const DEEPEST: usize = 128;

/// Reads a file; stricter than sops, which takes keys twice and anything behind the object.
pub(super) fn read(bytes: &[u8]) -> Result<File, SecretError> {
    let mut documents = entries(bytes)?;
    let metadata = super::take(&mut documents, "sops");
    Ok(File { documents: vec![documents], metadata })
}

/// The top-level object.
fn entries(bytes: &[u8]) -> Result<Vec<Entry>, SecretError> {
    let mut reader = Reader { bytes, at: 0 };
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(wrong(bytes, error.valid_up_to(), "no UTF-8 text"));
    }
    reader.blank();
    if reader.peek() != Some(b'{') {
        return Err(reader.wrong("no object (`{`)"));
    }
    let root = reader.object(0)?;
    reader.blank();
    if reader.at < bytes.len() { Err(reader.wrong("text behind the end of the object")) } else { Ok(root) }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> SecretError {
        wrong(self.bytes, self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, sign: u8, what: &str) -> Result<(), SecretError> {
        self.blank();
        if self.peek() != Some(sign) {
            return Err(self.wrong(what));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, SecretError> {
        self.blank();
        if depth > DEEPEST {
            return Err(self.wrong("nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => Ok(Node::Map(self.object(depth)?)),
            Some(b'[') => Ok(Node::List(self.array(depth)?)),
            Some(b'"') => Ok(Node::Leaf(Leaf::Text(self.string()?))),
            _ => Ok(Node::Leaf(self.word()?)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Entry>, SecretError> {
        self.take(b'{', "no `{`")?;
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(entries);
        }
        loop {
            self.blank();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key in double quotes"));
            }
            let key = String::from_utf8_lossy(self.string()?.expose()).into_owned();
            if !seen.insert(key.clone()) {
                return Err(wrong(self.bytes, start, &format!("the key `{key}` stands there twice")));
            }
            self.take(b':', "no `:` behind a key")?;
            entries.push(Entry::Pair(key, self.value(depth + 1)?));
            if self.ends(b'}')? {
                return Ok(entries);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Item>, SecretError> {
        self.take(b'[', "no `[`")?;
        let mut items = Vec::new();
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(Item::Node(self.value(depth + 1)?));
            if self.ends(b']')? {
                return Ok(items);
            }
        }
    }

    /// True behind the closing sign, false behind a comma.
    fn ends(&mut self, close: u8) -> Result<bool, SecretError> {
        self.blank();
        let found = self.peek();
        if found != Some(b',') && found != Some(close) {
            return Err(self.wrong("neither a comma nor the end of a list or object"));
        }
        self.at += 1;
        Ok(found == Some(close))
    }

    fn string(&mut self) -> Result<SecretBytes, SecretError> {
        self.at += 1;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Never longer than what is left, so that it never moves.
        let longest = rest.iter().scan(false, |escaped, byte| {
            let ends = *byte == b'"' && !*escaped;
            *escaped = *byte == b'\\' && !*escaped;
            (!ends).then_some(())
        });
        let mut text = Zeroizing::new(Vec::with_capacity(longest.count()));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(byte) if byte >= b' ' => {
                    text.push(byte);
                    self.at += 1;
                }
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("a string without an end")),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), SecretError> {
        let simple = match self.bytes.get(self.at + 1) {
            Some(sign @ (b'"' | b'\\' | b'/')) => *sign,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let letter = self.unicode().ok_or_else(|| self.wrong("a damaged escape in a string"))?;
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.wrong("an unknown escape in a string")),
        };
        text.push(simple);
        self.at += 2;
        Ok(())
    }

    /// `\uXXXX` or a pair of them; half a pair is U+FFFD, as in Go.
    fn unicode(&mut self) -> Option<char> {
        let unit = |at: usize| {
            let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
            let digits = std::str::from_utf8(digits).ok()?;
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.at)?;
        let pair = unit(self.at + 6).and_then(|second| char::decode_utf16([first, second]).next()?.ok());
        let single = char::decode_utf16([first]).next()?.ok();
        self.at += if single.is_none() && pair.is_some() { 12 } else { 6 };
        Some(single.or(pair).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn word(&mut self) -> Result<Leaf, SecretError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| !b",]} \t\r\n\"[{:".contains(byte)).count();
        let word = rest.get(..length).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
        let leaf = leaf(word).ok_or_else(|| self.wrong("no JSON value"))?;
        self.at += length;
        Ok(leaf)
    }
}

/// A word without quotes. Integers stay integers, as since sops 3.13.2.
fn leaf(word: &str) -> Option<Leaf> {
    match word {
        "null" => return Some(Leaf::Null),
        "true" => return Some(Leaf::Bool(true)),
        "false" => return Some(Leaf::Bool(false)),
        _ => {}
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let leading_zero = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if leading_zero || ![whole, part, exponent].into_iter().all(all_digits) {
        return None;
    }
    match word.parse() {
        Ok(integer) => Some(Leaf::Int(integer)),
        Err(_) => word.parse().ok().filter(|float: &f64| float.is_finite()).map(Leaf::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Indent;
    use super::*;

    fn round(text: &str) -> Result<String, String> {
        let file = read(text.as_bytes()).map_err(|error| error.to_string())?;
        let written = write(&file, Indent::Default).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(written.expose().to_vec()).expect("text"))
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (given, written) in [
            ("{}", "{}\n"),
            ("{\"a\":[],\"b\":{}}", "{\n\t\"a\": [],\n\t\"b\": {}\n}\n"),
            ("{\"a\":-0}", "{\n\t\"a\": 0\n}\n"),
            (
                "{\"a\":[1.50,1e3,1e300,9223372036854775808]}",
                "{\n\t\"a\": [\n\t\t1.5,\n\t\t1000,\n\t\t1e+300,\n\t\t9223372036854776000\n\t]\n}\n",
            ),
            (r#"{"<\u2028\ud83d\ude00\ud800x":"\/\b"}"#, "{\n\t\"\\u003c\\u2028😀\u{fffd}x\": \"/\\b\"\n}\n"),
        ] {
            assert_eq!(round(given).as_deref(), Ok(written), "{given}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line_and_never_its_text() {
        for bad in [
            "",
            "[]",
            "{\"a\": CANARY}",
            "{\"a\": 01}",
            "{\"a\": 1e400}",
            "{\"a\": \"CANARY",
            "{\"a\": 1} CANARY",
            "{\"a\": 1,}",
            "{a: 1}",
            "{\"a\": .5}",
            "{\"a\": +1}",
            "{\"a\": 1.}",
            "{\"a\" 1}",
            "{\"a\": [1 2]}",
            "{\"a\": \"\\x\"}",
            "{\"a\": \"\\u12\"}",
            "{\"a\": \"\t\"}",
        ] {
            let said = round(bad).expect_err(bad);
            assert!(said.starts_with("line 1 column ") && !said.contains("CANARY"), "{bad}: {said}");
        }
        let said = round("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}").expect_err("twice");
        assert_eq!(said, "line 2 column 16: the key `c` stands there twice");
        assert!(round(&format!("{{\"a\": {}1{}}}", "[".repeat(500), "]".repeat(500))).is_err());
    }
}
