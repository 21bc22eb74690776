//! One registry and the questions to it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hyper::{Method, StatusCode, Uri};
use serde_json::Value;

use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::manifest::{self, ACCEPT, Manifest};
use super::wire::{Answer, Ask, Wire, is_loopback};
use crate::manifest::Registry as Settings;
use crate::pins::{HUB, Locked, Reference};
use crate::secrets::{Login, SecretBytes};

/// Where Docker Hub's registry really is.
const HUB_HOST: &str = "registry-1.docker.io";
/// How often an answer may point elsewhere.
const REDIRECTS: usize = 5;

/// A registry, ready to be asked.
pub struct Registry {
    name: String,
    /// `https://registry.example.org:5000`.
    base: String,
    wire: Wire,
    login: Option<Login>,
    /// What the registry accepted last, by repository.
    accepted: Mutex<Vec<(String, SecretBytes)>>,
}

/// What is asked, for error texts.
struct About<'a> {
    image: &'a str,
    repository: &'a str,
}

impl Registry {
    /// A registry by its name in references. Loopback addresses are spoken to without TLS, unless `settings` name a CA.
    ///
    /// # Errors
    /// The CA file cannot be used, or the system has no roots.
    pub fn new(name: &str, settings: &Settings, login: Option<Login>) -> Result<Self, RegistryError> {
        let host = if name == HUB { HUB_HOST } else { name };
        let address = host.rsplit_once(':').map_or(host, |(address, _)| address);
        let plain = settings.plain_http || (is_loopback(address) && settings.ca.is_none());
        let ca: Option<&Path> = settings.ca.as_deref();
        let wire =
            Wire::new(ca).map_err(|why| RegistryError::Unreachable { registry: name.to_owned(), why })?;
        let base = format!("{}://{host}", if plain { "http" } else { "https" });
        Ok(Self { name: name.to_owned(), base, wire, login, accepted: Mutex::default() })
    }

    /// What a tag stands for now. `known` is what the lock file has: when the tag still stands for it, one `HEAD` is
    /// all that is asked, which registries do not count as a pull.
    ///
    /// # Errors
    /// Why there is no answer; see [`RegistryError`].
    pub async fn resolve(&self, image: &Reference, known: Option<&Locked>) -> Result<Locked, RegistryError> {
        let tagged = image.tagged();
        let about = About { image: &tagged, repository: &image.repository };
        let path = format!("manifests/{}", image.tag.as_deref().unwrap_or("latest"));
        if let Some(known) = known {
            let answer = self.ask(Method::HEAD, &path, ACCEPT, &about).await?;
            if answer.header("docker-content-digest") == known.digest {
                return Ok(known.clone());
            }
        }
        let answer = self.ask(Method::GET, &path, ACCEPT, &about).await?;
        let digest = manifest::digest(&answer.body);
        let said = answer.header("docker-content-digest");
        if !said.is_empty() && said != digest {
            let why = format!("the manifest is {digest}, its header says {said}");
            return Err(self.unusable(&about, why));
        }
        let platforms = match manifest::read(&answer.body).map_err(|why| self.unusable(&about, why))? {
            Manifest::Index(platforms) => platforms,
            Manifest::Image(config) => vec![self.platform(&config, &about).await?],
        };
        if platforms.is_empty() {
            return Err(self.unusable(&about, "it holds an image for no platform".to_owned()));
        }
        Ok(Locked { digest, platforms })
    }

    /// The platform that an image's configuration tells.
    async fn platform(&self, config: &str, about: &About<'_>) -> Result<String, RegistryError> {
        let answer = self.ask(Method::GET, &format!("blobs/{config}"), "", about).await?;
        if manifest::digest(&answer.body) != config {
            return Err(self.unusable(about, "its configuration has another digest".to_owned()));
        }
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        manifest::platform(&json)
            .ok_or_else(|| self.unusable(about, "its configuration tells no platform".to_owned()))
    }

