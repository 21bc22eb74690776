//! Bringing images in. The engine answers 200 first and tells of a failure in the stream, so the stream is read.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bollard::models::ErrorDetail;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::transport::REGISTRY_AUTH;
use super::{Engine, EngineError, STREAM_SECONDS};
use crate::pins::Reference;
use crate::secrets::Login;
use crate::web::encoded;

/// The call that brings an image of a registry.
const PULL: &str = "POST /images/create";
/// The call that brings an image of ours.
const LOAD: &str = "POST /images/load";
/// How long the engine may say nothing while it pulls: it tells its progress.
const PULL_SILENCE: Duration = Duration::from_secs(300);
/// How long a load may take: it is told of when all of it is unpacked.
const LOAD_TIME: Duration = Duration::from_secs(STREAM_SECONDS);
/// Between two attempts to remove what is in use.
const AGAIN: Duration = Duration::from_millis(250);
/// The longest line of progress.
const LINE: usize = 1 << 20;

impl Engine {
    /// Streams a docker-archive into `POST /images/load`. `image` names it in errors.
    ///
    /// # Errors
    /// [`EngineError::Image`] with the engine's words when the archive is refused or breaks off.
    pub async fn load_image<S>(&self, image: &str, archive: S) -> Result<(), EngineError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let mut lines = self.docker.import_image_stream(options, archive, None);
        while let Some(line) = within(LOAD, LOAD_TIME, lines.next()).await? {
            settle(image, line.map(|line| line.error_detail))?;
        }
        Ok(())
    }

    /// Pulls `name:tag@sha256:…` from its registry.
    ///
    /// # Errors
    /// [`EngineError::Image`] with the engine's or the registry's words.
    pub async fn pull(&self, reference: &str, login: Option<&Login>) -> Result<(), EngineError> {
        // bollard would send the login in an alphabet that the engine does not read.
        let path = format!("{}/images/create?fromImage={}", self.transport.prefix(), encoded(reference));
        let mut request = Request::post(path)
            .body(Empty::<Bytes>::new())
            .map_err(|e| EngineError::Answer { call: PULL.into(), source: e.into() })?;
        if let Some(login) = login {
            request.headers_mut().insert(REGISTRY_AUTH, auth_header(login, reference)?);
        }
        let answer = within(PULL, PULL_SILENCE, self.transport.stream(request)).await??;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut lines = Vec::new();
        let mut failure = None;
        while let Some(frame) = within(PULL, PULL_SILENCE, body.frame()).await? {
            let frame = frame.map_err(|e| EngineError::Lost { call: PULL.into(), source: e.into() })?;
            lines.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            if lines.len() > LINE {
                let source = format!("a line of it is longer than {} MiB", LINE >> 20).into();
                return Err(EngineError::Answer { call: PULL.into(), source });
            }
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                failure = failure.or_else(|| told(&line));
            }
        }
        let said = failure.or_else(|| told(&lines));
        if (502..=504).contains(&status.as_u16()) {
            let message = said.unwrap_or_default();
            return Err(EngineError::Refused { call: PULL.to_owned(), status: status.as_u16(), message });
        }
        match said {
            None if status.is_success() => Ok(()),
            None => Err(refused(reference, login, format!("the engine answered {status}"))),
            Some(message) => Err(refused(reference, login, message)),
        }
    }

    /// Removes a name of an image, and the image with its last name; never by force. One that is not there any more is
    /// a success. As long as `patience` says, whatever uses it is waited for.
    ///
    /// # Errors
    /// [`EngineError::is_in_use`] while something uses it; else why the engine refused.
    pub async fn remove_image(&self, name: &str, patience: Duration) -> Result<(), EngineError> {
        let began = Instant::now();
        loop {
            match self.transport.delete(&format!("/images/{name}")).await {
                Err(EngineError::NotFound { .. }) => return Ok(()),
                Err(error) if error.is_in_use() && began.elapsed() < patience => sleep(AGAIN).await,
                other => return other,
            }
        }
    }
}

/// Waits for the next part of an answer that comes in parts.
async fn within<T>(call: &str, time: Duration, part: impl Future<Output = T>) -> Result<T, EngineError> {
    let timeout = |_| EngineError::Timeout { call: call.to_owned(), seconds: time.as_secs() };
    tokio::time::timeout(time, part).await.map_err(timeout)
}

