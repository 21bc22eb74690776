//! Access tokens and OAuth applications: what other programs get in with.

use hyper::Method;
use serde::Serialize;

use super::api::Api;
use super::model::{Application, Token};
use crate::forge::error::ForgeError;
use crate::forge::http::path;

impl Api {
    /// `GET /users/USER/tokens`; needs [`Api::with_password`]. `None` without the user.
    ///
    /// # Errors
    /// 401 when asked with a token.
    pub async fn tokens(&self, user: &str) -> Result<Option<Vec<Token>>, ForgeError> {
        self.list(&path(&["users", user, "tokens"]), &[]).await
    }

    /// `POST /users/USER/tokens`; needs [`Api::with_password`]. The value is told here and never again.
    ///
    /// # Errors
    /// 400 for a name that is taken, or a scope that is none.
    pub async fn create_token(&self, user: &str, name: &str, scopes: &[String]) -> Result<Token, ForgeError> {
        let body = serde_json::json!({ "name": name, "scopes": scopes });
        self.write(Method::POST, &path(&["users", user, "tokens"]), &body).await?.json()
    }

    /// `DELETE /users/USER/tokens/ID`; needs [`Api::with_password`]. False where there is none.
    ///
    /// # Errors
    /// 401 when asked with a token.
    pub async fn delete_token(&self, user: &str, id: i64) -> Result<bool, ForgeError> {
        self.delete(&path(&["users", user, "tokens", &id.to_string()])).await
    }

    /// `GET /user/applications/oauth2` of whoever asks.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn applications(&self) -> Result<Vec<Application>, ForgeError> {
        Ok(self.list("/user/applications/oauth2", &[]).await?.unwrap_or_default())
    }

    /// `POST /user/applications/oauth2` for whoever asks. The secret is told here.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn create_application(&self, application: &impl Serialize) -> Result<Application, ForgeError> {
        self.write(Method::POST, "/user/applications/oauth2", application).await?.json()
    }

    /// `PATCH /user/applications/oauth2/ID`: always makes a new secret, which is told here.
    ///
    /// # Errors
    /// 404 where it is gone.
    pub async fn edit_application(
        &self,
        id: i64,
        application: &impl Serialize,
    ) -> Result<Application, ForgeError> {
        let target = path(&["user", "applications", "oauth2", &id.to_string()]);
        self.write(Method::PATCH, &target, application).await?.json()
    }

    /// `DELETE /user/applications/oauth2/ID`; false where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_application(&self, id: i64) -> Result<bool, ForgeError> {
        self.delete(&path(&["user", "applications", "oauth2", &id.to_string()])).await
    }
}
