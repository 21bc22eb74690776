//! Users, organisations, repositories and who may do what with them.

use hyper::Method;
use serde::Serialize;
use serde_json::Value;

use super::api::Api;
use super::model::{Collaborator, Permission, Repository, User};
use crate::forge::caller::repo;
use crate::forge::error::ForgeError;
use crate::forge::http::path;

impl Api {
    /// `GET /users/NAME`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn user(&self, name: &str) -> Result<Option<User>, ForgeError> {
        self.caller().find(&path(&["users", name])).await
    }

    /// `POST /admin/users`.
    ///
    /// # Errors
    /// 403 without an administrator, 422 for a name or address that is taken or no good.
    pub async fn create_user(&self, user: &impl Serialize) -> Result<User, ForgeError> {
        self.caller().write(Method::POST, "/admin/users", user).await?.json()
    }

    /// `PATCH /admin/users/NAME`.
    ///
    /// # Errors
    /// As [`Self::create_user`].
    pub async fn edit_user(&self, name: &str, user: &impl Serialize) -> Result<User, ForgeError> {
        self.caller().write(Method::PATCH, &path(&["admin", "users", name]), user).await?.json()
    }

    /// `DELETE /admin/users/NAME`; false where there is none. Gitea refuses while they own anything.
    ///
    /// # Errors
    /// 403 without an administrator, 422 while repositories or organisations are theirs.
    pub async fn delete_user(&self, name: &str) -> Result<bool, ForgeError> {
        self.caller().delete(&path(&["admin", "users", name])).await
    }

    /// `GET /orgs/NAME`, with every field: a change has to say them all again.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn org(&self, name: &str) -> Result<Option<Value>, ForgeError> {
        self.caller().find(&path(&["orgs", name])).await
    }

    /// `POST /orgs`, owned by whoever asks.
    ///
    /// # Errors
    /// 422 for a name that is taken or no good.
    pub async fn create_org(&self, org: &impl Serialize) -> Result<Value, ForgeError> {
        self.caller().write(Method::POST, "/orgs", org).await?.json()
    }

    /// `PATCH /orgs/NAME`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn edit_org(&self, name: &str, org: &impl Serialize) -> Result<Value, ForgeError> {
        self.caller().write(Method::PATCH, &path(&["orgs", name]), org).await?.json()
    }

    /// `DELETE /orgs/NAME`; false where there is none. Gitea refuses while it owns repositories.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_org(&self, name: &str) -> Result<bool, ForgeError> {
        self.caller().delete(&path(&["orgs", name])).await
    }

    /// `GET /repos/OWNER/NAME`; with [`Self::sudo`] its permissions are that user's, right for owners, members of teams
    /// and site administrators alike.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn repo(&self, owner: &str, name: &str) -> Result<Option<Repository>, ForgeError> {
        self.caller().find(&repo(owner, name, &[])).await
    }

    /// `POST /orgs/OWNER/repos` or `POST /admin/users/OWNER/repos`.
    ///
    /// # Errors
    /// 409 where it is there already, 404 without the owner.
    pub async fn create_repo(
        &self,
        owner: &str,
        is_org: bool,
        repo: &impl Serialize,
    ) -> Result<Repository, ForgeError> {
        let target =
            if is_org { path(&["orgs", owner, "repos"]) } else { path(&["admin", "users", owner, "repos"]) };
        self.caller().write(Method::POST, &target, repo).await?.json()
    }

    /// `PATCH /repos/OWNER/NAME`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn edit_repo(
        &self,
        owner: &str,
        name: &str,
        change: &impl Serialize,
    ) -> Result<Repository, ForgeError> {
        self.caller().write(Method::PATCH, &repo(owner, name, &[]), change).await?.json()
    }

    /// True where a user or organisation owns a repository.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn owns(&self, name: &str) -> Result<bool, ForgeError> {
        let target = path(&["users", name, "repos"]) + "?limit=1";
        Ok(self.caller().find::<Vec<Repository>>(&target).await?.is_some_and(|found| !found.is_empty()))
    }

    /// `GET /repos/OWNER/NAME/collaborators`; `None` without the repository.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn collaborators(
        &self,
        owner: &str,
        name: &str,
    ) -> Result<Option<Vec<Collaborator>>, ForgeError> {
        self.list(&repo(owner, name, &["collaborators"]), &[]).await
    }

    /// `GET /repos/OWNER/NAME/collaborators/USER/permission`; `None` without the user. Tells members of teams too little:
    /// see [`Self::repo`] with [`Self::sudo`].
    ///
    /// # Errors
    /// 403 for whoever is neither administrator nor the user.
    pub async fn permission(
        &self,
        owner: &str,
        name: &str,
        user: &str,
    ) -> Result<Option<Permission>, ForgeError> {
        self.caller().find(&repo(owner, name, &["collaborators", user, "permission"])).await
    }

    /// `PUT /repos/OWNER/NAME/collaborators/USER` with `read`, `write` or `admin`.
    ///
    /// # Errors
    /// 404 without the repository, 422 without the user.
    pub async fn put_collaborator(
        &self,
        owner: &str,
        name: &str,
        user: &str,
        permission: &str,
    ) -> Result<(), ForgeError> {
        let body = serde_json::json!({ "permission": permission });
        let target = repo(owner, name, &["collaborators", user]);
        self.caller().write(Method::PUT, &target, &body).await?.success().map(drop)
    }

    /// `DELETE /repos/OWNER/NAME/collaborators/USER`; false where they are none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_collaborator(&self, owner: &str, name: &str, user: &str) -> Result<bool, ForgeError> {
        self.caller().delete(&repo(owner, name, &["collaborators", user])).await
    }
}
