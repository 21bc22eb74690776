//! Pull requests: what they are at, and what was said about them.

use hyper::Method;

use super::api::Api;
use super::model::{Comment, Entry, PullRequest};
use crate::forge::caller::{comment, repo};
use crate::forge::error::ForgeError;

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
        self.caller().find(&repo(owner, name, &["pulls", &number.to_string()])).await
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

    /// `GET /repos/OWNER/NAME/issues/comments`: those comments on all issues and pull requests that are wanted and were
    /// *changed* since an RFC 3339 time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comments(
        &self,
        (owner, name): (&str, &str),
        since: &str,
        wanted: &(dyn Fn(&Comment) -> bool + Sync),
    ) -> Result<Vec<Comment>, ForgeError> {
        let target = repo(owner, name, &["issues", "comments"]);
        Ok(self.list_some(&target, &[("since", since)], wanted).await?.unwrap_or_default())
    }

    /// `GET /repos/OWNER/NAME/issues/comments/ID`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn comment(&self, owner: &str, name: &str, id: i64) -> Result<Option<Comment>, ForgeError> {
        let answer = self.caller().call(Method::GET, &comment(owner, name, id, &[])).await?;
        // 204 is what older versions say of a comment that is gone.
        if answer.status.as_u16() == 204 { Ok(None) } else { answer.found() }
    }
}
