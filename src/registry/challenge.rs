//! What a registry wants to see: the `WWW-Authenticate` header.

use std::collections::BTreeMap;

/// One way to say who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password in every request.
    Basic,
    /// A token of this server, for this service and scope.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// What the token is for; empty when not told.
        service: String,
        /// What it allows; empty when not told.
        scope: String,
    },
}

/// The first challenge of a header that is understood.
pub(super) fn parse(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut fields = parameters(rest);
    let mut take = |key: &str| fields.remove(key).unwrap_or_default();
    let realm = take("realm");
    (!realm.is_empty()).then(|| Challenge::Bearer { realm, service: take("service"), scope: take("scope") })
}

/// `key="value", key=value`, keys in lower case; a comma may stand inside of quotes.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([',', ' ']).to_ascii_lowercase();
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                after.split_once(',').map_or((after.to_owned(), ""), |(value, next)| (value.to_owned(), next))
            }
        };
        fields.insert(key, value);
        rest = next;
    }
    fields
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, text.get(at + 1..).unwrap_or_default()),
            other => {
                value.push(other);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: &str, scope: &str| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.into(), scope: scope.into() })
        };
        for (header, meant) in [
            (r#"Basic realm="Registry Realm""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.example.org/token",service="r.example.org",scope="repository:a/b:pull,push""#,
                bearer("https://auth.example.org/token", "r.example.org", "repository:a/b:pull,push"),
            ),
            (
                r#"Bearer service=r, Realm="https://a.example.org/t?x=1" , error="invalid_token""#,
                bearer("https://a.example.org/t?x=1", "r", ""),
            ),
            (r#"Bearer realm="a\"b""#, bearer("a\"b", "", "")),
            ("Bearer service=r", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(parse(header), meant, "{header}");
        }
    }
}
