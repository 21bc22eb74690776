//! What is there: one row a service.

use std::collections::BTreeSet;

use serde_json::Value;

use super::begin::Run;
use super::credentials;
use super::stop::Stop;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Compiled;
use crate::manifest::LeftField;
use crate::observed::{Observed, Task, at};
use crate::plan::{self, Plan};
use crate::report::{Exit, ServiceState, ServiceStatus};

/// What would be done about `observed`.
pub(super) fn compare(run: &mut Run<'_>, host: &mut Host<'_>, observed: &Observed) -> Result<(), Stop> {
    host.recall(observed);
    let plan = plan::plan(&host.desired, observed, run.order.only.as_ref()).map_err(Stop::Refused)?;
    // What is only waited for is on its way by itself.
    if !plan.is_empty() && !plan.only_waits() && run.order.detailed_exitcode {
        run.record.exit = run.record.exit.or(Exit::Changes);
    }
    run.record.held.clone_from(&plan.held);
    run.record.warnings.extend(credentials::stale(host.manifest(), &host.desired.digests));
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
                state: existing.map_or(ServiceState::Missing, |service| state(&service.raw, tasks)),
                running: running as u64,
                wanted,
                last_error: failed.map(|task| task.error.clone()).unwrap_or_default(),
            }
        })
        .collect()
}

/// How a service that is there is, by the engine's own words and its tasks.
fn state(raw: &Value, tasks: &[Task]) -> ServiceState {
    let mode = at(raw, "/Spec/Mode");
    let is_job = ["/ReplicatedJob", "/GlobalJob"].iter().any(|job| at(mode, job).is_object());
    if is_job {
        return job_state(raw, tasks);
    }
    match at(raw, "/UpdateStatus/State").as_str().unwrap_or_default() {
        "updating" => return ServiceState::Updating,
        "paused" | "rollback_paused" => return ServiceState::Paused,
        "rollback_started" | "rollback_completed" => return ServiceState::RolledBack,
        _ => {}
    }
    let meant: Vec<&Task> =
        tasks.iter().filter(|task| matches!(task.desired.as_str(), "running" | "ready")).collect();
    let running = meant.iter().filter(|task| task.state == "running" && task.desired == "running").count();
    let wanted = at(mode, "/Replicated/Replicas").as_u64();
    // A global service has a task for each node that may run it.
    let wanted = wanted.unwrap_or(meant.len() as u64);
    if (running as u64) < wanted { ServiceState::Short } else { ServiceState::Running }
}

fn job_state(raw: &Value, tasks: &[Task]) -> ServiceState {
    let run = at(raw, "/JobStatus/JobIteration/Index").as_u64();
    let of_run: Vec<&Task> = tasks.iter().filter(|task| run.is_none() || task.iteration == run).collect();
    let complete = of_run.iter().filter(|task| task.state == "complete").count() as u64;
    let job = at(raw, "/Spec/Mode/ReplicatedJob");
    let total = at(job, "/TotalCompletions").as_u64().or_else(|| at(job, "/MaxConcurrent").as_u64());
    // A global job has one task for each node.
    let slots: BTreeSet<&str> = of_run.iter().map(|task| task.node.as_str()).collect();
    let total = total.unwrap_or(if job.is_object() { 1 } else { slots.len().max(1) as u64 });
    if complete >= total {
        ServiceState::Completed
    } else if of_run.iter().any(|task| task.state == "running") {
        ServiceState::Running
    } else {
        ServiceState::Short
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(desired: &str, state: &str, iteration: Option<u64>) -> Task {
        Task { desired: desired.into(), state: state.into(), node: "n".into(), iteration, ..Task::default() }
    }

    #[test]
    fn a_service_is_in_one_state() {
        let of = |mode: Value, update: &str, tasks: &[Task]| {
            let raw = json!({
                "Spec": { "Mode": mode }, "UpdateStatus": { "State": update }, "JobStatus": { "JobIteration": { "Index": 2 } },
            });
            state(&raw, tasks)
        };
        let two = || json!({ "Replicated": { "Replicas": 2 } });
        let up = || task("running", "running", None);
        assert_eq!(of(two(), "", &[up()]), ServiceState::Short);
        assert_eq!(
            of(two(), "completed", &[up(), up(), task("shutdown", "failed", None)]),
            ServiceState::Running
        );
        assert_eq!(of(two(), "updating", &[up()]), ServiceState::Updating);
        assert_eq!(of(two(), "paused", &[up(), up()]), ServiceState::Paused);
        assert_eq!(of(two(), "rollback_completed", &[up(), up()]), ServiceState::RolledBack);
        assert_eq!(of(json!({ "Replicated": { "Replicas": 0 } }), "", &[]), ServiceState::Running);
        let global = || json!({ "Global": {} });
        assert_eq!(of(global(), "", &[up(), task("running", "starting", None)]), ServiceState::Short);
        assert_eq!(of(global(), "", &[up()]), ServiceState::Running);
        let job = || json!({ "ReplicatedJob": { "TotalCompletions": 2 } });
        let ran = |run| task("complete", "complete", Some(run));
        assert_eq!(of(job(), "", &[ran(1), ran(1)]), ServiceState::Short);
        assert_eq!(of(job(), "", &[ran(2), task("complete", "running", Some(2))]), ServiceState::Running);
        assert_eq!(of(job(), "", &[ran(2), ran(2)]), ServiceState::Completed);
        assert_eq!(of(json!({ "GlobalJob": {} }), "", &[ran(2)]), ServiceState::Completed);
    }
}
