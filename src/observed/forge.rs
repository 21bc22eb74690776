//! What forges said, and what is recorded of what was made in them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DroneSeen;
use super::access::{AccessPlace, GiteaApplicationSeen, GiteaTokenSeen};
use crate::address::{Address, Kind};

/// What forges said; `None` where nobody asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForgeSeen {
    /// The Gitea.
    #[serde(default)]
    pub gitea: Option<Box<GiteaSeen>>,
    /// The Drone.
    #[serde(default)]
    pub drone: Option<Box<DroneSeen>>,
}

/// One look at a Gitea: what is declared in it, and what is recorded as made from here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GiteaSeen {
    /// Why nothing is known; empty where it answered.
    pub away: String,
    /// Its version.
    pub version: String,
    /// Users that are there, by name: the fields that can be declared.
    pub users: BTreeMap<String, Value>,
    /// Organisations that are there, by name: every field that a change has to say again.
    pub organisations: BTreeMap<String, Value>,
    /// Repositories that are there, by `OWNER/NAME`.
    pub repositories: BTreeMap<String, GiteaRepositorySeen>,
    /// Users and organisations that own repositories, of those that are recorded and not declared.
    pub owners: BTreeSet<String>,
    /// Access tokens of the users that have declared or recorded ones, by user.
    #[serde(default)]
    pub tokens: BTreeMap<String, Vec<GiteaTokenSeen>>,
    /// OAuth applications of the users that have declared or recorded ones, by user.
    #[serde(default)]
    pub applications: BTreeMap<String, Vec<GiteaApplicationSeen>>,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GiteaRepositorySeen {
    /// The fields that can be declared.
    pub settings: Value,
    /// What collaborators may do, by the name that is declared or recorded.
    pub collaborators: BTreeMap<String, String>,
    /// Its webhooks.
    pub hooks: Vec<GiteaHookSeen>,
}

/// A webhook. Its secret is never told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GiteaHookSeen {
    /// Its number.
    pub id: i64,
    /// Where it calls.
    pub url: String,
    /// Everything else that can be declared; events by [`events`].
    pub settings: Value,
}

/// A declared webhook, as a gate looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookSeen {
    /// `OWNER/NAME`.
    pub repository: String,
    /// Where it calls.
    pub url: String,
    /// Of each hook that calls there, whether it is on.
    pub active: Vec<bool>,
    /// True where a delivery was heard that was signed with the secret that it has now.
    pub attested: bool,
}

/// What is recorded of what was made in forges. What is not in here is never removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgeRecord {
    /// What was made from here.
    #[serde(default)]
    pub made: BTreeSet<Address>,
    /// Places of webhooks that were made from here.
    #[serde(default)]
    pub hooks: BTreeSet<HookPlace>,
    /// Keyed digest of the secret that something was last written with, which no forge tells.
    #[serde(default)]
    pub secrets: BTreeMap<Address, String>,
    /// Webhooks whose receivers have heard a signed test delivery: of which secret (keyed digest) and where.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attested: BTreeMap<Address, String>,
    /// Places of access tokens and OAuth applications that were made from here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub access: BTreeSet<AccessPlace>,
    /// OAuth applications whose secrets were about to be made anew, and are not known to be kept.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub anew: BTreeSet<Address>,
    /// When Drone was last signed in to, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<String>,
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookPlace {
    /// Its name in the manifest.
    pub name: String,
    /// `OWNER/NAME`.
    pub repository: String,
    /// Where it calls.
    pub url: String,
}

impl ForgeRecord {
    /// Places of one kind, tokens or applications.
    pub fn places(&self, kind: Kind) -> impl Iterator<Item = &AccessPlace> {
        self.access.iter().filter(move |place| place.address.leaf().kind == kind)
    }

    /// True where nothing was ever made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Events of a webhook in one spelling, whichever way they are written or read: names that stand for several are taken
/// apart, and those that a review has are one. The comment of a review comes and goes with others between versions.
#[must_use]
pub fn events<'e>(names: impl IntoIterator<Item = &'e str>, written: bool) -> BTreeSet<String> {
    const ISSUES: &[&str] = &["issues", "issue_assign", "issue_label", "issue_milestone", "issue_comment"];
    const PULLS: &[&str] = &[
        "pull_request",
        "pull_request_assign",
        "pull_request_label",
        "pull_request_milestone",
        "pull_request_comment",
        "pull_request_review",
        "pull_request_review_request",
        "pull_request_sync",
    ];
    let mut set = BTreeSet::new();
    for name in names {
        match name {
            "issues" if written => set.extend(ISSUES.iter().map(ToString::to_string)),
            "pull_request" if written => set.extend(PULLS.iter().map(ToString::to_string)),
            "issues_only" => drop(set.insert("issues".to_owned())),
            "pull_request_only" => drop(set.insert("pull_request".to_owned())),
            "pull_request_review_comment" => {}
            "pull_request_review_approved" | "pull_request_review_rejected" => {
                set.insert("pull_request_review".to_owned());
            }
            other => drop(set.insert(other.to_owned())),
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn events_are_the_same_in_any_order_and_spelling() {
        let read = ["pull_request_review_comment", "pull_request_comment", "push"];
        assert_eq!(events(["push", "pull_request_comment"], true), events(read, false));
        let reviews = ["pull_request_review_approved", "pull_request_review_rejected"];
        assert_eq!(events(["pull_request_review"], true), events(reviews, false));
    }

    #[test]
    fn a_name_that_stands_for_all_is_not_the_internal_name_that_reads_the_same() {
        assert_ne!(events(["issues"], true), events(["issues"], false));
        assert_eq!(events(["issues_only"], true), events(["issues"], false));
        assert_eq!(events(["pull_request_only"], true), events(["pull_request"], false));
        assert!(events(["pull_request"], true).contains("pull_request_comment"));
    }
}
