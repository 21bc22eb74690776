//! Which values of a file must be tokens and which must not.

use regex::bytes::{Regex, RegexBuilder};

use super::tree::Comment;

/// The one rule of a file.
pub(super) enum Rules {
    /// Everything is encrypted: the binary store, where no rule is written.
    All,
    /// One of the six rules.
    One(Rule),
}

/// A rule and what it looks for.
pub(super) struct Rule {
    kind: Kind,
    text: String,
    /// There for all kinds but the suffixes.
    regex: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ClearSuffix,
    EncryptedSuffix,
    ClearRegex,
    EncryptedRegex,
    ClearComment,
    EncryptedComment,
}

const KINDS: [(&str, Kind); 6] = [
    ("unencrypted_suffix", Kind::ClearSuffix),
    ("encrypted_suffix", Kind::EncryptedSuffix),
    ("unencrypted_regex", Kind::ClearRegex),
    ("encrypted_regex", Kind::EncryptedRegex),
    ("unencrypted_comment_regex", Kind::ClearComment),
    ("encrypted_comment_regex", Kind::EncryptedComment),
];

/// Comments that wait for what they stand above: one list for each level of nesting.
pub(super) type Active = Vec<Vec<Comment>>;

impl Rules {
    /// The rule that `get` finds, by the names that metadata, `.sops.yaml` and flags share; sops's default where there
    /// is none.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let default = || Rule { kind: Kind::ClearSuffix, text: "_unencrypted".to_owned(), regex: None };
        Ok(Self::written(get)?.unwrap_or_else(|| Self::One(default())))
    }

    /// The rule that `get` finds, if there is one.
    pub(super) fn written(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let mut set = KINDS.into_iter().filter_map(|(name, kind)| {
            get(name).filter(|text| !text.is_empty()).map(|text| (name, kind, text))
        });
        let Some((name, kind, text)) = set.next() else { return Ok(None) };
        if let Some((other, ..)) = set.next() {
            return Err(format!("`{name}` and `{other}` are both set, at most one rule may be"));
        }
        let regex = match kind {
            Kind::ClearSuffix | Kind::EncryptedSuffix => None,
            _ => Some(regex(name, &text)?),
        };
        Ok(Some(Self::One(Rule { kind, text, regex })))
    }

    /// The rule's name in the metadata and its text, where there is one.
    pub(super) fn named(&self) -> Option<(&'static str, &str)> {
        let Self::One(rule) = self else { return None };
        KINDS.into_iter().find(|(_, kind)| *kind == rule.kind).map(|(name, _)| (name, rule.text.as_str()))
    }

    /// True when the rule looks at comments.
    pub(super) fn reads_comments(&self) -> bool {
        matches!(self, Self::One(Rule { kind: Kind::ClearComment | Kind::EncryptedComment, .. }))
    }

    /// True when the rule names this key.
    pub(super) fn names(&self, key: &str) -> bool {
        match self {
            Self::One(Rule { kind: Kind::ClearSuffix | Kind::EncryptedSuffix, text, .. }) => {
                key.ends_with(text)
            }
            Self::One(Rule { kind: Kind::ClearRegex | Kind::EncryptedRegex, regex: Some(regex), .. }) => {
                regex.is_match(key.as_bytes())
            }
            _ => false,
        }
    }

    /// True when the rule wants a value or comment to be encrypted. `named` says that it names a key above it;
    /// `active` holds the comments above it, with itself as the last one if it `is_comment`.
    pub(super) fn encrypts(&self, named: bool, active: &Active, is_comment: bool) -> bool {
        let Self::One(rule) = self else { return true };
        let matches = |comment: &Comment| {
            rule.regex.as_ref().is_some_and(|regex| regex.is_match(comment.text.expose()))
        };
        match rule.kind {
            Kind::ClearSuffix | Kind::ClearRegex => !named,
            Kind::EncryptedSuffix | Kind::EncryptedRegex => named,
            Kind::ClearComment => !active.iter().flatten().any(matches),
            Kind::EncryptedComment => {
                // The comment that asks for encryption stays clear, so that it can ask again when it is read.
                let (last, above) =
                    active.split_last().map_or((&[][..], &[][..]), |(last, above)| (last, above));
                let last =
                    if is_comment { last.split_last().map_or(&[][..], |(_, before)| before) } else { last };
                above.iter().flatten().chain(last).any(matches)
            }
        }
    }

    /// True when `unencrypted_comment_regex` finds something in a token, so that the file could not be read again.
    pub(super) fn clears_token(&self, token: &[u8]) -> bool {
        matches!(self, Self::One(Rule { kind: Kind::ClearComment, regex: Some(regex), .. }) if regex.is_match(token))
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
    use crate::secrets::value::SecretBytes;

    fn rules(name: &'static str, rule: &'static str) -> Rules {
        Rules::read(|asked| (asked == name).then(|| rule.to_owned())).expect("a good rule")
    }

    fn comment(text: &str) -> Comment {
        Comment { text: SecretBytes::new(text.as_bytes().to_vec()), inline: false }
    }

    #[test]
    fn suffixes_and_expressions_name_keys() {
        let default = Rules::read(|_| None).expect("the default");
        assert!(default.names("a_unencrypted") && !default.names("a"));
        assert!(default.encrypts(false, &Vec::new(), false) && !default.encrypts(true, &Vec::new(), false));
        assert_eq!(default.named(), Some(("unencrypted_suffix", "_unencrypted")));
        let regex = rules("encrypted_regex", "^(pass|key)$");
        assert!(regex.names("pass") && !regex.names("passes"));
        assert!(regex.encrypts(true, &Vec::new(), false) && !regex.encrypts(false, &Vec::new(), false));
    }

    #[test]
    fn a_comment_that_asks_for_encryption_stays_clear_and_those_below_it_do_not() {
        let rule = rules("encrypted_comment_regex", "sops:enc");
        let active = vec![vec![], vec![comment("sops:enc")]];
        assert!(!rule.encrypts(false, &active, true));
        assert!(rule.encrypts(false, &active, false));
        let active = vec![vec![], vec![comment("sops:enc"), comment("b")]];
        assert!(rule.encrypts(false, &active, true));
        let active = vec![vec![comment("sops:enc")], vec![comment("b")]];
        assert!(rule.encrypts(false, &active, true));
        let clear = rules("unencrypted_comment_regex", "plain|ENC");
        assert!(!clear.encrypts(false, &vec![vec![comment("plain")], vec![]], false));
        assert!(clear.encrypts(false, &vec![vec![comment("b")]], true));
        assert!(clear.clears_token(b"ENC[x]") && !rule.clears_token(b"sops:enc"));
    }

    #[test]
    fn two_rules_and_a_broken_regex_are_refused() {
        assert!(Rules::read(|name| name.ends_with("suffix").then(|| "x".to_owned())).is_err());
        assert!(Rules::read(|name| (name == "encrypted_regex").then(|| "(".to_owned())).is_err());
    }

    #[test]
    fn classes_are_ascii_only() {
        assert!(!rules("encrypted_regex", r"^\w+$").names("é"));
    }
}
