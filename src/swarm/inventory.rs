//! Everything that lies on the engine.

use serde_json::Value;

use super::observe::{elements, text};
use super::{Engine, EngineError};
use crate::observed::{Container, Inventory, Observed, at};

/// Label by which the engine knows the service of a task's container.
const SERVICE_ID: &str = "com.docker.swarm.service.id";
/// Volumes without a name of their own are called by so many hex digits.
const NAMELESS: usize = 64;

impl Engine {
    /// Everything that lies on the engine, with what `observed` has seen of it just now.
    ///
    /// # Errors
    /// Any [`EngineError`] of a GET.
    pub async fn inventory(&self, observed: &Observed) -> Result<Inventory, EngineError> {
        let volumes = self.volumes().await?;
        Ok(Inventory::new(observed, volumes, self.containers().await?))
    }

    /// Every container of this node, also those that have ended.
    ///
    /// # Errors
    /// Any [`EngineError`] of a GET.
    pub async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        let path = "/containers/json?all=1";
        let listed = elements(self.transport.get(path).await?, path)?;
        Ok(listed.iter().map(container).collect())
    }
}

fn container(raw: &Value) -> Container {
    let mounts = at(raw, "/Mounts").as_array().into_iter().flatten();
    let volumes = mounts.filter_map(|mount| mount.get("Name")?.as_str());
    let nameless = |name: &&str| name.len() == NAMELESS && name.bytes().all(|b| b.is_ascii_hexdigit());
    Container {
        id: text(at(raw, "/Id")),
        name: text(at(raw, "/Names/0")).trim_start_matches('/').to_owned(),
        service: text(at(raw, "/Labels").get(SERVICE_ID).unwrap_or(&Value::Null)),
        volumes: volumes.filter(nameless).map(str::to_owned).collect(),
        image: text(at(raw, "/Image")),
        image_id: text(at(raw, "/ImageID")),
    }
}
