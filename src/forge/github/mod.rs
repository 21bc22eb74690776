//! GitHub and GitHub Enterprise Server, as far as comments on pull requests go: REST, version `2022-11-28`.

use hyper::Method;
use hyper::header::HeaderName;
use serde::Deserialize;

use super::caller::{Caller, comment, repo};
use super::error::ForgeError;
use super::http::{Client, bearer, query};
use crate::secrets::SecretBytes;

/// The version of the API that is asked for.
const VERSION: &str = "2022-11-28";
/// Entries a page; a shorter page is the last one. A page of the longest comments is no longer than any answer may be.
const PAGE: usize = 50;
/// Nothing that is listed here is longer.
const MOST_PAGES: usize = 200;

/// One GitHub, and who asks it.
#[derive(Clone)]
pub struct Api(Caller);

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// Number.
    pub id: i64,
    /// Name to log in with.
    pub login: String,
}

/// A comment on an issue or a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// Number; unique in all of GitHub.
    pub id: i64,
    /// Its page: `.../pull/NUMBER#...` on a pull request, `.../issues/NUMBER#...` on an issue.
    pub html_url: String,
    /// Who wrote it; nobody where the account is gone.
    pub user: Option<User>,
    /// Its text.
    pub body: String,
    /// When it was written, RFC 3339.
    pub created_at: String,
    /// When it was changed last, RFC 3339.
    pub updated_at: String,
}

/// A pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: i64,
    /// `open` or `closed`.
    pub state: String,
    /// True where it is not meant to be merged yet.
    pub draft: bool,
    /// True where it is merged.
    pub merged: bool,
    /// True where only collaborators may comment.
    pub locked: bool,
    /// What shall be merged.
    pub head: Head,
}

/// The end of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Its commit.
    pub sha: String,
}

/// The base URL of the API of a GitHub whose pages are at `url`.
#[must_use]
pub fn api_url(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url == "https://github.com" { "https://api.github.com".to_owned() } else { format!("{url}/api/v3") }
}

impl Api {
    /// Asked with a token; the client's base is [`api_url`].
    #[must_use]
    pub fn with_token(client: Client, token: &SecretBytes) -> Self {
        let version = SecretBytes::new(VERSION.as_bytes().to_vec());
        let caller = Caller::new(client, "").authorized(bearer(token));
        Self(caller.with(HeaderName::from_static("x-github-api-version"), version))
    }

    /// Who asks.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// `GET /repos/OWNER/NAME/collaborators/USER/permission`: `admin`, `write`, `read` or `none`, teams and owners
    /// included. Asked by whoever may write to the repository.
    ///
    /// # Errors
    /// 403 where the token may not ask.
    pub async fn permission(
        &self,
        owner: &str,
        name: &str,
        user: &str,
    ) -> Result<Option<String>, ForgeError> {
        #[derive(Deserialize)]
        struct Permission {
            permission: String,
        }
        let found: Option<Permission> =
            self.0.find(&repo(owner, name, &["collaborators", user, "permission"])).await?;
        Ok(found.map(|found| found.permission))
    }

    /// `GET /repos/OWNER/NAME`: its number; `None` where it is archived or not there.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn repository(&self, owner: &str, name: &str) -> Result<Option<i64>, ForgeError> {
        #[derive(Deserialize)]
        struct Repository {
            id: i64,
            #[serde(default)]
            archived: bool,
        }
        let found: Option<Repository> = self.0.find(&repo(owner, name, &[])).await?;
        Ok(found.filter(|found| !found.archived).map(|found| found.id))
    }

    /// `GET /repos/OWNER/NAME/pulls/NUMBER`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn pull(
        &self,
        owner: &str,
        name: &str,
        number: i64,
    ) -> Result<Option<PullRequest>, ForgeError> {
        self.0.find(&repo(owner, name, &["pulls", &number.to_string()])).await
    }

    /// `GET /repos/OWNER/NAME/issues/comments/ID`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comment(&self, owner: &str, name: &str, id: i64) -> Result<Option<Comment>, ForgeError> {
        self.0.find(&comment(owner, name, id, &[])).await
    }

    /// `GET /repos/OWNER/NAME/issues/comments`: those comments on all issues and pull requests that are wanted and were
    /// changed since an RFC 3339 time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comments(
        &self,
        (owner, name): (&str, &str),
        since: &str,
        wanted: &(dyn Fn(&Comment) -> bool + Sync),
    ) -> Result<Vec<Comment>, ForgeError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let (page, size) = (page.to_string(), PAGE.to_string());
            let pairs = [("since", since), ("per_page", &size), ("page", &page)];
            let target = format!("{}{}", repo(owner, name, &["issues", "comments"]), query(&pairs));
            let entries: Vec<Comment> = self.0.call(Method::GET, &target).await?.json()?;
            let last = entries.len() < PAGE;
            all.extend(entries.into_iter().filter(wanted));
            if last {
                break;
            }
        }
        Ok(all)
    }
}
