//! One Gitea, and who asks it.

use hyper::{Method, header::HeaderName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::model::User;
use crate::forge::error::ForgeError;
use crate::forge::http::{Answer, Call, Client, basic, bearer, path, query};
use crate::secrets::SecretBytes;

/// Entries a page; Gitea's own largest unless it is configured otherwise, so that a shorter page says nothing.
const PAGE: usize = 50;
/// Nothing that is listed here is longer.
const MOST_PAGES: usize = 400;

/// One Gitea, and who asks it.
#[derive(Clone)]
pub struct Api {
    client: Client,
    authorization: Option<SecretBytes>,
    sudo: Option<String>,
}

impl Api {
    /// Asked with an access token.
    #[must_use]
    pub fn with_token(client: Client, token: &SecretBytes) -> Self {
        Self { client, authorization: Some(bearer(token)), sudo: None }
    }

    /// Asked with a name and a password, which calls about tokens insist on.
    #[must_use]
    pub fn with_password(client: Client, user: &str, password: &SecretBytes) -> Self {
        Self { client, authorization: Some(basic(user, password)), sudo: None }
    }

    /// Asked by nobody.
    #[must_use]
    pub const fn anonymous(client: Client) -> Self {
        Self { client, authorization: None, sudo: None }
    }

    /// As it is, in the name of another user; only a site administrator may.
    #[must_use]
    pub fn sudo(&self, user: &str) -> Self {
        Self { sudo: Some(user.to_owned()), ..self.clone() }
    }

    /// The client below it.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// `GET /version`: `1.26.4`, or `development` of a build that was not told.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn version(&self) -> Result<String, ForgeError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        Ok(self.get::<Version>("/version").await?.version)
    }

    /// `GET /user`: who asks. A token needs the scope `read:user`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn me(&self) -> Result<User, ForgeError> {
        self.get("/user").await
    }

    pub(super) async fn call(&self, call: Call) -> Result<Answer, ForgeError> {
        let mut call = call;
        if let Some(authorization) = &self.authorization {
            call = call.authorized(authorization.clone());
        }
        if let Some(sudo) = &self.sudo {
            let value = SecretBytes::new(sudo.clone().into_bytes());
            call = call.header(HeaderName::from_static("sudo"), value);
        }
        self.client.send(call).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ForgeError> {
        self.call(Self::on(Method::GET, target)).await?.json()
    }

    /// As [`Self::get`]; `None` where there is no such thing.
    pub(super) async fn find<T: DeserializeOwned>(&self, target: &str) -> Result<Option<T>, ForgeError> {
        self.call(Self::on(Method::GET, target)).await?.found()
    }

    /// Every entry of a list; `None` where what it belongs to is not there.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        target: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Option<Vec<T>>, ForgeError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let (page, limit) = (page.to_string(), PAGE.to_string());
            let mut pairs = pairs.to_vec();
            pairs.extend([("page", page.as_str()), ("limit", limit.as_str())]);
            let answer = self.call(Self::on(Method::GET, &format!("{target}{}", query(&pairs)))).await?;
            let total = answer.header("x-total-count").parse::<usize>().ok();
            let Some(entries) = answer.found::<Option<Vec<T>>>()? else { return Ok(None) };
            let entries = entries.unwrap_or_default();
            let last = entries.is_empty() || total.is_some_and(|total| all.len() + entries.len() >= total);
            all.extend(entries);
            if last {
                break;
            }
        }
        Ok(Some(all))
    }

    /// A write with a body.
    pub(super) async fn write(
        &self,
        method: Method,
        target: &str,
        body: &impl Serialize,
    ) -> Result<Answer, ForgeError> {
        self.call(Self::on(method, target).json(body)).await
    }

    /// `DELETE`; false where it is gone already.
    pub(super) async fn delete(&self, target: &str) -> Result<bool, ForgeError> {
        self.call(Self::on(Method::DELETE, target)).await?.there()
    }

    pub(super) fn on(method: Method, target: &str) -> Call {
        Call::new(method, format!("/api/v1{target}"))
    }
}

/// `/repos/OWNER/NAME` and what follows.
pub(super) fn repo(owner: &str, name: &str, rest: &[&str]) -> String {
    path(&[&["repos", owner, name], rest].concat())
}
