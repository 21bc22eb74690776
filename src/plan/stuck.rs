//! What failed earlier in a run, and what of a later plan must therefore wait: only what depends on it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, Held, Plan, Step, Verb};
use crate::address::Address;

/// What a run does not try again, each with what failed.
#[derive(Clone, Debug, Default)]
pub struct Stuck {
    /// Things that failed; what lies inside of them is not tried either.
    failed: BTreeSet<Address>,
    /// Steps that needed one of them.
    waiting: BTreeMap<(Address, Verb), Address>,
}

impl Stuck {
    /// Records that steps of this plan failed, by id: they, and every step that needs them, wait for the next run.
    pub fn fail(&mut self, plan: &Plan, failed: &BTreeSet<usize>) {
        let mut because: BTreeMap<usize, Address> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| failed.contains(&step.id)) {
            self.failed.insert(step.address.clone());
            because.insert(step.id, step.address.clone());
        }
        // A wait is judged by what it waits for, each time anew: one stack may have several of them.
        for (step, cause) in dependants(plan, because).filter(|(step, _)| step.verb != Verb::Await) {
            self.waiting.insert((step.address.clone(), step.verb), cause);
        }
    }

    /// What this plan says of an address was done before and is not kept: it counts as failed.
    pub fn give_up(&mut self, address: &Address) {
        self.failed.insert(address.clone());
    }

    /// The plan without what failed and without what needs that; the latter is told as held back.
    #[must_use]
    pub fn without(&self, plan: &Plan) -> Plan {
        if self.failed.is_empty() {
            return plan.clone();
        }
        let mut because: BTreeMap<usize, Address> = BTreeMap::new();
        for step in &plan.steps {
            let failed = self.failed.iter().find(|failed| failed.covers(&step.address));
            let cause = failed.or_else(|| self.waiting.get(&(step.address.clone(), step.verb)));
            because.extend(cause.map(|cause| (step.id, cause.clone())));
        }
        let more: Vec<(usize, Address)> =
            dependants(plan, because.clone()).map(|(step, cause)| (step.id, cause)).collect();
        because.extend(more);
        let mut left = plan.clone();
        left.steps.retain(|step| !because.contains_key(&step.id));
        for step in &plan.steps {
            let Some(cause) = because.get(&step.id).filter(|cause| !cause.covers(&step.address)) else {
                continue;
            };
            let held = Held { address: step.address.clone(), because: cause.clone() };
            if step.verb != Verb::Await && !left.held.contains(&held) {
                left.held.push(held);
            }
        }
        left
    }
}

/// Every further step that needs one of these, or waits for its value, and because of which of them.
fn dependants(plan: &Plan, mut because: BTreeMap<usize, Address>) -> impl Iterator<Item = (&Step, Address)> {
    let given: BTreeSet<usize> = because.keys().copied().collect();
    loop {
        let mut more = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| !because.contains_key(&step.id)) {
            let needed = step.needs.iter().find_map(|need| because.get(need));
            let makes = |other: &&Step| step.after.values().any(|address| other.makes(address));
            let awaited = || plan.steps.iter().filter(makes).find_map(|other| because.get(&other.id));
            if let Some(cause) = needed.or_else(awaited) {
                more.insert(step.id, cause.clone());
            }
        }
        if more.is_empty() {
            break;
        }
        because.extend(more);
    }
    let found = plan.steps.iter().filter(move |step| !given.contains(&step.id));
    found.filter_map(move |step| because.get(&step.id).map(|cause| (step, cause.clone())))
}

/// Updates that were carried out, to see whether the engine kept them.
#[derive(Clone, Debug, Default)]
pub struct Carried(BTreeMap<Address, Vec<Change>>);

impl Carried {
    /// Records the updates of this plan that ended well, by id.
    pub fn note(&mut self, plan: &Plan, done: &BTreeSet<usize>) {
        let updates = plan.steps.iter().filter(|step| step.verb == Verb::Update && done.contains(&step.id));
        self.0.extend(
            updates
                .filter(|step| !step.diff.is_empty())
                .map(|step| (step.address.clone(), step.diff.clone())),
        );
    }

