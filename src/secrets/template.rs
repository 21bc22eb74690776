//! Templates: values put into text in one pass, each written so that it stays one value.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::value::{SecretBytes, Unlocked};
use crate::address::{Address, Kind};
use crate::manifest::template::{Escape, Piece, pieces, secrets_in};
use crate::manifest::{Manifest, RENDERED};
use crate::report::Failure;

/// Renders every template of `manifest` into `unlocked.values` under `rendered/NAME`. One that refers to a secret
/// without a value, or to a value that its escape cannot write, fails alone and keeps its installed version where
/// [`super::files::fall_back`] found one.
pub fn render_templates(manifest: &Manifest, unlocked: &mut Unlocked) {
    for (name, template) in &manifest.templates {
        let path = format!("{RENDERED}/{name}");
        let address = Address::new(Kind::Template, name);
        if secrets_in(&template.content).any(|secret| unlocked.awaited.contains(&secret)) {
            // What is installed stays until the forge has told.
            if let Some(bytes) = unlocked.installed.remove(&path) {
                unlocked.values.insert(path.clone(), bytes);
            }
            unlocked.awaited.insert(path);
            continue;
        }
        match render(&template.content, unlocked) {
            Ok(bytes) => drop(unlocked.values.insert(path, bytes)),
            Err(reason) => {
                let installed = unlocked.installed.remove(&path);
                unlocked.failures.push(Failure { address, reason, kept: installed.is_some() });
                if let Some(bytes) = installed {
                    unlocked.values.insert(path, bytes);
                }
            }
        }
    }
}

/// Renders those templates again that are made of one of these secrets; returns their places, and what failed.
pub fn render_again(
    manifest: &Manifest,
    unlocked: &mut Unlocked,
    secrets: &BTreeSet<String>,
) -> (BTreeSet<String>, Vec<Failure>) {
    let (mut places, mut failures) = (BTreeSet::new(), Vec::new());
    for (name, template) in &manifest.templates {
        let names: Vec<String> = secrets_in(&template.content).collect();
        let of = |set: &BTreeSet<String>| names.iter().any(|name| set.contains(name));
        if !of(secrets) || of(&unlocked.awaited) {
            continue;
        }
        let path = format!("{RENDERED}/{name}");
        match render(&template.content, unlocked) {
            Ok(bytes) => drop(unlocked.values.insert(path.clone(), bytes)),
            Err(reason) => {
                let kept = unlocked.values.contains_key(&path);
                failures.push(Failure { address: Address::new(Kind::Template, name), reason, kept });
            }
        }
        unlocked.awaited.remove(&path);
        places.insert(path);
    }
    (places, failures)
}

fn render(content: &str, unlocked: &Unlocked) -> Result<SecretBytes, String> {
    let pieces = pieces(content).map_err(|errors| {
        errors.first().map_or_else(|| "cannot be read".to_owned(), |error| error.message.clone())
    })?;
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        parts.push(match piece {
            Piece::Text(text) => Zeroizing::new(text.into_bytes()),
            Piece::Secret { name, escape, .. } => {
                let value =
                    unlocked.values.get(&name).ok_or_else(|| format!("the secret `{name}` has no value"))?;
                escaped(value, escape).map_err(|why| format!("the value of `{name}` {why}"))?
            }
        });
    }
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in &parts {
        bytes.extend_from_slice(part);
    }
    Ok(SecretBytes::new(bytes))
}

/// A value as it stands in a template, or why it cannot; the reason never holds the value.
fn escaped(value: &SecretBytes, escape: Escape) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let bytes = value.expose();
    match escape {
        Escape::Raw => Ok(Zeroizing::new(bytes.to_vec())),
        Escape::Plain => plain(bytes),
        Escape::Base64 => Ok(Zeroizing::new(STANDARD.encode(bytes).into_bytes())),
        Escape::Url => Ok(each(bytes, 3, |byte, out| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]),
        })),
        Escape::Json => json(bytes),
        Escape::Shell => shell(bytes),
        Escape::Env => env(bytes),
        Escape::Ini => ini(bytes),
    }
}

/// Room for the longest form at once, so that the bytes never move.
fn each(bytes: &[u8], most: usize, write: impl Fn(u8, &mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * most + 2));
    for byte in bytes {
        write(*byte, &mut out);
    }
    out
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// As it is, if it is one line; the newline that ends many secret files is not part of the value.
fn plain(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if line.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err("has several lines: say how to write it (`raw`, `json`, `base64`, ...)");
    }
    Ok(Zeroizing::new(line.to_vec()))
}

