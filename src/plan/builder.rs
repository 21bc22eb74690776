//! Collects steps while the rooms of the plan go over what is desired.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Change, Consequence, Effect, Group, Held, Kept, Left, Plan, Refusal, Step, SwarmAction, Verb,
    registry,
};
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::observed::{ManagerState, Observed, Ownership, SwarmState};

/// The plan while it is made.
pub(super) struct Builder<'a> {
    pub(super) desired: &'a Desired<'a>,
    pub(super) observed: &'a Observed,
    /// Names of secrets and configs that something which stays as it is still refers to.
    pub(super) referenced: BTreeSet<String>,
    /// What is deleted to be made anew, by the step that deletes it.
    pub(super) anew: BTreeMap<Address, usize>,
    /// Services that wait until others gave their ports, and the steps that take those down.
    pub(super) freed: BTreeMap<Address, Vec<usize>>,
    /// Services that take a port which others give up, and those.
    pub(super) handed: BTreeMap<Address, BTreeSet<Address>>,
    /// Names of services that left and go before the rest, because they are in the way.
    pub(super) gone: BTreeSet<String>,
    /// Waits for services that others depend on: by address, and whether their end is waited for.
    pub(super) gates: BTreeMap<(Address, bool), usize>,
    /// Values that steps of forges make: secret or template (`rendered/NAME`) → what makes it.
    pub(super) later: BTreeMap<String, Address>,
    /// Steps that keep what the host has made: everything after them may use it.
    pub(super) minted: Vec<usize>,
    /// True once the plan makes the swarm: everything of the engine then comes after it.
    swarm_comes_first: bool,
    plan: Plan,
    /// Ids of the steps of an address, in their order.
    index: BTreeMap<Address, Vec<usize>>,
    /// Ids of the steps that are not of services.
    shared: Vec<usize>,
    refusals: Vec<Refusal>,
}

/// A step before it has its place.
pub(super) struct Draft {
    pub(super) address: Address,
    pub(super) verb: Verb,
    pub(super) action: Action,
    pub(super) group: Group,
    pub(super) diff: Vec<Change>,
    pub(super) consequence: Consequence,
    pub(super) effect: Option<Effect>,
    pub(super) reason: String,
    pub(super) needs: Vec<usize>,
    pub(super) after: BTreeMap<String, Address>,
}

impl Draft {
    /// A step with nothing to say but what it does.
    pub(super) fn new(address: Address, verb: Verb, group: Group, action: Action) -> Self {
        Self {
            address,
            verb,
            action,
            group,
            diff: Vec::new(),
            consequence: Consequence::None,
            effect: None,
            reason: String::new(),
            needs: Vec::new(),
            after: BTreeMap::new(),
        }
    }

