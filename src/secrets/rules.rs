//! Which values of a file must be tokens and which must not.

use regex::bytes::{Regex, RegexBuilder};

/// What the rules say about a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// Text must be a token.
    Encrypted,
    /// Text must not be a token.
    Clear,
    /// A comment decides. Comments are not read, so the value itself tells; the MAC covers it in both cases.
    ByComment,
}

/// The one rule of a file.
pub(super) enum Rules {
    /// Everything is encrypted (the binary store).
    All,
    /// Clear where a key ends so.
    ClearSuffix(String),
    /// Encrypted where a key ends so.
    EncryptedSuffix(String),
    /// Clear where a key matches.
    ClearRegex(Regex),
    /// Encrypted where a key matches.
    EncryptedRegex(Regex),
    /// One of the two comment rules.
    Comment,
}

impl Rules {
    /// The rule that `get` finds in the metadata; sops's default where there is none.
    pub(super) fn read<'m>(get: impl Fn(&str) -> Option<&'m str>) -> Result<Self, String> {
        const NAMES: [&str; 6] = [
            "unencrypted_suffix",
            "encrypted_suffix",
            "unencrypted_regex",
            "encrypted_regex",
            "unencrypted_comment_regex",
            "encrypted_comment_regex",
        ];
        let mut set = NAMES
            .into_iter()
            .filter_map(|name| get(name).filter(|rule| !rule.is_empty()).map(|rule| (name, rule)));
        let Some((name, rule)) = set.next() else {
            return Ok(Self::ClearSuffix("_unencrypted".to_owned()));
        };
        if let Some((other, _)) = set.next() {
            return Err(format!("`{name}` and `{other}` are both set, at most one rule may be"));
        }
        Ok(match name {
            "unencrypted_suffix" => Self::ClearSuffix(rule.to_owned()),
            "encrypted_suffix" => Self::EncryptedSuffix(rule.to_owned()),
            "unencrypted_regex" => Self::ClearRegex(regex(name, rule)?),
            "encrypted_regex" => Self::EncryptedRegex(regex(name, rule)?),
            _ => Self::Comment,
        })
    }

    /// What the rule says about the value below these keys; a match of any of them counts.
    pub(super) fn region(&self, path: &[String]) -> Region {
        let any = |test: &dyn Fn(&str) -> bool| path.iter().any(|key| test(key));
        let (found, inside, outside) = match self {
            Self::All => return Region::Encrypted,
            Self::Comment => return Region::ByComment,
            Self::ClearSuffix(suffix) => {
                (any(&|key| key.ends_with(suffix)), Region::Clear, Region::Encrypted)
            }
            Self::ClearRegex(regex) => {
                (any(&|key| regex.is_match(key.as_bytes())), Region::Clear, Region::Encrypted)
            }
            Self::EncryptedSuffix(suffix) => {
                (any(&|key| key.ends_with(suffix)), Region::Encrypted, Region::Clear)
            }
            Self::EncryptedRegex(regex) => {
                (any(&|key| regex.is_match(key.as_bytes())), Region::Encrypted, Region::Clear)
            }
        };
        if found { inside } else { outside }
    }
}

/// Go's RE2 has ASCII-only classes, so does this.
fn regex(name: &str, rule: &str) -> Result<Regex, String> {
    RegexBuilder::new(rule)
        .unicode(false)
        .build()
        .map_err(|_| format!("`{name}` is no regular expression that can be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &'static str, rule: &'static str) -> Rules {
        Rules::read(|asked| (asked == name).then_some(rule)).expect("a good rule")
    }

    fn path(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|&key| key.to_owned()).collect()
    }

    #[test]
    fn a_match_on_any_ancestor_counts() {
        let default = Rules::read(|_| None).expect("the default");
        assert_eq!(default.region(&path(&["a_unencrypted", "b"])), Region::Clear);
        assert_eq!(default.region(&path(&["a", "b"])), Region::Encrypted);
        let regex = rules("encrypted_regex", "^(pass|key)$");
        assert_eq!(regex.region(&path(&["pass", "b"])), Region::Encrypted);
        assert_eq!(regex.region(&path(&["passes"])), Region::Clear);
    }

    #[test]
    fn two_rules_and_a_broken_regex_are_refused() {
        assert!(Rules::read(|name| name.ends_with("suffix").then_some("x")).is_err());
        assert!(Rules::read(|name| (name == "encrypted_regex").then_some("(")).is_err());
    }

    #[test]
    fn classes_are_ascii_only() {
        let regex = rules("encrypted_regex", r"^\w+$");
        assert_eq!(regex.region(&path(&["é"])), Region::Clear);
    }
}