fn json(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no UTF-8 text, which JSON needs (use `base64`)")?;
    // Six bytes is the longest form of one, `\u0000`.
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 6 + 2));
    serde_json::to_writer(&mut *out, text).map_err(|_| "cannot be written as JSON")?;
    Ok(out)
}

fn shell(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if bytes.contains(&0) {
        return Err("holds a zero byte, which no shell word can");
    }
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 4 + 2));
    out.push(b'\'');
    for byte in bytes {
        if *byte == b'\'' { out.extend_from_slice(br"'\''") } else { out.push(*byte) }
    }
    out.push(b'\'');
    Ok(out)
}

/// A line of an env file that systemd and docker's env files read alike: docker takes the rest of the line as it
/// is, systemd interprets quotes, backslashes and blanks at the ends. What they read differently is refused.
fn env(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let line = plain(bytes).map_err(|_| "has several lines, which an env file cannot hold (use `base64`)")?;
    let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let odd = |byte: &u8| matches!(byte, 0 | b'\'' | b'"' | b'\\' | b'`');
    if blank(line.first()) || blank(line.last()) || line.iter().any(odd) {
        return Err(
            "holds quotes, backslashes or blanks at an end, which programs read differently in env files (use `raw`, `shell` or `base64`)",
        );
    }
    Ok(line)
}

/// The value of an INI line; what would start a comment, a quote or a new line there is refused.
fn ini(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let line = plain(bytes).map_err(|_| "has several lines, which an INI value cannot (use `base64`)")?;
    let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let odd = |byte: &u8| matches!(byte, 0 | b';' | b'#' | b'"' | b'\'' | b'`');
    if blank(line.first()) || blank(line.last()) || line.last() == Some(&b'\\') || line.iter().any(odd) {
        return Err(
            "holds quotes, comment signs or blanks at an end, which INI readers change (use `raw` or `base64`)",
        );
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unlocked(values: &[(&str, &[u8])]) -> Unlocked {
        let values =
            values.iter().map(|(name, value)| ((*name).to_owned(), SecretBytes::new(value.to_vec())));
        Unlocked { values: values.collect(), ..Unlocked::default() }
    }

    fn rendered(content: &str, value: &[u8]) -> Result<String, String> {
        let bytes = render(content, &unlocked(&[("a", value)]))?;
        Ok(String::from_utf8(bytes.expose().to_vec()).expect("text"))
    }

    #[test]
    fn each_escape_writes_its_own_form() {
        let value = b"it's \"100%\" <&\n";
        assert_eq!(rendered("{{ a | json }}", value).unwrap(), r#""it's \"100%\" <&\n""#);
        assert_eq!(rendered("{{ a | shell }}", value).unwrap(), "'it'\\''s \"100%\" <&\n'");
        assert_eq!(rendered("{{ a | url }}", value).unwrap(), "it%27s%20%22100%25%22%20%3C%26%0A");
        assert_eq!(rendered("{{ a | base64 }}", value).unwrap(), STANDARD.encode(value));
        assert_eq!(rendered("{{ a | raw }}", value).unwrap().as_bytes(), value);
        assert_eq!(rendered("k={{ a }};", b"v=1 2\n").unwrap(), "k=v=1 2;");
        assert_eq!(rendered("k={{ a | env }}", b"p$x#y z\n").unwrap(), "k=p$x#y z");
        assert_eq!(rendered("k = {{ a | ini }}", b"p$x").unwrap(), "k = p$x");
    }

    #[test]
    fn what_an_escape_cannot_write_is_refused_without_the_value() {
        for (content, value) in [
            ("{{ a }}", &b"CANARY\ntwo"[..]),
            ("{{ a }}", b"CANARY\r"),
            ("{{ a | env }}", b"CANARY\r"),
            ("{{ a | env }}", b"CANARY\"x"),
            ("{{ a | env }}", b"CANARY\nx"),
            ("{{ a | env }}", b" CANARY"),
            ("{{ a | ini }}", b"CANARY;x"),
            ("{{ a | ini }}", b"CANARY\\"),
            ("{{ a | json }}", b"CANARY\xff"),
            ("{{ a | shell }}", b"CANARY\0"),
        ] {
            let why = rendered(content, value).unwrap_err();
            assert!(why.contains("`a`") && !why.contains("CANARY"), "{content}: {why}");
        }
    }

    #[test]
    fn a_placeholder_inside_a_value_stays_text() {
        let values = unlocked(&[("a", b"{{ b }}"), ("b", b"secret")]);
        let bytes = render("{{ a }} {{ b }}", &values).unwrap();
        assert_eq!(bytes.expose(), b"{{ b }} secret");
    }
}
