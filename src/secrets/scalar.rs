//! A value of a document, with its type as the store reads it.

use zeroize::Zeroizing;

use super::number::{Time, flat_float, json_float, plain_float, yaml_float};
use super::token::Type;
use super::value::SecretBytes;
use crate::manifest::SecretFormat;

/// A typed value.
#[derive(Clone)]
pub(super) enum Leaf {
    /// `null`: never encrypted, never in the MAC.
    Null,
    /// Text, or arbitrary bytes.
    Text(SecretBytes),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A time.
    Time(Time),
}

impl Leaf {
    /// The plaintext of a token, read as its declared type.
    pub(super) fn decoded(kind: Type, plain: Zeroizing<Vec<u8>>) -> Result<Self, &'static str> {
        const BAD: &str = "decrypts, but not to what its type says";
        let word = std::str::from_utf8(&plain).map_err(|_| BAD);
        Ok(match kind {
            Type::Str | Type::Bytes => Self::Text(SecretBytes::from(plain)),
            Type::Int => Self::Int(word?.parse().map_err(|_| BAD)?),
            Type::Float => Self::Float(word?.parse().map_err(|_| BAD)?),
            Type::Time => Self::Time(Time::parse(word?).ok_or(BAD)?),
            Type::Bool => match word? {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => Self::Bool(true),
                "0" | "f" | "F" | "FALSE" | "false" | "False" => Self::Bool(false),
                _ => return Err(BAD),
            },
            Type::Comment => return Err("is an encrypted comment in the place of a value"),
        })
    }

    /// The type of its token; none where it is never encrypted.
    pub(super) fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) if text.expose().is_empty() => return None,
            Self::Text(_) => Type::Str,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Bool(_) => Type::Bool,
            Self::Time(_) => Type::Time,
        })
    }

    /// True for a text without a letter.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.expose().is_empty())
    }

    /// The text that stands for it in the flat forms, which know no types.
    pub(super) fn flat(&self) -> SecretBytes {
        let words = match self {
            Self::Null => "<nil>".to_owned(),
            Self::Text(bytes) => return bytes.clone(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => flat_float(*value),
            Self::Bool(value) => value.to_string(),
            Self::Time(time) => time.seconds(),
        };
        SecretBytes::new(words.into_bytes())
    }

    /// The bytes that go into the MAC. `old_json` reads integers as the floats that sops before 3.13.2 made of them.
    pub(super) fn hashed(&self, old_json: bool) -> Zeroizing<Vec<u8>> {
        #[expect(clippy::cast_precision_loss, reason = "the loss is what old writers hashed")]
        let words = match self {
            Self::Null => String::new(),
            Self::Text(bytes) => return Zeroizing::new(bytes.expose().to_vec()),
            Self::Int(value) if old_json => plain_float(*value as f64),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => plain_float(*value),
            Self::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
            Self::Time(time) => time.nanoseconds(),
        };
        Zeroizing::new(words.into_bytes())
    }

    /// The text as `sops decrypt` prints it in a file of `format`; `None` for null.
    pub(super) fn printed(&self, format: SecretFormat) -> Option<SecretBytes> {
        let words = match self {
            Self::Null => return None,
            Self::Text(bytes) => return Some(bytes.clone()),
            Self::Int(value) => value.to_string(),
            Self::Float(value) if matches!(format, SecretFormat::Yaml) => yaml_float(*value),
            Self::Float(value) => json_float(*value),
            Self::Bool(value) => value.to_string(),
            Self::Time(time) => time.nanoseconds(),
        };
        Some(SecretBytes::new(words.into_bytes()))
    }
}

fn text(bytes: &[u8]) -> Leaf {
    Leaf::Text(SecretBytes::new(bytes.to_vec()))
}

/// A plain YAML scalar, resolved as go-yaml v3 does: YAML 1.2 with the number forms of 1.1.
pub(super) fn yaml(word: &str) -> Leaf {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Leaf::Null,
        "true" | "True" | "TRUE" => return Leaf::Bool(true),
        "false" | "False" | "FALSE" => return Leaf::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Leaf::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Leaf::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Leaf::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let starts_number = word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    // No number and no time has other characters; most texts that start like one have.
    let may_be_one = |letter: u8| {
        letter.is_ascii_hexdigit()
            || matches!(letter, b'+' | b'-' | b'.' | b':' | b'_' | b' ' | b'x' | b'X')
            || matches!(letter, b'o' | b'O' | b't' | b'T' | b'z' | b'Z')
    };
    if !starts_number || !word.bytes().all(may_be_one) {
        return text(word.as_bytes());
    }
    if let Some(time) = Time::parse(word) {
        return Leaf::Time(time);
    }
    // A word that starts with a dot keeps its underscores, which then make it text.
    // The word may be a value that is about to be written, so the copies are wiped.
    let digits = Zeroizing::new(if word.starts_with('.') { word.to_owned() } else { word.replace('_', "") });
    if let Some(value) = integer(&digits) {
        return Leaf::Int(value);
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && is_float(&digits) => Leaf::Float(value),
        _ => text(word.as_bytes()),
    }
}

/// Decimal, or with the prefix of another base; a leading zero is octal.
fn integer(word: &str) -> Option<i64> {
    let (negative, digits) = match word.split_at_checked(1)? {
        ("-", rest) => (true, rest),
        ("+", rest) => (false, rest),
        _ => (false, word),
    };
    let lower = Zeroizing::new(digits.to_ascii_lowercase());
    let (radix, digits) = match lower.split_at_checked(2) {
        Some(("0x", rest)) => (16, rest),
        Some(("0b", rest)) => (2, rest),
        Some(("0o", rest)) => (8, rest),
        _ => match lower.strip_prefix('0') {
            Some(rest) if !rest.is_empty() => (8, rest),
            _ => (10, lower.as_str()),
        },
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (mantissa, exponent) =
        word.split_once(['e', 'E']).map_or((word, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        None => !mantissa.is_empty() && digits(mantissa),
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(leaf: &Leaf) -> String {
        String::from_utf8(leaf.hashed(false).to_vec()).expect("text")
    }

    #[test]
    fn plain_yaml_words_get_the_types_that_go_yaml_gives_them() {
        for (word, expected) in [
            ("0777", "511"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("-0b11", "-3"),
            ("1_000", "1000"),
            ("+5", "5"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("yes", "yes"),
            ("on", "on"),
            ("True", "True"),
            ("FALSE", "False"),
            ("~", ""),
            ("-.inf", "-Inf"),
            ("08", "8"),
            ("1:30", "1:30"),
            ("2024-01-02", "2024-01-02T00:00:00Z"),
            ("1.2.3", "1.2.3"),
            ("-", "-"),
            ("._6", "._6"),
            ("1e400", "1e400"),
        ] {
            assert_eq!(hashed(&yaml(word)), expected, "{word}");
        }
    }

    #[test]
    fn large_json_integers_hash_as_old_and_new_writers_did() {
        let leaf = Leaf::Int(9_007_199_254_740_993);
        assert_eq!(leaf.hashed(false).as_slice(), b"9007199254740993");
        assert_eq!(leaf.hashed(true).as_slice(), b"9007199254740992");
    }
}
