//! `--only`: what an address covers, and what that needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Plan, Step, SwarmAction, Verb};
use crate::address::{Address, Kind};

/// Keeps the steps that `only` covers and, before them, every step that they need; ids are given anew.
pub(super) fn only(mut plan: Plan, only: &Address) -> Plan {
    narrow(&mut plan, only);
    let mut taken = BTreeSet::new();
    let mut todo: Vec<usize> =
        plan.steps.iter().filter(|step| only.covers(&step.address)).map(|step| step.id).collect();
    while let Some(id) = todo.pop() {
        if taken.insert(id)
            && let Some(step) = plan.steps.get(id)
        {
            // A removal, and the wait before it, come after everything that changes; a part of a plan has only its
            // own part to wait for. A wait for one service is for whoever depends on it, and needs its change.
            let is_for_one = step.verb == Verb::Await && step.address.leaf().kind == Kind::Service;
            let needed = step.needs.iter().filter(|need| {
                is_for_one
                    || !matches!(step.verb, Verb::Delete | Verb::Await)
                    || plan.steps.get(**need).is_some_and(|need| only.covers(&need.address))
            });
            todo.extend(needed);
            // What makes a value that it waits for is needed too: without it the step would wait for ever.
            let makes = |other: &&Step| {
                let value = |address: &Address| *address == other.address || other.makes(address);
                step.after.values().any(value) || comes_back(step, other)
            };
            todo.extend(plan.steps.iter().filter(makes).map(|other| other.id));
            // Whoever uses a file is told of its change by the run that changes it: a later one sees no change.
            let told = |other: &&Step| matches!(other.action, Action::Host(_)) && other.needs.contains(&id);
            todo.extend(plan.steps.iter().filter(told).map(|other| other.id));
        }
    }
    let renamed: BTreeMap<usize, usize> = taken.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let mut steps: Vec<_> = plan.steps.into_iter().filter(|step| taken.contains(&step.id)).collect();
    for step in &mut steps {
        step.id = renamed.get(&step.id).copied().unwrap_or_default();
        step.needs = step.needs.iter().filter_map(|need| renamed.get(need).copied()).collect();
    }
    let held = plan.held.into_iter().filter(|held| only.covers(&held.address)).collect();
    let left = plan.left.into_iter().filter(|left| only.covers(&left.address)).collect();
    let kept = plan.kept.into_iter().filter(|kept| only.covers(&kept.address)).collect();
    Plan { steps, held, left, kept, stays: plan.stays, warnings: plan.warnings }
}

/// What is taken down is made again, and waited for, whatever else is asked for.
fn comes_back(down: &Step, other: &Step) -> bool {
    let waits = other.verb == Verb::Await && other.address.covers(&down.address);
    down.verb == Verb::Replace && (other.address == down.address || waits)
}

/// For one service of a stack, the stack's wait becomes a wait for that service.
fn narrow(plan: &mut Plan, only: &Address) {
    if only.leaf().kind != Kind::Service {
        return;
    }
    // Where others of the stack go down too, all of them are waited for.
    if plan.steps.iter().any(|step| step.verb == Verb::Replace && step.address.outer == only.outer) {
        return;
    }
    let own = plan.steps.iter().find(|step| step.address == *only && service(step).is_some());
    let Some((id, stage, name)) = own.and_then(|step| Some((step.id, step.stage, service(step)?.to_owned())))
    else {
        return;
    };
    for step in plan.steps.iter_mut().filter(|step| step.verb == Verb::Await && step.address.covers(only)) {
        if let Action::Swarm(SwarmAction::Converge { services, .. }) = &mut step.action
            && services.iter().any(|one| one.service == name)
        {
            services.retain(|one| one.service == name);
            step.address = only.clone();
            step.needs = vec![id];
            step.stage = stage;
        }
    }
}

/// The full name of the service that a step makes or changes.
fn service(step: &Step) -> Option<&str> {
    match &step.action {
        Action::Swarm(SwarmAction::CreateService(body) | SwarmAction::UpdateService { spec: body, .. }) => {
            body.get("Name")?.as_str()
        }
        _ => None,
    }
}
