//! Splitting a command written as one text, as docker does: quotes, backslashes, comments.

/// The words of a command line.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(next) = chars.next() {
        match next {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            // A comment only begins where a word would; `a#b` is one word.
            '#' if word.is_none() => {
                if !chars.by_ref().any(|c| c == '\n') {
                    break;
                }
            }
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => escaped(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("ends in a backslash")?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    for next in chars {
        if next == '\'' {
            return Ok(());
        }
        word.push(next);
    }
    Err("has a quote that is not closed".to_owned())
}

fn escaped(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(next) = chars.next() {
        match next {
            '"' => return Ok(()),
            '\\' => word.push(chars.next().ok_or("ends in a backslash")?),
            other => word.push(other),
        }
    }
    Err("has a quote that is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_docker_does() {
        assert_eq!(
            split(r#"sh -c "echo \"a b\"" 'c d' e\ f "" a#b # rest"#).unwrap(),
            ["sh", "-c", "echo \"a b\"", "c d", "e f", "", "a#b"]
        );
        assert_eq!(split("a # x\nb").unwrap(), ["a", "b"]);
        assert!(split("").unwrap().is_empty());
        assert!(split("'open").is_err());
        assert!(split("open\\").is_err());
    }
}
