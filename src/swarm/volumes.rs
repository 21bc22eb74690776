//! Named volumes of stacks on this node.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::observed::{STACK_LABEL, at};

impl Engine {
    /// Names of the volumes on this node that carry the label of one of these stacks.
    ///
    /// # Errors
    /// The engine does not answer, or not in a form that can be read.
    pub async fn volumes(&self, stacks: &BTreeSet<String>) -> Result<BTreeSet<String>, EngineError> {
        let answer = self.transport.get("/volumes").await?;
        let volumes = at(&answer, "/Volumes").as_array().map(Vec::as_slice).unwrap_or_default();
        let ours = volumes.iter().filter(|volume| {
            let stack = volume.get("Labels").and_then(|labels| labels.get(STACK_LABEL)?.as_str());
            stack.is_some_and(|stack| stacks.contains(stack))
        });
        Ok(ours.filter_map(|volume| Some(volume.get("Name")?.as_str()?.to_owned())).collect())
    }
}
