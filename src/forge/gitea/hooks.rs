//! Webhooks of repositories.

use hyper::Method;
use serde::Serialize;

use super::api::Api;
use super::model::Hook;
use crate::forge::caller::repo;
use crate::forge::error::ForgeError;
use crate::forge::http::path;

/// A webhook as it is written, always whole: what Gitea is not told it resets.
#[derive(Clone, Copy, Serialize)]
pub struct HookBody<'a> {
    /// Where it calls.
    pub url: &'a str,
    /// The key that deliveries are signed with. Ignored by [`Api::edit_hook`].
    pub secret: Option<&'a str>,
    /// Events, as Gitea takes them. What it does not know it drops without a word: read the hook back.
    pub events: &'a [String],
    /// False to turn it off.
    pub active: bool,
    /// Branches that it is limited to; empty for all.
    pub branch_filter: &'a str,
}

impl HookBody<'_> {
    fn body(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Config<'a> {
            url: &'a str,
            content_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secret: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            active: bool,
            branch_filter: &'a str,
            authorization_header: &'static str,
            config: Config<'a>,
            events: &'a [String],
        }
        Body {
            r#type: "gitea",
            active: self.active,
            branch_filter: self.branch_filter,
            authorization_header: "",
            config: Config { url: self.url, content_type: "json", secret: self.secret },
            events: self.events,
        }
    }
}

impl Api {
    /// `GET /repos/OWNER/NAME/hooks`; `None` without the repository.
    ///
    /// # Errors
    /// 403 for whoever does not administer it.
    pub async fn hooks(&self, owner: &str, name: &str) -> Result<Option<Vec<Hook>>, ForgeError> {
        self.list(&repo(owner, name, &["hooks"]), &[]).await
    }

    /// `GET /repos/OWNER/NAME/hooks/ID`.
    ///
    /// # Errors
    /// 403 for whoever does not administer it.
    pub async fn hook(&self, owner: &str, name: &str, id: i64) -> Result<Option<Hook>, ForgeError> {
        self.caller().find(&repo(owner, name, &["hooks", &id.to_string()])).await
    }

    /// `POST /repos/OWNER/NAME/hooks`.
    ///
    /// # Errors
    /// 403 for whoever does not administer it, 422 for a URL that is none.
    pub async fn create_hook(
        &self,
        owner: &str,
        name: &str,
        hook: &HookBody<'_>,
    ) -> Result<Hook, ForgeError> {
        self.caller().write(Method::POST, &repo(owner, name, &["hooks"]), &hook.body()).await?.json()
    }

    /// `PATCH /repos/OWNER/NAME/hooks/ID`; the secret stays as it is.
    ///
    /// # Errors
    /// 404 where it is gone.
    pub async fn edit_hook(
        &self,
        owner: &str,
        name: &str,
        id: i64,
        hook: &HookBody<'_>,
    ) -> Result<Hook, ForgeError> {
        let target = repo(owner, name, &["hooks", &id.to_string()]);
        self.caller().write(Method::PATCH, &target, &HookBody { secret: None, ..*hook }.body()).await?.json()
    }

    /// `DELETE /repos/OWNER/NAME/hooks/ID`; false where there is none.
    ///
    /// # Errors
    /// 403 for whoever does not administer it.
    pub async fn delete_hook(&self, owner: &str, name: &str, id: i64) -> Result<bool, ForgeError> {
        self.caller().delete(&repo(owner, name, &["hooks", &id.to_string()])).await
    }

    /// `POST /repos/OWNER/NAME/hooks/ID/tests`: a signed push delivery is sent, if the hook hears of pushes and the
    /// repository has a commit; Gitea says 204 in any case.
    ///
    /// # Errors
    /// 404 where it is gone.
    pub async fn test_hook(&self, owner: &str, name: &str, id: i64) -> Result<(), ForgeError> {
        let target = path(&["repos", owner, name, "hooks", &id.to_string(), "tests"]);
        self.caller().call(Method::POST, &target).await?.success().map(drop)
    }
}
