//! One Drone, and who asks it.

use hyper::header::HeaderName;
use hyper::{Method, StatusCode};

use super::model::{Account, Repository, Version};
use crate::forge::caller::Caller;
use crate::forge::error::ForgeError;
use crate::forge::http::{Call, Client, bearer, path};
use crate::secrets::SecretBytes;

/// One Drone, and who asks it.
#[derive(Clone)]
pub struct Api(pub(super) Caller);

/// Whether a Drone server answers at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Status of `GET /healthz`.
    pub status: u16,
    /// `license.kind` of `GET /varz`: `foss` is a build without the calls that runners need.
    pub license: String,
}

/// What a runner would be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// The secret is right.
    Right,
    /// 401: the secret is another one.
    Wrong,
    /// 403: the server has no secret.
    Unset,
    /// 404: the server was built without these calls, or something else answers in its place.
    Missing,
    /// Any other status; runners follow no redirect.
    Other(u16),
}

impl Ping {
    /// The HTTP status that it was.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Right => 200,
            Self::Wrong => 401,
            Self::Unset => 403,
            Self::Missing => 404,
            Self::Other(status) => status,
        }
    }
}

impl Api {
    /// Asked with a token.
    #[must_use]
    pub fn with_token(client: Client, token: &SecretBytes) -> Self {
        Self(Caller::new(client, "").authorized(bearer(token)))
    }

    /// Asked by nobody.
    #[must_use]
    pub const fn anonymous(client: Client) -> Self {
        Self(Caller::new(client, ""))
    }

    /// The client below it.
    #[must_use]
    pub const fn client(&self) -> &Client {
        self.0.client()
    }

    /// `GET /healthz` and `GET /varz`.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn health(&self) -> Result<Health, ForgeError> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct License {
            kind: String,
        }
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Varz {
            license: License,
        }
        let status = self.0.call(Method::GET, "/healthz").await?.status.as_u16();
        let varz = self.0.call(Method::GET, "/varz").await?.json::<Varz>();
        Ok(Health { status, license: varz.map(|varz| varz.license.kind).unwrap_or_default() })
    }

    /// `GET /version`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn version(&self) -> Result<Version, ForgeError> {
        self.0.get("/version").await
    }

    /// `GET /api/user`: who asks. Says nothing of whether the OAuth tokens that Drone holds are still good.
    ///
    /// # Errors
    /// 401 for a token that is none.
    pub async fn me(&self) -> Result<Account, ForgeError> {
        self.0.get("/api/user").await
    }

    /// `POST /api/user/repos`: reads the repositories from the forge anew, which is also the proof that the OAuth tokens
    /// of the user are good. Returns all of them.
    ///
    /// # Errors
    /// 500 where the forge does not let Drone in.
    pub async fn sync(&self) -> Result<Vec<Repository>, ForgeError> {
        let list: Option<Vec<Repository>> = self.0.call(Method::POST, "/api/user/repos").await?.json()?;
        Ok(list.unwrap_or_default())
    }

    /// `GET /api/user/repos`: the repositories of the last sync.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn repos(&self) -> Result<Vec<Repository>, ForgeError> {
        Ok(self.0.get::<Option<Vec<Repository>>>("/api/user/repos").await?.unwrap_or_default())
    }
}

/// `POST /rpc/v2/ping`, as a runner does when it starts.
///
/// # Errors
/// Nobody answers.
pub async fn ping(client: &Client, secret: &SecretBytes) -> Result<Ping, ForgeError> {
    let call = Call::new(Method::POST, "/rpc/v2/ping");
    let answer = client.send(call.header(HeaderName::from_static("x-drone-token"), secret.clone())).await?;
    Ok(match answer.status {
        status if status.is_success() => Ping::Right,
        StatusCode::UNAUTHORIZED => Ping::Wrong,
        StatusCode::FORBIDDEN => Ping::Unset,
        StatusCode::NOT_FOUND => Ping::Missing,
        status => Ping::Other(status.as_u16()),
    })
}

/// `/api/repos/OWNER/NAME` and what follows.
pub(super) fn repo(owner: &str, name: &str, rest: &[&str]) -> String {
    path(&[&["api", "repos", owner, name], rest].concat())
}
