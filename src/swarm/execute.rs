//! Writes, one function for each kind of thing.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::images::{auth_header, login_of};
use super::transport::parse;
use super::{Engine, EngineError};
use crate::observed::at;
use crate::plan::SwarmAction;
use crate::secrets::{SecretBytes, Unlocked};

/// How long something that was removed may linger: tasks stop first (10 s of grace by default), networks follow them.
const LINGER: Duration = Duration::from_secs(90);
/// How long a new overlay network is given to get its addresses; it takes a few hundredths of a second.
const ADDRESSES: Duration = Duration::from_secs(5);
/// Between two looks at something that lingers.
const AGAIN: Duration = Duration::from_millis(150);

impl Engine {
    /// Does one write (or, for [`SwarmAction::Converge`], one wait) and returns when it has taken effect. Removing what
    /// is not there is a success.
    ///
    /// # Errors
    /// [`EngineError::OutOfSequence`] and [`EngineError::AlreadyExists`] when the world is not as it was observed:
    /// observe and plan again. [`EngineError::Lost`] when it is not known whether the write took effect. Else why the
    /// engine refused.
    pub async fn execute(&self, action: &SwarmAction, values: &Unlocked) -> Result<(), EngineError> {
        match action {
            SwarmAction::Init(body) => self.create("/swarm/init", body).await,
            SwarmAction::UpdateSwarm { version, spec } => {
                self.create(&format!("/swarm/update?version={version}"), spec).await
            }
            SwarmAction::UpdateNode { id, version, spec } => self.update("nodes", id, *version, spec).await,
            SwarmAction::CreateNetwork(body) => self.create_network(body).await,
            SwarmAction::RemoveNetwork(id) => self.remove_network(id).await,
            SwarmAction::CreateConfig(body) => self.create("/configs/create", body).await,
            SwarmAction::UpdateConfig { id, version, spec } => {
                self.update("configs", id, *version, spec).await
            }
            SwarmAction::RemoveConfig(id) => self.remove(&format!("/configs/{id}")).await,
            SwarmAction::CreateSecret { name, source, labels } => {
                let value = values.values.get(source).ok_or_else(|| EngineError::NoValue {
                    name: name.clone(),
                    source_name: source.clone(),
                })?;
                self.create_secret(name, labels, value).await
            }
            SwarmAction::RemoveSecret(id) => self.remove(&format!("/secrets/{id}")).await,
            SwarmAction::CreateService(body) => self.write_service("/services/create", body, values).await,
            SwarmAction::UpdateService { id, version, spec } => {
                let path = format!("/services/{id}/update?version={version}");
                self.write_service(&path, spec, values).await
            }
            SwarmAction::RemoveService(id) => self.remove_service(id).await,
            SwarmAction::RemoveVolume(name) => self.remove_volume(name).await,
            SwarmAction::Converge { services, deadline } => self
                .converge(services, *deadline, &mut |_| ())
                .await
                .map(drop)
                .map_err(|e| EngineError::NotConverged(Box::new(e))),
        }
    }

    async fn create(&self, path: &str, body: &Value) -> Result<(), EngineError> {
        self.transport.post(path, body).await.map(drop)
    }

    /// Makes or changes a service, with the login of its image's registry for every node that will pull it. Without
    /// one, the engine keeps the login that it has.
    async fn write_service(&self, path: &str, body: &Value, values: &Unlocked) -> Result<(), EngineError> {
        let image = at(body, "/TaskTemplate/ContainerSpec/Image").as_str().unwrap_or_default();
        let Some(login) = login_of(image, &values.logins) else { return self.create(path, body).await };
        let bytes = Bytes::from(body.to_string());
        self.transport.call_as(Method::POST, path, bytes, Some(auth_header(login, image)?)).await.map(drop)
    }

    async fn update(&self, kind: &str, id: &str, version: u64, spec: &Value) -> Result<(), EngineError> {
        self.create(&format!("/{kind}/{id}/update?version={version}"), spec).await
    }

