//! Pull requests: what they are at, and what is said about them.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::api::{Api, repo};
use super::model::{Comment, Entry, PullRequest, Status};
use crate::forge::error::ForgeError;

/// A state of a commit. Gitea takes any text for one, so that only these can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Under way.
    Pending,
    /// All is well.
    Success,
    /// It could not be found out.
    Error,
    /// It is not well.
    Failure,
    /// It is well, but.
    Warning,
}

/// A status that is posted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewStatus<'a> {
    /// Its state.
    pub state: State,
    /// Where to read more.
    pub target_url: &'a str,
    /// One line about it.
    pub description: &'a str,
    /// The newest of a context counts.
    pub context: &'a str,
}

impl Api {
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

    /// `GET /repos/OWNER/NAME/issues/NUMBER/timeline`, since an RFC 3339 time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn timeline(
        &self,
        owner: &str,
        name: &str,
        number: i64,
        since: Option<&str>,
    ) -> Result<Vec<Entry>, ForgeError> {
        let target = repo(owner, name, &["issues", &number.to_string(), "timeline"]);
        let pairs: Vec<(&str, &str)> = since.map(|since| ("since", since)).into_iter().collect();
        Ok(self.list(&target, &pairs).await?.unwrap_or_default())
    }

    /// `GET /repos/OWNER/NAME/issues/comments`: comments on all issues and pull requests that were *changed* between two
    /// RFC 3339 times.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comments(
        &self,
        owner: &str,
        name: &str,
        since: Option<&str>,
        before: Option<&str>,
    ) -> Result<Vec<Comment>, ForgeError> {
        let pairs = [("since", since), ("before", before)];
        let pairs: Vec<(&str, &str)> =
            pairs.into_iter().filter_map(|(key, time)| Some((key, time?))).collect();
        Ok(self.list(&repo(owner, name, &["issues", "comments"]), &pairs).await?.unwrap_or_default())
    }

    /// `GET /repos/OWNER/NAME/issues/comments/ID`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comment(&self, owner: &str, name: &str, id: i64) -> Result<Option<Comment>, ForgeError> {
        let answer = self.call(Self::on(Method::GET, &comment(owner, name, id, &[]))).await?;
        // 204 is what older versions say of a comment that is gone.
        if answer.status.as_u16() == 204 { Ok(None) } else { answer.found() }
    }

    /// `POST /repos/OWNER/NAME/issues/NUMBER/comments`.
    ///
    /// # Errors
    /// 403 where it is locked, 423 where the repository is archived.
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
    /// 403 for a reaction that Gitea does not know.
    pub async fn react(&self, owner: &str, name: &str, id: i64, reaction: &str) -> Result<(), ForgeError> {
        let body = serde_json::json!({ "content": reaction });
        let target = comment(owner, name, id, &["reactions"]);
        self.write(Method::POST, &target, &body).await?.success().map(drop)
    }

    /// `DELETE /repos/OWNER/NAME/issues/comments/ID/reactions`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn unreact(&self, owner: &str, name: &str, id: i64, reaction: &str) -> Result<(), ForgeError> {
        let body = serde_json::json!({ "content": reaction });
        let target = comment(owner, name, id, &["reactions"]);
        self.write(Method::DELETE, &target, &body).await?.success().map(drop)
    }

    /// `POST /repos/OWNER/NAME/statuses/SHA`; the commit is named whole, as Gitea takes a part of it for another one.
    ///
    /// # Errors
    /// 500 while the base repository does not hold the commit, which passes; 403 for whoever may not write.
    pub async fn create_status(
        &self,
        owner: &str,
        name: &str,
        sha: &str,
        status: &NewStatus<'_>,
    ) -> Result<Status, ForgeError> {
        self.write(Method::POST, &repo(owner, name, &["statuses", sha]), status).await?.json()
    }

    /// `GET /repos/OWNER/NAME/commits/SHA/statuses`, the newest first.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn statuses(&self, owner: &str, name: &str, sha: &str) -> Result<Vec<Status>, ForgeError> {
        let pairs = [("sort", "recentupdate")];
        Ok(self.list(&repo(owner, name, &["commits", sha, "statuses"]), &pairs).await?.unwrap_or_default())
    }
}

fn comment(owner: &str, name: &str, id: i64, rest: &[&str]) -> String {
    repo(owner, name, &[&["issues", "comments", &id.to_string()], rest].concat())
}
