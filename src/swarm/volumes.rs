//! Named volumes of stacks on this node.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Engine, EngineError};
use crate::observed::{STACK_LABEL, at};

impl Engine {
    /// The volumes on this node by name, each with the stack whose label it carries.
    ///
    /// # Errors
    /// The engine does not answer, or not in a form that can be read.
    pub async fn volumes(&self) -> Result<BTreeMap<String, Option<String>>, EngineError> {
        let answer = self.transport.get("/volumes").await?;
        let volumes = at(&answer, "/Volumes").as_array().map(Vec::as_slice).unwrap_or_default();
        let one = |volume: &Value| {
            let stack = volume.get("Labels").and_then(|labels| labels.get(STACK_LABEL)?.as_str());
            Some((volume.get("Name")?.as_str()?.to_owned(), stack.map(str::to_owned)))
        };
        Ok(volumes.iter().filter_map(one).collect())
    }
}