    /// Asks about a repository; says who asks when the registry wants to know, and follows where it points.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        about: &About<'_>,
    ) -> Result<Answer, RegistryError> {
        let url = format!("{}/v2/{}/{path}", self.base, about.repository);
        let is_own = |uri: &Uri| {
            let origin = format!("{}://{}", uri.scheme_str().unwrap_or_default(), authority(uri));
            origin == self.base
        };
        let mut uri = self.uri(&url, about)?;
        let mut authorization = self.accepted(about.repository);
        let mut answered = false;
        for _ in 0..REDIRECTS {
            let ask =
                Ask { method: method.clone(), uri: &uri, accept, authorization: authorization.as_ref() };
            let answer = self.wire.ask(&ask).await.map_err(|why| self.unreachable(why))?;
            match answer.status {
                // Whoever the registry points to may ask for what he wants.
                StatusCode::UNAUTHORIZED if !is_own(&uri) => {
                    let why = format!("it points to `{}`, which asks for a login", authority(&uri));
                    return Err(self.unusable(about, why));
                }
                StatusCode::UNAUTHORIZED if !answered => {
                    answered = true;
                    let fresh = self.answer(&answer, about).await?;
                    self.accept(about.repository, &fresh);
                    authorization = Some(fresh);
                }
                status if status.is_redirection() => {
                    uri = self.uri(&target(&uri, answer.header("location")), about)?;
                    if uri.scheme_str() != Some("https") && self.base.starts_with("https:") {
                        return Err(self.unusable(about, "it points to an address without TLS".to_owned()));
                    }
                    // Another host gets no password and no token.
                    if !is_own(&uri) {
                        authorization = None;
                    }
                }
                status if status.is_success() => return Ok(answer),
                _ => return Err(self.refusal(&answer, about)),
            }
        }
        Err(self.unusable(about, "it points elsewhere again and again".to_owned()))
    }

    /// The authorization that an answer asks for.
    async fn answer(&self, answer: &Answer, about: &About<'_>) -> Result<SecretBytes, RegistryError> {
        let headers = answer.headers.get_all("www-authenticate").iter();
        let mut challenges = headers.filter_map(|value| challenge::parse(value.to_str().ok()?));
        match (challenges.next(), &self.login) {
            (Some(Challenge::Basic), Some(login)) => Ok(login.basic()),
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                let url = token_url(&realm, &service, &scope, about.repository);
                self.token(&url, about).await
            }
            (Some(Challenge::Basic), None) => Err(self.unauthorised(about)),
            (None, _) => Err(self.unusable(about, "it asks for a login of an unknown kind".to_owned())),
        }
    }

    /// A token for this repository.
    async fn token(&self, url: &str, about: &About<'_>) -> Result<SecretBytes, RegistryError> {
        let uri = self.uri(url, about)?;
        let plain = self.base.starts_with("http:");
        if uri.scheme_str() != Some("https") && !plain {
            return Err(
                self.unusable(about, format!("its token server `{}` is without TLS", authority(&uri)))
            );
        }
        let basic = self.login.as_ref().map(Login::basic);
        let ask = Ask { method: Method::GET, uri: &uri, accept: "", authorization: basic.as_ref() };
        let answer = self
            .wire
            .ask(&ask)
            .await
            .map_err(|why| self.unreachable(format!("its token server `{}`: {why}", authority(&uri))))?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, about));
        }
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| json.get(key).and_then(Value::as_str));
        match token {
            Some(token) => Ok(SecretBytes::new(format!("Bearer {token}").into_bytes())),
            None => Err(self.unusable(about, "its token server gives no token".to_owned())),
        }
    }

    fn accepted(&self, repository: &str) -> Option<SecretBytes> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.iter().find(|(name, _)| name == repository).map(|(_, value)| value.clone())
    }

    fn accept(&self, repository: &str, value: &SecretBytes) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.retain(|(name, _)| name != repository);
        accepted.push((repository.to_owned(), value.clone()));
    }

    fn refusal(&self, answer: &Answer, about: &About<'_>) -> RegistryError {
        let (registry, image) = (self.name.clone(), about.image.to_owned());
        match answer.status.as_u16() {
            401 | 403 => self.unauthorised(about),
            404 => RegistryError::Missing { registry, image },
            status => {
                let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let said = json.pointer("/errors/0/message").and_then(Value::as_str).unwrap_or_default();
                let reason = answer.status.canonical_reason().unwrap_or("no reason given");
                let message = if said.is_empty() { reason } else { said }.to_owned();
                RegistryError::Failed { registry, image, status, message }
            }
        }
    }

    fn unauthorised(&self, about: &About<'_>) -> RegistryError {
        let (who, hint) = match &self.login {
            Some(login) => (
                format!("the user `{}`", login.username),
                format!("check the password in the secret `{}`, and what the user may pull", login.secret),
            ),
            None => (
                "everybody without a login".to_owned(),
                format!("give `registries` of the manifest a `username` and `password` for `{}`", self.name),
            ),
        };
        RegistryError::Unauthorised { registry: self.name.clone(), image: about.image.to_owned(), who, hint }
    }

    fn uri(&self, url: &str, about: &About<'_>) -> Result<Uri, RegistryError> {
        url.parse().map_err(|_| self.unusable(about, format!("`{url}` is not an address")))
    }

    fn unreachable(&self, why: String) -> RegistryError {
        RegistryError::Unreachable { registry: self.name.clone(), why }
    }

    fn unusable(&self, about: &About<'_>, why: String) -> RegistryError {
        RegistryError::Answer { registry: self.name.clone(), image: about.image.to_owned(), why }
    }
}

fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

/// Where a redirect leads: an address, or a path on the same host.
fn target(from: &Uri, location: &str) -> String {
    if location.starts_with('/') && !location.starts_with("//") {
        format!("{}://{}{location}", from.scheme_str().unwrap_or("https"), authority(from))
    } else {
        location.to_owned()
    }
}

fn token_url(realm: &str, service: &str, scope: &str, repository: &str) -> String {
    let scope = if scope.is_empty() { format!("repository:{repository}:pull") } else { scope.to_owned() };
    let join = if realm.contains('?') { '&' } else { '?' };
    format!("{realm}{join}service={}&scope={}", encoded(service), encoded(&scope))
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
