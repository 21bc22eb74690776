//! What is there: one row a service.

use super::begin::Run;
use super::stop::Stop;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Compiled;
use crate::manifest::LeftField;
use crate::observed::Observed;
use crate::plan::{self, Plan};
use crate::report::{Exit, ServiceStatus};

/// What would be done about `observed`.
pub(super) fn compare(run: &mut Run<'_>, host: &mut Host<'_>, observed: &Observed) -> Result<(), Stop> {
    host.recall(observed);
    let plan = plan::plan(&host.desired, observed, run.order.only.as_ref()).map_err(Stop::Refused)?;
    // What is only waited for is on its way by itself.
    if !plan.is_empty() && !plan.only_waits() && run.order.detailed_exitcode {
        run.record.exit = run.record.exit.or(Exit::Changes);
    }
    run.record.held.clone_from(&plan.held);
    run.record.plan = plan;
    Ok(())
}

/// One row for each service of each stack of the manifest, in order.
pub(super) fn services(compiled: &Compiled, observed: &Observed, plan: &Plan) -> Vec<ServiceStatus> {
    let stacks = compiled.stacks.iter();
    let services =
        stacks.flat_map(|(name, stack)| stack.services.iter().map(move |service| (name.as_str(), service)));
    services
        .map(|(stack, (key, service))| {
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
            let address = Address::in_stack(stack, Kind::Service, key);
            let left = plan.left.iter();
            let mut left = left.filter(|left| left.address == address && left.field == LeftField::Replicas);
            let wanted = left.next().map_or(wanted, |left| left.is.parse().ok());
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
