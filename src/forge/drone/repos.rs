//! Repositories, their secrets and their clocks.

use hyper::Method;
use serde::Serialize;

use super::api::{Api, repo};
use super::model::{Cron, Repository, Secret};
use crate::forge::error::ForgeError;

/// A secret that is written.
#[derive(Clone, Copy, Serialize)]
pub struct NewSecret<'a> {
    /// Name.
    pub name: &'a str,
    /// Value.
    pub data: &'a str,
    /// True where builds of pull requests get it.
    pub pull_request: bool,
}

/// A clock that is written.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewCron<'a> {
    /// Name.
    pub name: &'a str,
    /// When, with seconds first.
    pub expr: &'a str,
    /// The branch that is built.
    pub branch: &'a str,
}

impl Api {
    /// `GET /api/repos/OWNER/NAME`; `None` until a sync has seen it, or for whoever may not see it.
    ///
    /// # Errors
    /// 401 for a token that is none.
    pub async fn repo(&self, owner: &str, name: &str) -> Result<Option<Repository>, ForgeError> {
        self.0.find(&repo(owner, name, &[])).await
    }

    /// `POST /api/repos/OWNER/NAME`: builds it from now on, in the name of whoever asks. Deletes a hook of the
    /// repository that calls Drone's own host and makes it anew: to be called only where it is not active.
    ///
    /// # Errors
    /// 404 until a sync has seen it, 500 where the forge does not let Drone in.
    pub async fn enable(&self, owner: &str, name: &str) -> Result<Repository, ForgeError> {
        self.0.call(Method::POST, &repo(owner, name, &[])).await?.json()
    }

    /// `DELETE /api/repos/OWNER/NAME`: builds it no more; leaves its hook in the forge. False where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn disable(&self, owner: &str, name: &str) -> Result<bool, ForgeError> {
        self.0.delete(&repo(owner, name, &[])).await
    }

    /// `POST /api/repos/OWNER/NAME/repair`: reads it from the forge anew and makes its hook anew.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn repair(&self, owner: &str, name: &str) -> Result<(), ForgeError> {
        self.0.call(Method::POST, &repo(owner, name, &["repair"])).await?.success().map(drop)
    }

    /// `GET /api/repos/OWNER/NAME/secrets`; `None` without the repository.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn secrets(&self, owner: &str, name: &str) -> Result<Option<Vec<Secret>>, ForgeError> {
        let found = self.0.find::<Option<Vec<Secret>>>(&repo(owner, name, &["secrets"])).await?;
        Ok(found.map(Option::unwrap_or_default))
    }

    /// `POST /api/repos/OWNER/NAME/secrets`.
    ///
    /// # Errors
    /// 400 for a name or value that is none.
    pub async fn create_secret(
        &self,
        owner: &str,
        name: &str,
        secret: &NewSecret<'_>,
    ) -> Result<(), ForgeError> {
        self.0.write(Method::POST, &repo(owner, name, &["secrets"]), secret).await?.success().map(drop)
    }

    /// `PATCH /api/repos/OWNER/NAME/secrets/SECRET`.
    ///
    /// # Errors
    /// 404 where it is gone.
    pub async fn edit_secret(
        &self,
        owner: &str,
        name: &str,
        secret: &NewSecret<'_>,
    ) -> Result<(), ForgeError> {
        let target = repo(owner, name, &["secrets", secret.name]);
        self.0.write(Method::PATCH, &target, secret).await?.success().map(drop)
    }

    /// `DELETE /api/repos/OWNER/NAME/secrets/SECRET`; false where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_secret(&self, owner: &str, name: &str, secret: &str) -> Result<bool, ForgeError> {
        self.0.delete(&repo(owner, name, &["secrets", secret])).await
    }

    /// `GET /api/repos/OWNER/NAME/cron`; `None` without the repository.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn crons(&self, owner: &str, name: &str) -> Result<Option<Vec<Cron>>, ForgeError> {
        let found = self.0.find::<Option<Vec<Cron>>>(&repo(owner, name, &["cron"])).await?;
        Ok(found.map(Option::unwrap_or_default))
    }

    /// `POST /api/repos/OWNER/NAME/cron`.
    ///
    /// # Errors
    /// 400 for an expression that is none.
    pub async fn create_cron(&self, owner: &str, name: &str, cron: &NewCron<'_>) -> Result<Cron, ForgeError> {
        self.0.write(Method::POST, &repo(owner, name, &["cron"]), cron).await?.json()
    }

    /// `DELETE /api/repos/OWNER/NAME/cron/CRON`; false where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_cron(&self, owner: &str, name: &str, cron: &str) -> Result<bool, ForgeError> {
        self.0.delete(&repo(owner, name, &["cron", cron])).await
    }
}
