//! `--only`: what an address covers, and what that needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, Step, Verb};
use crate::address::Address;

/// Keeps the steps that `only` covers and, before them, every step that they need; ids are given anew.
pub(super) fn only(plan: Plan, only: &Address) -> Plan {
    let mut kept = BTreeSet::new();
    let mut todo: Vec<usize> =
        plan.steps.iter().filter(|step| only.covers(&step.address)).map(|step| step.id).collect();
    while let Some(id) = todo.pop() {
        if kept.insert(id)
            && let Some(step) = plan.steps.get(id)
        {
            // A removal, and the wait before it, come after everything that changes; a part of a plan has only its
            // own part to wait for.
            let needed = step.needs.iter().filter(|need| {
                !matches!(step.verb, Verb::Delete | Verb::Await)
                    || plan.steps.get(**need).is_some_and(|need| only.covers(&need.address))
            });
            todo.extend(needed);
            // What makes a value that it waits for is needed too: without it the step would wait for ever.
            let makes = |other: &&Step| {
                step.after.values().any(|address| *address == other.address) || comes_back(step, other)
            };
            todo.extend(plan.steps.iter().filter(makes).map(|other| other.id));
        }
    }
    let renamed: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let mut steps: Vec<_> = plan.steps.into_iter().filter(|step| kept.contains(&step.id)).collect();
    for step in &mut steps {
        step.id = renamed.get(&step.id).copied().unwrap_or_default();
        step.needs = step.needs.iter().filter_map(|need| renamed.get(need).copied()).collect();
    }
    let held = plan.held.into_iter().filter(|held| only.covers(&held.address)).collect();
    Plan { steps, held, warnings: plan.warnings }
}

/// What is taken down is made again, and waited for, whatever else is asked for.
fn comes_back(down: &Step, other: &Step) -> bool {
    let waits = other.verb == Verb::Await && other.address.covers(&down.address);
    down.verb == Verb::Replace && (other.address == down.address || waits)
}