    /// Removes what may not be there any more.
    async fn remove(&self, path: &str) -> Result<(), EngineError> {
        match self.transport.delete(path).await {
            Err(EngineError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// The body is built and sent from memory that is wiped afterwards.
    async fn create_secret(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: &SecretBytes,
    ) -> Result<(), EngineError> {
        let body = secret_body(name, labels, value)?;
        self.transport.call(Method::POST, "/secrets/create", Bytes::from_owner(body)).await.map(drop)
    }

    /// Removes a service and waits until none of its tasks is left, so that what they held can be removed next.
    async fn remove_service(&self, id: &str) -> Result<(), EngineError> {
        self.remove(&format!("/services/{id}")).await?;
        let began = Instant::now();
        loop {
            // Filtering by a service that is gone is an error, so all tasks are listed.
            let tasks = self.transport.get("/tasks").await?;
            let left =
                tasks.as_array().into_iter().flatten().filter(|task| at(task, "/ServiceID") == id).count();
            if left == 0 {
                return Ok(());
            }
            self.linger(began, format!("service `{id}`"), || format!("{left} of its tasks remain")).await?;
        }
    }

    /// Makes a network and, for an overlay, waits until the swarm has given it its addresses: before, the engine tells
    /// it without the options and subnets that it was asked for. Where the swarm gives none, tasks will say why.
    async fn create_network(&self, body: &Value) -> Result<(), EngineError> {
        let answer = self.transport.post("/networks/create", body).await?;
        let made = parse(&answer, || "POST /networks/create".to_owned())?;
        let Some(id) = at(&made, "/Id").as_str().filter(|_| at(body, "/Driver") == "overlay") else {
            return Ok(());
        };
        let began = Instant::now();
        while began.elapsed() < ADDRESSES {
            let network = self.transport.get(&format!("/networks/{id}")).await?;
            if at(&network, "/IPAM/Config/0").is_object() && at(&network, "/Options").is_object() {
                break;
            }
            sleep(AGAIN / 5).await;
        }
        Ok(())
    }

    /// Removes a network once nothing uses it, and waits until its name is free.
    async fn remove_network(&self, id: &str) -> Result<(), EngineError> {
        let path = format!("/networks/{id}");
        let what = || format!("network `{id}`");
        self.remove_used(&path, what()).await?;
        let began = Instant::now();
        loop {
            match self.transport.get(&path).await {
                Err(EngineError::NotFound { .. }) => return Ok(()),
                Err(other) => return Err(other),
                Ok(_) => self.linger(began, what(), || "the engine still lists it".to_owned()).await?,
            }
        }
    }

    /// Removes a volume of this node; the containers that held it may still be going.
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.remove_used(&format!("/volumes/{name}"), format!("volume `{name}`")).await
    }

    /// Removes something, again and again while the engine says that it is in use.
    async fn remove_used(&self, path: &str, what: String) -> Result<(), EngineError> {
        let began = Instant::now();
        loop {
            match self.remove(path).await {
                Err(EngineError::Refused { message, .. }) if is_in_use(&message) => {
                    self.linger(began, what.clone(), || message).await?;
                }
                other => return other,
            }
        }
    }

    async fn linger(
        &self,
        began: Instant,
        what: String,
        message: impl FnOnce() -> String,
    ) -> Result<(), EngineError> {
        if began.elapsed() > LINGER {
            return Err(EngineError::Stuck { what, seconds: LINGER.as_secs(), message: message() });
        }
        sleep(AGAIN).await;
        Ok(())
    }
}

fn is_in_use(message: &str) -> bool {
    message.contains("in use") || message.contains("has active endpoints")
}

/// `{"Name":…,"Labels":…,"Data":"<base64>"}`, in one allocation that is never grown and is wiped when dropped.
fn secret_body(
    name: &str,
    labels: &BTreeMap<String, String>,
    value: &SecretBytes,
) -> Result<Zeroizing<Vec<u8>>, EngineError> {
    let unbuilt = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Answer {
        call: format!("POST /secrets/create for `{name}`"),
        source,
    };
    let head = format!(r#"{{"Name":{},"Labels":{},"Data":""#, Value::from(name), serde_json::json!(labels));
    let encoded = base64::encoded_len(value.expose().len(), true).unwrap_or_default();
    let mut body = Zeroizing::new(Vec::with_capacity(head.len() + encoded + 2));
    body.extend_from_slice(head.as_bytes());
    let start = body.len();
    body.resize(start + encoded, 0);
    let room = body.get_mut(start..).unwrap_or_default();
    STANDARD.encode_slice(value.expose(), room).map_err(|e| unbuilt(e.into()))?;
    body.extend_from_slice(br#""}"#);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_body_is_json_with_the_bytes_in_base64() {
        let labels = BTreeMap::from([("com.docker.stack.namespace".to_owned(), "a\"b".to_owned())]);
        for bytes in [vec![], vec![0, 255, 10], vec![b'x'; 1000]] {
            let body = secret_body("web_\"key\"_0123", &labels, &SecretBytes::new(bytes.clone())).unwrap();
            let read: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(read["Name"], "web_\"key\"_0123");
            assert_eq!(read["Labels"]["com.docker.stack.namespace"], "a\"b");
            assert_eq!(STANDARD.decode(read["Data"].as_str().unwrap()).unwrap(), bytes);
            assert_eq!(body.len(), body.capacity(), "the buffer must not have grown");
        }
    }
}
