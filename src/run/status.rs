//! What is there: one row a service.

use crate::desired::Compiled;
use crate::observed::Observed;
use crate::report::ServiceStatus;

/// One row for each service of each stack of the manifest, in order.
pub(super) fn services(compiled: &Compiled, observed: &Observed) -> Vec<ServiceStatus> {
    let services = compiled.stacks.values().flat_map(|stack| stack.services.values());
    services
        .map(|service| {
            let existing = observed.services.get(&service.name);
            let tasks = existing.and_then(|existing| observed.tasks.get(&existing.id));
            let tasks = tasks.map(Vec::as_slice).unwrap_or_default();
            let running =
                tasks.iter().filter(|task| task.state == "running" && task.desired == "running").count();
            let mode = service.body.get("Mode");
            let once = mode.is_none_or(|mode| mode.as_object().is_some_and(serde_json::Map::is_empty));
            let replicated = mode.and_then(|mode| mode.get("Replicated"));
            let wanted = replicated
                .map(|mode| mode.get("Replicas").and_then(serde_json::Value::as_u64).unwrap_or(1))
                .or_else(|| once.then_some(1));
            let failed = tasks.iter().filter(|task| !task.error.is_empty()).max_by_key(|task| &task.since);
            ServiceStatus {
                name: service.name.clone(),
                exists: existing.is_some(),
                running: running as u64,
                wanted,
                last_error: failed.map(|task| task.error.clone()).unwrap_or_default(),
            }
        })
        .collect()
}