    /// What this plan wants to change although exactly that was done: the fields that come back as they were.
    #[must_use]
    pub fn again(&self, plan: &Plan) -> Vec<(Address, Vec<String>)> {
        let same = plan.steps.iter().filter(|step| {
            step.verb == Verb::Update
                && matches!(step.action, Action::Swarm(_))
                && self.0.get(&step.address).is_some_and(|diff| *diff == step.diff)
        });
        let fields = |step: &Step| step.diff.iter().map(|change| change.field.clone()).collect();
        same.map(|step| (step.address.clone(), fields(step))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Consequence, Group, SwarmAction};
    use super::*;

    fn step(id: usize, address: &str, verb: Verb, needs: &[usize]) -> Step {
        Step {
            id,
            address: address.parse().unwrap(),
            verb,
            action: Action::Swarm(SwarmAction::CreateService(json!({}))),
            diff: Vec::new(),
            consequence: Consequence::None,
            effect: None,
            reason: String::new(),
            needs: needs.to_vec(),
            group: Group::Services,
            stage: 0,
            wave: 0,
            after: BTreeMap::new(),
        }
    }

    fn plan() -> Plan {
        let mut app = step(3, "stack.b/service.app", Verb::Update, &[]);
        app.after.insert("SecretID".to_owned(), "stack.b/secret.x".parse().unwrap());
        let steps = vec![
            step(0, "stack.a/service.app", Verb::Update, &[]),
            step(1, "stack.a", Verb::Await, &[0]),
            step(2, "stack.b/secret.x", Verb::Create, &[]),
            app,
            step(4, "stack.b", Verb::Await, &[3]),
            step(5, "stack.c/service.app", Verb::Update, &[]),
            step(6, "stack.old/service.app", Verb::Delete, &[0, 1, 2, 3, 4, 5]),
        ];
        Plan { steps, ..Plan::default() }
    }

    fn left(failed: &[usize]) -> (Vec<usize>, Vec<String>) {
        let mut stuck = Stuck::default();
        stuck.fail(&plan(), &failed.iter().copied().collect());
        let left = stuck.without(&plan());
        let held = left.held.iter().map(|held| format!("{} because of {}", held.address, held.because));
        (left.steps.iter().map(|step| step.id).collect(), held.collect())
    }

    #[test]
    fn only_what_needs_a_failure_waits() {
        assert_eq!(left(&[]), ((0..7).collect(), Vec::new()));
        // A wait that failed ends its stack for this run; nothing of it is tried again.
        let gone = vec!["stack.old/service.app because of stack.a".to_owned()];
        assert_eq!(left(&[1]), (vec![2, 3, 4, 5], gone));
        // A value that was not made holds what waits for it, through every stage.
        let held = ["stack.b/service.app", "stack.old/service.app"];
        let held = held.map(|address| format!("{address} because of stack.b/secret.x"));
        assert_eq!(left(&[2]), (vec![0, 1, 5], held.to_vec()));
    }

    #[test]
    fn what_waited_in_one_plan_waits_in_the_next_where_its_cause_no_longer_shows() {
        let mut stuck = Stuck::default();
        stuck.fail(&plan(), &BTreeSet::from([1]));
        let next =
            Plan { steps: vec![step(0, "stack.old/service.app", Verb::Delete, &[])], ..Plan::default() };
        assert!(stuck.without(&next).is_empty());
    }

    #[test]
    fn an_update_that_is_wanted_again_field_by_field_was_not_kept() {
        let change = |after: &str| Change { field: "A.B".into(), before: None, after: Some(after.into()) };
        let mut before = plan();
        before.steps[0].diff = vec![change("1")];
        let mut carried = Carried::default();
        carried.note(&before, &BTreeSet::from([0]));
        let told = vec![("stack.a/service.app".parse().unwrap(), vec!["A.B".to_owned()])];
        assert_eq!(carried.again(&before), told);
        before.steps[0].diff = vec![change("2")];
        assert!(carried.again(&before).is_empty(), "another change is another change");
    }
}
