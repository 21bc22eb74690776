//! The name of a commit, in full.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 40 or 64 lowercase hex digits: never a branch, never an abbreviation. It is safe in a query, in a URL and in a shell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Commit(String);

impl Commit {
    /// Takes the name of a commit in full. None for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Commit {
    type Error = NoCommit;

    fn try_from(text: String) -> Result<Self, NoCommit> {
        Self::new(&text).ok_or(NoCommit)
    }
}

/// A text that is not the name of a commit in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 40 or 64 lowercase hex digits")]
pub struct NoCommit;

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_name_in_lowercase_hex_is_a_commit() {
        let sha1 = "0123456789abcdef0123456789abcdef01234567";
        let sha256 = format!("{sha1}{}", "0".repeat(24));
        assert_eq!(Commit::new(sha1).unwrap().as_str(), sha1);
        assert!(Commit::new(&sha256).is_some());
        for wrong in [
            "",
            "main",
            &sha1[..39],
            &sha1[..7],
            &sha1.to_uppercase(),
            &format!("{sha1}0"),
            "refs/pull/1/head",
        ] {
            assert_eq!(Commit::new(wrong), None, "{wrong}");
        }
        assert_eq!(Commit::new(&format!("{}\n", &sha1[..39])), None);
        // Other digits of Unicode are as long in bytes and are no hex.
        assert_eq!(Commit::new(&"٣".repeat(20)), None);
    }
}
