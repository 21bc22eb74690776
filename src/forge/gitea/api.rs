//! One Gitea, and who asks it.

use hyper::{Method, header::HeaderName};
use serde::de::DeserializeOwned;

use super::model::User;
use crate::forge::caller::Caller;
use crate::forge::error::ForgeError;
use crate::forge::http::{Client, basic, bearer, query};
use crate::secrets::SecretBytes;

/// The folder of its API.
const ROOT: &str = "/api/v1";
/// Entries a page; Gitea's own largest unless it is configured otherwise, so that a shorter page says nothing.
const PAGE: usize = 50;
/// Nothing that is listed here has more entries.
const MOST: usize = 400 * PAGE;

/// A page, and how many entries there are in all, where that is told.
type Page<T> = (Vec<T>, Option<usize>);

/// One Gitea, and who asks it.
#[derive(Clone)]
pub struct Api(Caller);

impl Api {
    /// Asked with an access token.
    #[must_use]
    pub fn with_token(client: Client, token: &SecretBytes) -> Self {
        Self(Caller::new(client, ROOT).authorized(bearer(token)))
    }

    /// Asked with a name and a password, which calls about tokens insist on.
    #[must_use]
    pub fn with_password(client: Client, user: &str, password: &SecretBytes) -> Self {
        Self(Caller::new(client, ROOT).authorized(basic(user, password)))
    }

    /// Asked by nobody.
    #[must_use]
    pub const fn anonymous(client: Client) -> Self {
        Self(Caller::new(client, ROOT))
    }

    /// As it is, in the name of another user; only a site administrator may.
    #[must_use]
    pub fn sudo(&self, user: &str) -> Self {
        let value = SecretBytes::new(user.as_bytes().to_vec());
        Self(self.0.clone().with(HeaderName::from_static("sudo"), value))
    }

    /// Who asks.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// The client below it.
    #[must_use]
    pub const fn client(&self) -> &Client {
        self.0.client()
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
        Ok(self.0.get::<Version>("/version").await?.version)
    }

    /// `GET /user`: who asks. A token needs the scope `read:user`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn me(&self) -> Result<User, ForgeError> {
        self.0.get("/user").await
    }

    /// Every entry of a list; `None` where what it belongs to is not there.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        target: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Option<Vec<T>>, ForgeError> {
        self.listed(target, pairs, (&|_| true, false)).await
    }

    /// As [`Self::list`], of what anybody may write: only those entries that are wanted, and none that is longer than any
    /// answer may be.
    pub(super) async fn list_some<T: DeserializeOwned>(
        &self,
        target: &str,
        pairs: &[(&str, &str)],
        wanted: &(dyn Fn(&T) -> bool + Sync),
    ) -> Result<Option<Vec<T>>, ForgeError> {
        self.listed(target, pairs, (wanted, true)).await
    }

    async fn listed<T: DeserializeOwned>(
        &self,
        target: &str,
        pairs: &[(&str, &str)],
        (wanted, skips): (&(dyn Fn(&T) -> bool + Sync), bool),
    ) -> Result<Option<Vec<T>>, ForgeError> {
        let (mut all, mut passed, mut page, mut size) = (Vec::new(), 0, 1, PAGE);
        while passed < MOST {
            let (entries, total) = match self.page(target, pairs, (page, size)).await {
                Ok(Some(read)) => read,
                Ok(None) => return Ok(None),
                // Some of what people write is long: from here on the others are read one by one.
                Err(ForgeError::Long { .. }) if size > 1 => {
                    (page, size) = (passed + 1, 1);
                    continue;
                }
                Err(ForgeError::Long { .. }) if skips => {
                    (page, passed) = (page + 1, passed + 1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            (page, passed) = (page + 1, passed + entries.len());
            let last = entries.is_empty() || total.is_some_and(|total| passed >= total);
            all.extend(entries.into_iter().filter(wanted));
            if last {
                break;
            }
        }
        Ok(Some(all))
    }

    async fn page<T: DeserializeOwned>(
        &self,
        target: &str,
        pairs: &[(&str, &str)],
        (page, size): (usize, usize),
    ) -> Result<Option<Page<T>>, ForgeError> {
        let (page, limit) = (page.to_string(), size.to_string());
        let mut pairs = pairs.to_vec();
        pairs.extend([("page", page.as_str()), ("limit", limit.as_str())]);
        let answer = self.0.call(Method::GET, &format!("{target}{}", query(&pairs))).await?;
        let total = answer.header("x-total-count").parse::<usize>().ok();
        let entries = answer.found::<Option<Vec<T>>>()?;
        Ok(entries.map(|entries| (entries.unwrap_or_default(), total)))
    }
}
