//! What is said on a pull request: Gitea, Forgejo and GitHub take it in the same words.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::caller::{Caller, comment, repo};
use super::error::ForgeError;

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

impl Caller {
    /// `POST /repos/OWNER/NAME/issues/NUMBER/comments`; the number of the comment.
    ///
    /// # Errors
    /// 403 where it is locked or too much is written, 423 where the repository is archived.
    pub async fn create_comment(
        &self,
        (owner, name): (&str, &str),
        number: i64,
        text: &str,
    ) -> Result<i64, ForgeError> {
        #[derive(Deserialize)]
        struct Made {
            id: i64,
        }
        let target = repo(owner, name, &["issues", &number.to_string(), "comments"]);
        let made: Made = self.write(Method::POST, &target, &json!({ "body": text })).await?.json()?;
        Ok(made.id)
    }

    /// `PATCH /repos/OWNER/NAME/issues/comments/ID`; false where it is gone.
    ///
    /// # Errors
    /// 403 for whoever neither wrote it nor may write.
    pub async fn edit_comment(
        &self,
        (owner, name): (&str, &str),
        id: i64,
        text: &str,
    ) -> Result<bool, ForgeError> {
        let target = comment(owner, name, id, &[]);
        self.write(Method::PATCH, &target, &json!({ "body": text })).await?.there()
    }

    /// `POST /repos/OWNER/NAME/issues/comments/ID/reactions`; it is no error where it is there already.
    ///
    /// # Errors
    /// 403 or 422 for a reaction that the forge does not know.
    pub async fn react(
        &self,
        (owner, name): (&str, &str),
        id: i64,
        reaction: &str,
    ) -> Result<(), ForgeError> {
        let target = comment(owner, name, id, &["reactions"]);
        self.write(Method::POST, &target, &json!({ "content": reaction })).await?.success().map(drop)
    }

    /// `POST /repos/OWNER/NAME/statuses/SHA`; the commit is named whole, as Gitea takes a part of it for another one.
    ///
    /// # Errors
    /// 500 (Gitea) or 422 (GitHub) while the base repository does not hold the commit; 403 for whoever may not write.
    pub async fn create_status(
        &self,
        (owner, name): (&str, &str),
        sha: &str,
        status: &NewStatus<'_>,
    ) -> Result<(), ForgeError> {
        let target = repo(owner, name, &["statuses", sha]);
        self.write(Method::POST, &target, status).await?.success().map(drop)
    }
}
