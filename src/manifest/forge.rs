//! The section that says what a Gitea shall hold.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attest, Drone, GiteaApplication, GiteaToken, Password};

/// Forges whose contents are made equal to what is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// A Gitea.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitea: Option<Gitea>,
    /// A Drone that builds what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drone: Option<Drone>,
}

/// A Gitea, and what is declared in it. What is not declared, and was not made from here, is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gitea {
    /// Where it is: `https://git.example.org`.
    pub url: String,
    /// `HOST:PORT` that is dialled in place of the URL's; name and TLS stay those of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// PEM file of the roots to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A site administrator, who has to be there: everything is done in this name.
    pub admin: GiteaAdmin,
    /// Users, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, GiteaUser>,
    /// Organisations, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub organisations: BTreeMap<String, GiteaOrganisation>,
    /// Repositories, by `OWNER/NAME`; none is ever deleted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, GiteaRepository>,
    /// Webhooks of repositories, by a name of their own. Gitea knows them by repository and URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub webhooks: BTreeMap<String, GiteaWebhook>,
    /// Access tokens, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, GiteaToken>,
    /// OAuth applications of users, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oauth_applications: BTreeMap<String, GiteaApplication>,
}

/// In whose name a Gitea is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaAdmin {
    /// The name to sign in with.
    pub username: String,
    /// The password.
    pub password: Password,
}

/// Who may see something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GiteaVisibility {
    /// Everybody.
    Public,
    /// Everybody who is signed in.
    Limited,
    /// Members.
    Private,
}

/// What a collaborator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GiteaPermission {
    /// Read.
    Read,
    /// Push.
    Write,
    /// Change settings.
    Admin,
}

impl GiteaPermission {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// A user. What is absent is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaUser {
    /// Address.
    pub email: String,
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The password; without one a new user gets a random one that nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// True for a site administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<bool>,
    /// True for a user who sees only what they are a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted: Option<bool>,
    /// Who may see the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<GiteaVisibility>,
}

/// An organisation. What is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaOrganisation {
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<GiteaVisibility>,
}

/// A repository. What is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaRepository {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// True where only members see it; a new repository is private unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// The branch that it opens with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    /// True to begin a new repository with a first commit.
    #[serde(default)]
    pub auto_init: bool,
    /// What somebody may do with it, by user; others' access is left as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collaborators: BTreeMap<String, GiteaPermission>,
}

/// A webhook: deliveries are JSON, signed with HMAC-SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiteaWebhook {
    /// `OWNER/NAME` of a repository in `repositories`.
    pub repository: String,
    /// Where it calls. The repository's only hook that does: others with this URL are removed.
    pub url: String,
    /// What it hears of, in Gitea's words. Comments on pull requests are `pull_request_comment`, not `issue_comment`.
    pub events: Vec<String>,
    /// The key that deliveries are signed with. Gitea never tells it: another one is written by making the hook anew.
    pub secret: Password,
    /// False to keep it and turn it off.
    #[serde(default = "yes")]
    pub active: bool,
    /// Branches that it is limited to, as a glob pattern; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub branch_filter: String,
    /// Who can tell that its secret is right, which Gitea never does: the receiver, once a test delivery was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attest: Option<Attest>,
}

impl GiteaWebhook {
    /// What is heard of it when a test delivery is: of the secret with this keyed digest, where, and by whom. Nothing where
    /// nobody can tell.
    #[must_use]
    pub fn heard(&self, digest: &str) -> Option<String> {
        self.attest.as_ref().map(|attest| format!("{digest} {} {}", self.url, attest.status))
    }
}

const fn yes() -> bool {
    true
}

/// Every event that a hook can be told to hear of. `issues` and `pull_request` stand for all of theirs.
pub const GITEA_EVENTS: [&str; 26] = [
    "create",
    "delete",
    "fork",
    "push",
    "wiki",
    "repository",
    "release",
    "package",
    "status",
    "workflow_job",
    "workflow_run",
    "issues",
    "issues_only",
    "issue_assign",
    "issue_label",
    "issue_milestone",
    "issue_comment",
    "pull_request",
    "pull_request_only",
    "pull_request_assign",
    "pull_request_label",
    "pull_request_milestone",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_request",
    "pull_request_sync",
];
