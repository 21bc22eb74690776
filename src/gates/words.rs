//! Small readings and spellings that several gates share.

use regex::Regex;

/// As much of a body stands in a reason.
const EXCERPT: usize = 160;

/// Compiles a regular expression; an error names it.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim().to_owned();
        format!("`{text}` is not a regular expression: {last}")
    })
}

/// The first characters of a text, quoted.
pub(super) fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(EXCERPT).collect();
    format!("{short:?}{}", if short.len() < text.len() { "..." } else { "" })
}

/// RFC 3339 as Unix seconds.
pub(super) fn seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}
