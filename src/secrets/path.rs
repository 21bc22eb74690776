//! Paths into a document as sops spells them: `["key"]["other"][0]`.

use super::error::SecretError;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To the item of a list, counted from 0; comments are counted, as sops does.
    Index(usize),
}

/// Reads a path of at least one step.
///
/// # Errors
/// What is no such path.
pub fn parse_path(text: &str) -> Result<Vec<Step>, SecretError> {
    let wrong = |reason| SecretError::Key { path: text.to_owned(), reason };
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        const SHAPE: &str = "is no path (write it like `[\"key\"][\"other\"][0]`)";
        let inner = rest.strip_prefix('[').ok_or_else(|| wrong(SHAPE))?;
        let quote = inner.chars().next().filter(|sign| matches!(sign, '"' | '\''));
        let (step, after) = if let Some(quote) = quote {
            let inner = inner.get(1..).unwrap_or_default();
            let end = format!("{quote}]");
            let (key, after) = inner.split_once(end.as_str()).ok_or_else(|| wrong(SHAPE))?;
            (Step::Key(key.to_owned()), after)
        } else {
            let (index, after) = inner.split_once(']').ok_or_else(|| wrong(SHAPE))?;
            (Step::Index(index.trim().parse().map_err(|_| wrong(SHAPE))?), after)
        };
        steps.push(step);
        rest = after;
    }
    match steps.first() {
        None => Err(wrong("is empty")),
        Some(Step::Index(_)) => Err(wrong("starts with a position, but a document is a map")),
        Some(Step::Key(key)) if key == "sops" => Err(wrong("leads into the `sops` section")),
        Some(Step::Key(_)) => Ok(steps),
    }
}

/// A path for people: its steps joined by `/`.
pub(super) fn shown(path: &[Step]) -> String {
    let steps: Vec<_> = path
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_in_sops() {
        let key = |name: &str| Step::Key(name.to_owned());
        let read = |text: &str| parse_path(text).ok();
        assert_eq!(read(r#"["a"]["b c"][0]"#), Some(vec![key("a"), key("b c"), Step::Index(0)]));
        assert_eq!(read("['a']['b\"c']"), Some(vec![key("a"), key("b\"c")]));
        assert_eq!(read(r#"["a[1]"]"#), Some(vec![key("a[1]")]));
        for bad in ["", "a", "[a]", r#"["a""#, r#"["a"]x"#, "[0]", r#"["a"][-1]"#, r#"["sops"]["mac"]"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
