//! What a Gitea said of access tokens and OAuth applications. Their values are never told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;

/// An access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiteaTokenSeen {
    /// Its number.
    pub id: i64,
    /// Its name; a user has one of each.
    pub name: String,
    /// What it opens, by [`scopes`]; empty where the version does not tell.
    pub scopes: BTreeSet<String>,
    /// True where this host has its value.
    pub kept: bool,
}

/// An OAuth application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GiteaApplicationSeen {
    /// Its number.
    pub id: i64,
    /// Its name; a user may have several of one.
    pub name: String,
    /// What can be declared: `redirect_uris`, sorted, and `confidential_client`.
    pub settings: Value,
    /// What cannot be declared and has to be said again with a change; null where the version does not have it.
    pub skip_secondary: Option<bool>,
    /// True where this host has its client id.
    pub id_kept: bool,
    /// True where this host has a secret of it, as far as anybody can tell.
    pub secret_kept: bool,
}

/// Where a token or an application is that was made from here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPlace {
    /// What it is in the manifest.
    pub address: Address,
    /// The user whose it is.
    pub user: String,
    /// Its name in the forge.
    pub name: String,
}

const CATEGORIES: usize = 9;

/// Scopes of a token in one spelling, whichever way they are written or read: what may be written may be read too, and
/// everything has a name of its own.
#[must_use]
pub fn scopes<'s>(names: impl IntoIterator<Item = &'s str>) -> BTreeSet<String> {
    let mut set: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    let writes: Vec<String> =
        set.iter().filter_map(|name| name.strip_prefix("write:").map(ToOwned::to_owned)).collect();
    for of in &writes {
        set.remove(&format!("read:{of}"));
    }
    if writes.len() == CATEGORIES {
        set.insert("all".to_owned());
    }
    if set.contains("all") {
        set.retain(|name| !name.contains(':'));
    }
    set
}

#[cfg(test)]
mod tests {
    use super::scopes;

    #[test]
    fn scopes_are_the_same_in_any_order_and_spelling() {
        let same = |one: &[&str], other: &[&str]| {
            assert_eq!(scopes(one.iter().copied()), scopes(other.iter().copied()), "{one:?}");
        };
        same(&["write:issue", "read:user"], &["read:user", "read:issue", "write:issue"]);
        same(&["all"], &["all", "read:user"]);
        let each = ["activitypub", "admin", "issue", "misc", "notification", "organization", "package"];
        let each = each.into_iter().chain(["repository", "user"]).map(|of| format!("write:{of}"));
        let each: Vec<String> = each.collect();
        assert_eq!(scopes(each.iter().map(String::as_str)), scopes(["all"]));
        assert_ne!(scopes(each.iter().skip(1).map(String::as_str)), scopes(["all"]));
        assert_ne!(scopes(["write:issue"]), scopes(["read:issue"]));
    }
}
