//! Builds: made, followed, read.

use hyper::Method;

use super::api::{Api, repo};
use super::model::{Build, LogLine};
use crate::forge::error::ForgeError;
use crate::forge::http::{Lines, path, query};

/// A build that is made on the newest commit of a branch.
#[derive(Clone, Copy, Debug)]
pub struct NewBuild<'a> {
    /// A fixed branch: Drone puts it into a shell script as it is.
    pub branch: &'a str,
    /// Parameters, names and values. They reach the pipeline's text and its environment before everything else, so that
    /// only what was checked may be in here; `branch`, `commit` and `access_token` are none.
    pub params: &'a [(&'a str, &'a str)],
}

/// What happens to the builds of a repository, as it happens; nothing is told twice, and what was missed is not told.
pub struct Feed(Lines);

impl Api {
    /// `POST /api/repos/OWNER/NAME/builds`. `None`: no pipeline wants this event. A build may come back with status
    /// `error`. Takes 45 s where the branch has no pipeline file.
    ///
    /// # Errors
    /// 404 for a branch that is not there or a repository that is not built, 500 where the forge does not let Drone in
    /// or there is no pipeline file.
    pub async fn create_build(
        &self,
        owner: &str,
        name: &str,
        build: &NewBuild<'_>,
    ) -> Result<Option<Build>, ForgeError> {
        let pairs = [&[("branch", build.branch)], build.params].concat();
        let target = format!("{}{}", repo(owner, name, &["builds"]), query(&pairs));
        self.0.call(Method::POST, &target).await?.json()
    }

    /// `GET /api/repos/OWNER/NAME/builds`, the newest first: page from 1, at most 100 a page.
    ///
    /// # Errors
    /// 404 without the repository.
    pub async fn builds(
        &self,
        owner: &str,
        name: &str,
        page: usize,
        per_page: usize,
    ) -> Result<Vec<Build>, ForgeError> {
        let (page, per_page) = (page.to_string(), per_page.to_string());
        let pairs = [("page", page.as_str()), ("per_page", per_page.as_str())];
        let target = format!("{}{}", repo(owner, name, &["builds"]), query(&pairs));
        Ok(self.0.get::<Option<Vec<Build>>>(&target).await?.unwrap_or_default())
    }

    /// `GET /api/repos/OWNER/NAME/builds/NUMBER`, with stages and steps.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn build(&self, owner: &str, name: &str, number: i64) -> Result<Option<Build>, ForgeError> {
        self.0.find(&repo(owner, name, &["builds", &number.to_string()])).await
    }

    /// `POST /api/repos/OWNER/NAME/builds/NUMBER`: the same again; returns the new build.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn restart(&self, owner: &str, name: &str, number: i64) -> Result<Option<Build>, ForgeError> {
        let target = repo(owner, name, &["builds", &number.to_string()]);
        self.0.call(Method::POST, &target).await?.json()
    }

    /// `DELETE /api/repos/OWNER/NAME/builds/NUMBER`: stops it; false where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn cancel(&self, owner: &str, name: &str, number: i64) -> Result<bool, ForgeError> {
        self.0.delete(&repo(owner, name, &["builds", &number.to_string()])).await
    }

    /// `GET /api/repos/OWNER/NAME/builds/NUMBER/logs/STAGE/STEP`; `None` until the step is over.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn logs(
        &self,
        owner: &str,
        name: &str,
        number: i64,
        (stage, step): (i64, i64),
    ) -> Result<Option<Vec<LogLine>>, ForgeError> {
        let (number, stage, step) = (number.to_string(), stage.to_string(), step.to_string());
        let target = repo(owner, name, &["builds", &number, "logs", &stage, &step]);
        let found = self.0.find::<Option<Vec<LogLine>>>(&target).await?;
        Ok(found.map(Option::unwrap_or_default))
    }

    /// `GET /api/stream/OWNER/NAME`: server-sent events of the repository's builds.
    ///
    /// # Errors
    /// 404 without the repository.
    pub async fn follow(&self, owner: &str, name: &str) -> Result<Feed, ForgeError> {
        Ok(Feed(self.0.stream(&path(&["api", "stream", owner, name])).await?))
    }
}

impl Feed {
    /// The next build of which something is told; `None` when Drone has ended the stream, which it does after a day.
    ///
    /// # Errors
    /// The connection broke, or not even a sign of life came for the client's whole patience (Drone gives one each 30 s).
    pub async fn next(&mut self) -> Result<Option<Build>, ForgeError> {
        #[derive(serde::Deserialize)]
        struct Told {
            build: Option<Build>,
        }
        while let Some(line) = self.0.next().await? {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else { continue };
            if data == "eof" {
                return Ok(None);
            }
            if let Ok(Told { build: Some(build) }) = serde_json::from_str(data) {
                return Ok(Some(build));
            }
        }
        Ok(None)
    }
}
