//! What a write says to the engine: method, path and body, before anything is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::EngineError;
use crate::plan::SwarmAction;
use crate::secrets::{SecretBytes, Unlocked};

/// A `POST` that is ready to be sent.
pub struct Write {
    /// Path and query, `/services/create`, without a version.
    pub path: String,
    /// JSON; wiped when dropped, as it may hold a secret.
    pub body: Zeroizing<Vec<u8>>,
}

impl Write {
    /// The request of an action; `None` for one that removes or waits.
    ///
    /// # Errors
    /// A secret whose value is not there.
    pub fn of(action: &SwarmAction, values: &Unlocked) -> Result<Option<Self>, EngineError> {
        let update = |kind: &str, id: &str, version: &u64| format!("/{kind}/{id}/update?version={version}");
        let (path, body) = match action {
            SwarmAction::Init(body) => ("/swarm/init".to_owned(), body),
            SwarmAction::UpdateSwarm { version, spec } => (format!("/swarm/update?version={version}"), spec),
            SwarmAction::UpdateNode { id, version, spec } => (update("nodes", id, version), spec),
            SwarmAction::CreateNetwork(body) => ("/networks/create".to_owned(), body),
            SwarmAction::CreateConfig(body) => ("/configs/create".to_owned(), body),
            SwarmAction::UpdateConfig { id, version, spec } => (update("configs", id, version), spec),
            SwarmAction::CreateService(body) => ("/services/create".to_owned(), body),
            SwarmAction::UpdateService { id, version, spec } => (update("services", id, version), spec),
            SwarmAction::CreateSecret(secret) => {
                let mut head = json!({ "Name": secret.name, "Labels": secret.labels });
                for (key, value) in [("Driver", &secret.driver), ("Templating", &secret.templating)] {
                    if let Some((value, map)) = value.as_ref().zip(head.as_object_mut()) {
                        map.insert(key.to_owned(), value.clone());
                    }
                }
                let value = match values.values.get(&secret.source) {
                    _ if secret.driver.is_some() => None,
                    Some(value) => Some(value),
                    None => {
                        let (name, source_name) = (secret.name.clone(), secret.source.clone());
                        return Err(EngineError::NoValue { name, source_name });
                    }
                };
                let body = secret_body(&secret.name, &head, value)?;
                return Ok(Some(Self { path: "/secrets/create".to_owned(), body }));
            }
            SwarmAction::RemoveNetwork(_)
            | SwarmAction::RemoveConfig(_)
            | SwarmAction::RemoveSecret(_)
            | SwarmAction::RemoveService(_)
            | SwarmAction::RemoveVolume(_)
            | SwarmAction::Converge { .. } => return Ok(None),
        };
        Ok(Some(Self { path, body: Zeroizing::new(body.to_string().into_bytes()) }))
    }
}

/// An object with `"Data":"<base64>"` behind its other fields, in one allocation that is never grown and is wiped when
/// dropped. Without a value, or with an empty one, there is no such field.
fn secret_body(
    name: &str,
    head: &Value,
    value: Option<&SecretBytes>,
) -> Result<Zeroizing<Vec<u8>>, EngineError> {
    let unbuilt = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Answer {
        call: format!("POST /secrets/create for `{name}`"),
        source,
    };
    let mut head = head.to_string();
    let Some(value) = value.filter(|value| !value.expose().is_empty()) else {
        return Ok(Zeroizing::new(head.into_bytes()));
    };
    head.pop(); // The closing brace.
    head.push_str(r#","Data":""#);
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
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_secret_body_is_json_with_the_bytes_in_base64() {
        let labels = BTreeMap::from([("com.docker.stack.namespace".to_owned(), "a\"b".to_owned())]);
        for bytes in [vec![0, 255, 10], vec![b'x'; 1000]] {
            let head = json!({ "Name": "web_\"key\"_0123", "Labels": labels });
            let body = secret_body("key", &head, Some(&SecretBytes::new(bytes.clone()))).unwrap();
            let read: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(read["Name"], "web_\"key\"_0123");
            assert_eq!(read["Labels"]["com.docker.stack.namespace"], "a\"b");
            assert_eq!(STANDARD.decode(read["Data"].as_str().unwrap()).unwrap(), bytes);
            assert_eq!(body.len(), body.capacity(), "the buffer must not have grown");
        }
    }
}
