//! Whether a service whose spec is equal is also as told, as far as one look says.

use serde_json::Value;

use super::builder::Draft;
use super::{Action, Consequence, Group, SwarmAction, Verb};
use crate::address::Address;
use crate::desired::Condition;
use crate::observed::{Object, Task, at, ended_well};

/// Why a service (raw) has not come as far as `until`; nothing where one look finds nothing missing. An update that an
/// earlier run began and did not live to see, and a service whose tasks do not run, are waited for like a change.
pub(super) fn unsettled(service: &Value, tasks: &[Task], until: Condition) -> Option<String> {
    let under_way = match at(service, "/UpdateStatus/State").as_str().unwrap_or_default() {
        "updating" => Some("an update of it is under way"),
        "rollback_started" => Some("swarm is rolling it back"),
        "paused" => Some("swarm paused an update of it"),
        "rollback_paused" => Some("swarm paused a rollback of it"),
        _ => None,
    };
    if let Some(words) = under_way {
        return Some(words.to_owned());
    }
    let iteration = at(service, "/JobStatus/JobIteration/Index").as_u64();
    let current: Vec<&Task> =
        tasks.iter().filter(|task| iteration.is_none() || task.iteration == iteration).collect();
    if current.is_empty() {
        // The engine forgets old tasks of a job; a service without any is told by its gate.
        let never = || until == Condition::Completed && at(service, "/Spec/Mode/Replicated").is_object();
        return never().then(|| "it has not run".to_owned());
    }
    let mode = at(service, "/Spec/Mode");
    let completed = current.iter().filter(|task| task.state == "complete").count();
    if let Some(job) = mode.get("ReplicatedJob") {
        let total = at(job, "/TotalCompletions").as_u64().or_else(|| at(job, "/MaxConcurrent").as_u64());
        return missing(completed, total.unwrap_or(1), "completed");
    }
    if mode.get("GlobalJob").is_some() {
        return missing(completed, u64::try_from(current.len()).unwrap_or(u64::MAX), "completed");
    }
    let running = current.iter().filter(|task| task.desired == "running" && task.state == "running").count();
    let condition = at(service, "/Spec/TaskTemplate/RestartPolicy/Condition").as_str().unwrap_or("any");
    let done = if condition == "any" { 0 } else { ended_well(current.iter().copied()) };
    match at(mode, "/Replicated") {
        Value::Null => {
            let wanted = current.iter().filter(|task| task.desired == "running").count();
            missing(running, u64::try_from(wanted).unwrap_or(u64::MAX), "running")
        }
        replicated => {
            let wanted = at(replicated, "/Replicas").as_u64().unwrap_or(1);
            if until == Condition::Completed {
                return missing(done, wanted, "completed");
            }
            missing(running + done, wanted, "running")
        }
    }
}

/// Goes on with an update or rollback that Swarm paused in an earlier run: it stays half-way, with tasks of two specs,
/// until the service is written again. Its spec goes out as it is stored, so that only what is left of it restarts.
pub(super) fn resume(address: impl Fn() -> Address, existing: &Object) -> Option<Draft> {
    let paused = match at(&existing.raw, "/UpdateStatus/State").as_str()? {
        "paused" => "update",
        "rollback_paused" => "rollback",
        _ => return None,
    };
    let said = at(&existing.raw, "/UpdateStatus/Message").as_str().unwrap_or_default();
    let (id, version, spec) = (existing.id.clone(), existing.version, existing.spec().clone());
    let action = Action::Swarm(SwarmAction::UpdateService { id, version, spec });
    let draft = Draft::new(address(), Verb::Update, Group::Services, action);
    let draft = draft.because(format!("goes on with the {paused} that swarm paused ({said})"));
    Some(draft.changing(Vec::new(), Consequence::RollingRestart))
}

fn missing(have: usize, want: u64, what: &str) -> Option<String> {
    (u64::try_from(have).unwrap_or(u64::MAX) < want).then(|| format!("{have} of {want} tasks {what}"))
}
