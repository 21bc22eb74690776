//! GitHub and GitHub Enterprise Server, as far as comments on pull requests go: REST, version `2022-11-28`.

use hyper::Method;
use hyper::header::HeaderName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ForgeError;
use super::gitea::NewStatus;
use super::http::{Answer, Call, Client, bearer, path, query};
use crate::secrets::SecretBytes;

/// The version of the API that is asked for.
const VERSION: &str = "2022-11-28";
/// Entries a page, the most that there may be; a shorter page is the last one.
const PAGE: usize = 100;
/// Nothing that is listed here is longer.
const MOST_PAGES: usize = 100;

/// One GitHub, and who asks it.
#[derive(Clone)]
pub struct Api {
    client: Client,
    authorization: SecretBytes,
}

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
        Self { client, authorization: bearer(token) }
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
            self.find(&repo(owner, name, &["collaborators", user, "permission"])).await?;
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
        let found: Option<Repository> = self.find(&repo(owner, name, &[])).await?;
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
        self.find(&repo(owner, name, &["pulls", &number.to_string()])).await
    }

    /// `GET /repos/OWNER/NAME/issues/comments/ID`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comment(&self, owner: &str, name: &str, id: i64) -> Result<Option<Comment>, ForgeError> {
        self.find(&comment(owner, name, id, &[])).await
    }

    /// `GET /repos/OWNER/NAME/issues/comments`: comments on all issues and pull requests that were changed since an RFC 3339
    /// time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comments(&self, owner: &str, name: &str, since: &str) -> Result<Vec<Comment>, ForgeError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let (page, size) = (page.to_string(), PAGE.to_string());
            let pairs = [("since", since), ("per_page", &size), ("page", &page)];
            let target = format!("{}{}", repo(owner, name, &["issues", "comments"]), query(&pairs));
            let entries: Vec<Comment> = self.call(Call::new(Method::GET, target)).await?.json()?;
            let last = entries.len() < PAGE;
            all.extend(entries);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// `POST /repos/OWNER/NAME/issues/NUMBER/comments`.
    ///
    /// # Errors
    /// 403 where it is locked or too much is written.
    pub async fn create_comment(
        &self,
        owner: &str,
        name: &str,
        number: i64,
        text: &str,
    ) -> Result<Comment, ForgeError> {
        let target = repo(owner, name, &["issues", &number.to_string(), "comments"]);
        self.write(Method::POST, &target, &serde_json::json!({ "body": text })).await?.json()
    }

    /// `PATCH /repos/OWNER/NAME/issues/comments/ID`; `None` where it is gone.
    ///
    /// # Errors
    /// 403 for whoever neither wrote it nor may write.
    pub async fn edit_comment(
        &self,
        owner: &str,
        name: &str,
        id: i64,
        text: &str,
    ) -> Result<Option<Comment>, ForgeError> {
        let body = serde_json::json!({ "body": text });
        self.write(Method::PATCH, &comment(owner, name, id, &[]), &body).await?.found()
    }

    /// `POST /repos/OWNER/NAME/issues/comments/ID/reactions`; it is no error where it is there already.
    ///
    /// # Errors
    /// 422 for a reaction that GitHub does not know.
    pub async fn react(&self, owner: &str, name: &str, id: i64, reaction: &str) -> Result<(), ForgeError> {
        let body = serde_json::json!({ "content": reaction });
        self.write(Method::POST, &comment(owner, name, id, &["reactions"]), &body).await?.success().map(drop)
    }

    /// `POST /repos/OWNER/NAME/statuses/SHA`. Of the states only `warning` is none of GitHub's.
    ///
    /// # Errors
    /// 422 where the repository does not hold the commit.
    pub async fn create_status(
        &self,
        owner: &str,
        name: &str,
        sha: &str,
        status: &NewStatus<'_>,
    ) -> Result<(), ForgeError> {
        self.write(Method::POST, &repo(owner, name, &["statuses", sha]), status).await?.success().map(drop)
    }

    async fn call(&self, call: Call) -> Result<Answer, ForgeError> {
        let version = SecretBytes::new(VERSION.as_bytes().to_vec());
        let call = call.header(HeaderName::from_static("x-github-api-version"), version);
        self.client.send(call.authorized(self.authorization.clone())).await
    }

    async fn find<T: DeserializeOwned>(&self, target: &str) -> Result<Option<T>, ForgeError> {
        self.call(Call::new(Method::GET, target)).await?.found()
    }

    async fn write(&self, method: Method, target: &str, body: &impl Serialize) -> Result<Answer, ForgeError> {
        self.call(Call::new(method, target).json(body)).await
    }
}

/// `/repos/OWNER/NAME` and what follows.
fn repo(owner: &str, name: &str, rest: &[&str]) -> String {
    path(&[&["repos", owner, name], rest].concat())
}

fn comment(owner: &str, name: &str, id: i64, rest: &[&str]) -> String {
    repo(owner, name, &[&["issues", "comments", &id.to_string()], rest].concat())
}
