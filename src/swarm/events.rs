//! What the engine says as it happens.

use std::collections::HashMap;
use std::pin::Pin;

use bollard::errors::Error;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};

use super::images::chain;
use super::{Engine, EngineError};

/// Kinds of things that a manifest declares, and the containers of this node, since tasks make no events.
const KINDS: [&str; 6] = ["service", "node", "secret", "config", "network", "container"];
/// What happens to a container when a task begins or ends, or its health changes; checks of its health are not told.
const OF_TASKS: [&str; 3] = ["start", "die", "health_status"];
/// What is told of networks for each task.
const NOISE: [&str; 2] = ["connect", "disconnect"];

/// What happens at an engine.
pub struct Events {
    stream: Pin<Box<dyn Stream<Item = Result<EventMessage, Error>> + Send>>,
}

impl Engine {
    /// What has happened since `since`, in nanoseconds since 1970, as far as the engine remembers, and then what happens.
    #[must_use]
    pub fn events(&self, since: i128) -> Events {
        let since = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
        let filters = HashMap::from([("type", KINDS.to_vec())]);
        let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
        Events { stream: Box::pin(self.docker.events(Some(options))) }
    }
}

impl Events {
    /// Waits until something happens that a look may see. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// [`EngineError::Lost`] when the engine has ended the stream.
    pub async fn next(&mut self) -> Result<(), EngineError> {
        let lost = |source: String| EngineError::Lost { call: "GET /events".into(), source: source.into() };
        loop {
            match self.stream.next().await {
                Some(Ok(event)) if matters(&event) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(lost(chain(&error))),
                None => return Err(lost("it ended".to_owned())),
            }
        }
    }
}

fn matters(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    if event.typ == Some(EventMessageTypeEnum::CONTAINER) {
        return OF_TASKS.iter().any(|begin| action.starts_with(begin));
    }
    !NOISE.contains(&action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_look_may_see_matters() {
        let event = |kind: &str, action: &str| {
            let text = serde_json::json!({ "Type": kind, "Action": action }).to_string();
            matters(&serde_json::from_str(&text).unwrap())
        };
        assert!(event("service", "update") && event("network", "remove") && event("node", "update"));
        assert!(event("container", "die") && event("container", "health_status: healthy"));
        assert!(!event("container", "exec_create: /bin/true") && !event("container", "destroy"));
        assert!(!event("network", "connect"));
    }
}
