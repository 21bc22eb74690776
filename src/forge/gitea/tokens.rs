//! Access tokens and OAuth applications: what other programs get in with.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::model::{Application, Token};
use crate::forge::error::ForgeError;
use crate::forge::http::{Call, path};

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
        self.caller().write(Method::POST, &path(&["users", user, "tokens"]), &body).await?.json()
    }

    /// `DELETE /users/USER/tokens/ID`; needs [`Api::with_password`]. False where there is none.
    ///
    /// # Errors
    /// 401 when asked with a token.
    pub async fn delete_token(&self, user: &str, id: i64) -> Result<bool, ForgeError> {
        self.caller().delete(&path(&["users", user, "tokens", &id.to_string()])).await
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
        self.caller().write(Method::POST, "/user/applications/oauth2", application).await?.json()
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
        self.caller().write(Method::PATCH, &target, application).await?.json()
    }

    /// `POST /login/oauth/access_token` with a code that is none: whether the client secret is right. Gitea looks at the
    /// secret first, and changes nothing. Asked without anybody's login, which would be taken for the client's.
    ///
    /// # Errors
    /// Why there is no answer, or one in words that are not known.
    pub async fn takes(&self, client_id: &str, client_secret: &str) -> Result<bool, ForgeError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Said {
            error: String,
            error_description: String,
        }
        const TARGET: &str = "/login/oauth/access_token";
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("client_secret", client_secret),
            ("code", "none"),
        ];
        let answer = self.client().send(Call::new(Method::POST, TARGET).form(&form)).await?;
        let status = answer.status;
        let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (said.error.as_str(), said.error_description.as_str()) {
            ("invalid_client", _) | (_, "invalid client secret") => Ok(false),
            (_, "client is not authorized") => Ok(true),
            _ => Err(ForgeError::Answer {
                method: Method::POST.to_string(),
                url: format!("{}{TARGET}", self.client().base()),
                why: format!(
                    "it says neither that it takes the client nor that it does not ({})",
                    status.as_u16()
                ),
            }),
        }
    }

    /// `DELETE /user/applications/oauth2/ID`; false where there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn delete_application(&self, id: i64) -> Result<bool, ForgeError> {
        self.caller().delete(&path(&["user", "applications", "oauth2", &id.to_string()])).await
    }
}