    /// With a reason in words.
    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// With a diff and what it means.
    pub(super) fn changing(mut self, diff: Vec<Change>, consequence: Consequence) -> Self {
        self.diff = diff;
        self.consequence = consequence;
        self
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(desired: &'a Desired<'a>, observed: &'a Observed) -> Self {
        Self {
            desired,
            observed,
            referenced: BTreeSet::new(),
            anew: BTreeMap::new(),
            later: BTreeMap::new(),
            minted: Vec::new(),
            freed: BTreeMap::new(),
            handed: BTreeMap::new(),
            gone: BTreeSet::new(),
            gates: BTreeMap::new(),
            swarm_comes_first: false,
            plan: Plan::default(),
            index: BTreeMap::new(),
            shared: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// The manager that was observed, if this node is one.
    pub(super) fn manager(&self) -> Option<&'a ManagerState> {
        if let SwarmState::Manager(manager) = &self.observed.swarm { Some(manager) } else { None }
    }

    /// Adds a step; returns its id.
    pub(super) fn add(&mut self, mut draft: Draft) -> usize {
        draft.needs.extend(&self.minted);
        let id = self.plan.steps.len();
        let mut after = draft.after;
        let is_init = matches!(draft.action, Action::Swarm(SwarmAction::Init(_)));
        if self.swarm_comes_first && matches!(draft.action, Action::Swarm(_)) {
            after.insert("swarm".to_owned(), Address::single(Kind::Swarm));
        }
        self.swarm_comes_first |= is_init;
        let stage = self.stage(&draft.needs, &after);
        if draft.address.inner.as_ref().is_none_or(|inner| inner.kind != Kind::Service) {
            self.shared.push(id);
        }
        self.index.entry(draft.address.clone()).or_default().push(id);
        let wave = self.wave(&draft.needs, draft.group);
        self.plan.steps.push(Step {
            id,
            address: draft.address,
            verb: draft.verb,
            action: draft.action,
            diff: draft.diff,
            consequence: draft.consequence,
            effect: draft.effect,
            reason: draft.reason,
            needs: draft.needs,
            group: draft.group,
            stage,
            wave,
            after,
        });
        id
    }

    /// One later than the steps whose values it waits for, and no earlier than the steps it needs.
    fn stage(&self, needs: &[usize], after: &BTreeMap<String, Address>) -> usize {
        let needed = needs.iter().filter_map(|id| self.plan.steps.get(*id)).map(|step| step.stage);
        let awaited = after.values().filter_map(|address| match self.step(address) {
            Some(step) => Some(step.stage + 1),
            // Forges come last.
            None => (address.outer.kind == Kind::Forge).then_some(1),
        });
        needed.chain(awaited).max().unwrap_or(0)
    }

    /// A service that waits for another one is a wave later; everything else is as late as the last thing it needs.
    fn wave(&self, needs: &[usize], group: Group) -> usize {
        let needed = needs.iter().filter_map(|id| self.plan.steps.get(*id));
        let after = |step: &Step| usize::from(step.verb == Verb::Await && group == Group::Services);
        needed.map(|step| step.wave + after(step)).max().unwrap_or(0)
    }

    /// The step that makes or changes `address`, if the plan has one.
    pub(super) fn step(&self, address: &Address) -> Option<&Step> {
        self.of(address).find(|step| step.verb != Verb::Await)
    }

    /// The step after which `address` is as it shall be, if the plan has one.
    pub(super) fn change(&self, address: &Address) -> Option<&Step> {
        // A new login restarts no task.
        let makes =
            |step: &&Step| matches!(step.verb, Verb::Create | Verb::Update) && !registry::is_refresh(step);
        self.of(address).find(makes)
    }

    /// Every step of `address`, in their order.
    fn of(&self, address: &Address) -> impl Iterator<Item = &Step> {
        let ids = self.index.get(address).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.plan.steps.get(*id))
    }

    /// The steps so far that are not of services: few, where a stack has many services.
    pub(super) fn shared(&self) -> impl Iterator<Item = &Step> {
        self.shared.iter().filter_map(|id| self.plan.steps.get(*id))
    }

    /// Every step so far.
    pub(super) fn steps(&self) -> &[Step] {
        &self.plan.steps
    }

    /// Records that something is due and not done.
    pub(super) fn hold(&mut self, address: Address, because: Address) {
        self.plan.held.push(Held { address, because });
    }

    /// Records that something differs and is left to others.
    pub(super) fn leave(&mut self, left: Left) {
        self.plan.left.push(left);
    }

    /// Records that something stays under the name that docker gave it.
    pub(super) fn keep(&mut self, kept: &[Kept]) {
        for one in kept.iter().filter(|one| !self.plan.kept.contains(one)).cloned().collect::<Vec<_>>() {
            self.plan.kept.push(one);
        }
    }

    /// The record of what is ours once this has been reached.
    pub(super) fn ownership(&self) -> Ownership {
        let mut own = self.desired.ownership();
        self.plan.take_over(&mut own);
        own
    }

    /// True when `address` is held back.
    pub(super) fn is_held(&self, address: &Address) -> bool {
        self.held_because(address).is_some()
    }

    /// What holds `address` back, if anything does.
    pub(super) fn held_because(&self, address: &Address) -> Option<&Address> {
        self.plan.held.iter().find(|held| held.address == *address).map(|held| &held.because)
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.plan.warnings.push(warning.into());
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// The plan, and what it leaves out because it cannot be done.
    pub(super) fn finish(self) -> (Plan, Vec<Refusal>) {
        (self.plan, self.refusals)
    }
}
