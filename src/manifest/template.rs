//! Templates as text and placeholders: `{{ NAME }}`, `{{ NAME | json }}`; `{{ "{{" }}` is a literal.

use crate::source::{Span, nearest};

/// A part of a template, in order. Concatenated (placeholders rendered) they are the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands for itself.
    Text(String),
    /// The value of a secret.
    Secret {
        /// Name of the secret in the manifest; not yet known to exist.
        name: String,
        /// How the value is written.
        escape: Escape,
        /// The whole placeholder with its braces, bytes of the template's text.
        span: Span,
    },
}

/// Names of the secrets that a text names, in its order; none of one that cannot be read.
pub fn secrets_in(content: &str) -> impl Iterator<Item = String> {
    pieces(content).unwrap_or_default().into_iter().filter_map(|piece| match piece {
        Piece::Secret { name, .. } => Some(name),
        Piece::Text(_) => None,
    })
}

/// How a value is written into a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// Nothing was said: as it is, and a value with a line break inside it is refused.
    #[default]
    Plain,
    /// As it is, whatever it holds.
    Raw,
    /// A JSON string with its quotes.
    Json,
    /// One word of a POSIX shell.
    Shell,
    /// The value of a `KEY=VALUE` line of an env file.
    Env,
    /// Percent-encoded, so that it fits any part of a URL.
    Url,
    /// Base64 with padding, on one line.
    Base64,
    /// The value of an INI line.
    Ini,
}

impl Escape {
    /// Every escape that has a word, with it.
    const WORDS: [(&'static str, Self); 7] = [
        ("raw", Self::Raw),
        ("json", Self::Json),
        ("shell", Self::Shell),
        ("env", Self::Env),
        ("url", Self::Url),
        ("base64", Self::Base64),
        ("ini", Self::Ini),
    ];
}

/// A placeholder that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Where it stands, bytes of the template's text.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub fix: String,
}

/// Cuts a template into its pieces.
///
/// # Errors
/// Every placeholder that does not end, has no name, or names an escape that does not exist.
pub fn pieces(text: &str) -> Result<Vec<Piece>, Vec<TemplateError>> {
    let (mut pieces, mut errors) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        push_text(&mut pieces, before);
        let start = text.len() - after.len() - 2;
        let (inside, behind) = inside(after);
        let span = Span { start, end: text.len() - behind.map_or(0, str::len) };
        match behind.ok_or_else(unclosed).and_then(|_| placeholder(inside, span)) {
            Ok(Piece::Text(literal)) => push_text(&mut pieces, &literal),
            Ok(piece) => pieces.push(piece),
            Err((message, fix)) => errors.push(TemplateError { span, message, fix }),
        }
        rest = behind.unwrap_or_default();
    }
    push_text(&mut pieces, rest);
    if errors.is_empty() { Ok(pieces) } else { Err(errors) }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// What stands between the braces, and what follows them: None where they do not close.
fn inside(after: &str) -> (&str, Option<&str>) {
    if let Some((_, behind)) = literal(after.trim_start()) {
        let length = after.len() - behind.len();
        let tail = behind.trim_start().strip_prefix("}}");
        return (after.get(..length).unwrap_or_default(), tail);
    }
    match after.split_once("}}") {
        Some((inside, behind)) => (inside, Some(behind)),
        None => (after, None),
    }
}

/// A JSON string at the start of a text, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

type Fault = (String, String);

fn unclosed() -> Fault {
    (
        "a placeholder is not closed".to_owned(),
        r#"add `}}`, or write a literal `{{` as `{{ "{{" }}`"#.to_owned(),
    )
}

fn placeholder(inside: &str, span: Span) -> Result<Piece, Fault> {
    if let Some((text, _)) = literal(inside.trim()) {
        return Ok(Piece::Text(text));
    }
    let (name, escape) = match inside.split_once('|') {
        None => (inside.trim(), Escape::Plain),
        Some((name, word)) => (name.trim(), escape(word.trim())?),
    };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"' | '|')) {
        let message = format!("`{}` is not a placeholder", inside.trim());
        return Err((message, "write `{{ NAME }}` or `{{ NAME | json }}`".to_owned()));
    }
    Ok(Piece::Secret { name: name.to_owned(), escape, span })
}

fn escape(word: &str) -> Result<Escape, Fault> {
    let words = Escape::WORDS.map(|(word, _)| word);
    Escape::WORDS
        .into_iter()
        .find_map(|(known, escape)| (known == word).then_some(escape))
        .ok_or_else(|| (format!("`{word}` is not an escape"), nearest::fix(word, words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, escape: Escape, start: usize, end: usize) -> Piece {
        Piece::Secret { name: name.into(), escape, span: Span { start, end } }
    }

    #[test]
    fn text_placeholders_and_literals_come_in_order_with_their_spans() {
        let text = r#"a={{ x }}{{y|json}} {{ "{{ \"}}" }} {{ z.q-1 | base64 }}"#;
        let expected = vec![
            Piece::Text("a=".into()),
            secret("x", Escape::Plain, 2, 9),
            secret("y", Escape::Json, 9, 19),
            Piece::Text(" {{ \"}} ".into()),
            secret("z.q-1", Escape::Base64, 36, 56),
        ];
        assert_eq!(pieces(text), Ok(expected));
        assert_eq!(pieces(""), Ok(vec![]));
        assert_eq!(pieces("} {} }}"), Ok(vec![Piece::Text("} {} }}".into())]));
    }

    #[test]
    fn every_escape_has_its_word() {
        for (word, escape) in Escape::WORDS {
            let text = format!("{{{{ a | {word} }}}}");
            assert_eq!(pieces(&text), Ok(vec![secret("a", escape, 0, text.len())]));
        }
    }

    #[test]
    fn all_wrong_placeholders_are_told_at_once() {
        let errors = pieces("{{ a | jsn }} {{}} {{ b c }} {{ d").unwrap_err();
        let told: Vec<_> = errors.iter().map(|e| (e.span.start, e.span.end, e.message.as_str())).collect();
        let expected = [
            (0, 13, "`jsn` is not an escape"),
            (14, 18, "`` is not a placeholder"),
            (19, 28, "`b c` is not a placeholder"),
            (29, 33, "a placeholder is not closed"),
        ];
        assert_eq!(told, expected);
        assert_eq!(errors[0].fix, "write `json`");
    }

    proptest::proptest! {
        #[test]
        fn pieces_cover_the_text(text in "[{}a |\"\\\\é\n-]{0,40}") {
            if let Ok(list) = pieces(&text) {
                let mut end = 0;
                for piece in &list {
                    if let Piece::Secret { name, span, .. } = piece {
                        assert!(span.start >= end && text[span.start..span.end].contains(name.as_str()));
                        end = span.end;
                    }
                }
                assert!(end <= text.len());
                if !text.contains("{{") {
                    assert_eq!(list.len(), usize::from(!text.is_empty()));
                }
            }
        }
    }
}