/// The login for an image's registry.
#[must_use]
pub fn login_of<'l>(image: &str, logins: &'l BTreeMap<String, Login>) -> Option<&'l Login> {
    if logins.is_empty() {
        return None;
    }
    logins.get(&Reference::parse(image)?.registry)
}

/// The header that carries a login; never logged, and from memory that is wiped afterwards.
pub(crate) fn auth_header(login: &Login, image: &str) -> Result<HeaderValue, EngineError> {
    let text = login.engine_header().map(|text| Bytes::from_owner(Zeroizing::new(text.expose().to_vec())));
    match text.map(HeaderValue::from_maybe_shared) {
        Some(Ok(mut value)) => {
            value.set_sensitive(true);
            Ok(value)
        }
        Some(Err(_)) | None => Err(EngineError::Image {
            image: image.to_owned(),
            message: format!("the password in the secret `{}` is no text", login.secret),
        }),
    }
}

/// What went wrong, from a line of the answer to a pull, or from an error's body.
fn told(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text =
        ["/errorDetail/message", "/error", "/message"].iter().find_map(|path| line.pointer(path)?.as_str());
    text.map(str::to_owned)
}

/// Says whose login was refused, where that was the reason.
fn refused(image: &str, login: Option<&Login>, mut message: String) -> EngineError {
    let lower = message.to_lowercase();
    if ["unauthorized", "denied", "authentication", "no basic auth"].iter().any(|word| lower.contains(word)) {
        let registry = Reference::parse(image).map(|image| image.registry).unwrap_or_default();
        let who = match login {
            Some(login) => format!(
                "`{registry}` was asked as the user `{}`; check the password in the secret `{}`",
                login.username, login.secret
            ),
            None => format!(
                "`{registry}` was asked without a login; give `registries` of the manifest one for `{registry}`"
            ),
        };
        message = format!("{message} ({who})");
    }
    EngineError::Image { image: image.to_owned(), message }
}

fn settle(image: &str, line: Result<Option<ErrorDetail>, bollard::errors::Error>) -> Result<(), EngineError> {
    let message = match line {
        Ok(None) => return Ok(()),
        Ok(Some(detail)) => detail.message.unwrap_or_else(|| "the engine gives no reason".to_owned()),
        Err(bollard::errors::Error::DockerStreamError { error }) => error,
        Err(bollard::errors::Error::DockerResponseServerError { message, .. }) => message,
        // Whether it was loaded is not known, unless what was sent came to no end.
        Err(other) if !is_own(&other) => {
            let source = chain(&other).into();
            return Err(EngineError::Lost { call: LOAD.to_owned(), source });
        }
        Err(own) => chain(&own),
    };
    Err(EngineError::Image { image: image.to_owned(), message })
}

/// True when the archive that was being sent broke off, and not the connection.
fn is_own(error: &bollard::errors::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user))
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_goes_to_its_own_registry_and_to_no_other() {
        let hosts = ["registry.example.org", "registry.example.org:5000", "docker.io"];
        let mut manifest = json!({ "version": 1, "host": { "name": "h" }, "registries": {} });
        let mut unlocked = crate::secrets::Unlocked::default();
        for host in hosts {
            manifest["registries"][host] = json!({ "username": "u", "password": { "secret": host } });
            unlocked.values.insert(host.to_owned(), crate::secrets::SecretBytes::new(vec![]));
        }
        let logins = crate::secrets::logins(&serde_json::from_value(manifest).unwrap(), &unlocked);
        for (image, wanted) in [
            ("registry.example.org/app:1", Some(hosts[0])),
            ("registry.example.org:5000/app:1", Some(hosts[1])),
            ("nginx:1.27", Some(hosts[2])),
            ("team/nginx:1.27", Some(hosts[2])),
            ("example.org/registry.example.org/app:1", None),
            ("registry.example.org.example.net/app:1", None),
            ("registry.example.org:443/app:1", None),
        ] {
            let found = login_of(image, &logins).map(|login| login.registry.as_str());
            assert_eq!(found, wanted, "{image}");
        }
    }
}
