//! Who asks a forge: what every call carries, and the few shapes that calls have.

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ForgeError;
use super::http::{Answer, Call, Client, Lines, path};
use crate::secrets::SecretBytes;

/// Who asks a forge.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    /// The folder of its API: `/api/v1`.
    root: &'static str,
    headers: Vec<(HeaderName, SecretBytes)>,
}

impl Caller {
    /// Nobody yet.
    pub(super) const fn new(client: Client, root: &'static str) -> Self {
        Self { client, root, headers: Vec::new() }
    }

    /// With this value of an `Authorization` header.
    pub(super) fn authorized(self, value: SecretBytes) -> Self {
        self.with(AUTHORIZATION, value)
    }

    /// With a header on every call.
    pub(super) fn with(mut self, name: HeaderName, value: SecretBytes) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    fn to(&self, method: Method, target: &str) -> Call {
        let call = Call::new(method, format!("{}{target}", self.root));
        self.headers.iter().fold(call, |call, (name, value)| call.header(name.clone(), value.clone()))
    }

    /// A call without a body.
    pub(super) async fn call(&self, method: Method, target: &str) -> Result<Answer, ForgeError> {
        self.client.send(self.to(method, target)).await
    }

    /// A call whose answer has no end in sight.
    pub(super) async fn stream(&self, target: &str) -> Result<Lines, ForgeError> {
        self.client.stream(self.to(Method::GET, target)).await
    }

    /// What is there.
    pub(super) async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ForgeError> {
        self.call(Method::GET, target).await?.json()
    }

    /// As [`Self::get`]; `None` where there is no such thing.
    pub(super) async fn find<T: DeserializeOwned>(&self, target: &str) -> Result<Option<T>, ForgeError> {
        self.call(Method::GET, target).await?.found()
    }

    /// A write with a body.
    pub(super) async fn write(
        &self,
        method: Method,
        target: &str,
        body: &impl Serialize,
    ) -> Result<Answer, ForgeError> {
        self.client.send(self.to(method, target).json(body)).await
    }

    /// `DELETE`; false where it is gone already.
    pub(super) async fn delete(&self, target: &str) -> Result<bool, ForgeError> {
        self.call(Method::DELETE, target).await?.there()
    }
}

/// `/repos/OWNER/NAME` and what follows.
pub(super) fn repo(owner: &str, name: &str, rest: &[&str]) -> String {
    path(&[&["repos", owner, name], rest].concat())
}

/// `/repos/OWNER/NAME/issues/comments/ID` and what follows.
pub(super) fn comment(owner: &str, name: &str, id: i64, rest: &[&str]) -> String {
    repo(owner, name, &[&["issues", "comments", &id.to_string()], rest].concat())
}
