//! Walks one stage of a plan, group by group and wave by wave; hands each step to its room; one outcome a step.
//!
//! There is no choice left in here: bodies are complete, and what may run at once is said by the plan's groups. A
//! step whose needs failed is not tried. After a stage the caller observes and plans again.

mod failure;
mod image;
mod step;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::address::Address;
use crate::forge::Keep;
use crate::manifest::Manifest;
use crate::plan::{Group, Plan, Step, Verb};
use crate::report::{Exit, StepOutcome};
use crate::secrets::{SecretBytes, Unlocked};
use crate::swarm::Engine;
use failure::Tells;
pub use step::GENERATED_MODE;

/// How many steps of a group are under way at once. The engine serialises writes to its log anyway; more in flight
/// only lengthens its queue.
const AT_ONCE: usize = 8;

/// What steps are carried out with.
pub struct World<'a> {
    /// The engine; without one, only what needs none is carried out.
    pub engine: Option<&'a Engine>,
    /// Where files go, and who owns them.
    pub manifest: &'a Manifest,
    /// Values.
    pub unlocked: &'a Unlocked,
    /// Contents of generated files, by path below `<run>/generated`.
    pub generated: &'a BTreeMap<String, SecretBytes>,
    /// Where values go that a forge tells.
    pub keep: Keep<'a>,
}

/// What became of a stage.
#[derive(Debug, Default)]
pub struct Staged {
    /// Steps that ended, in the order in which they did.
    pub outcomes: Vec<StepOutcome>,
    /// The worst exit code of those that failed for good.
    pub exit: Exit,
    /// Ids of the steps that were carried out.
    pub done: BTreeSet<usize>,
    /// Ids of the steps that failed; what only needs another look is in neither.
    pub failed: BTreeSet<usize>,
    /// Ids of those whose failure shows that what is recorded is not so.
    pub refuted: BTreeSet<usize>,
    /// Ids of the steps that may be cured by looking and planning again.
    pub again: BTreeSet<usize>,
    /// The worst exit code of those.
    pub again_exit: Exit,
    /// What may have changed although nobody heard of it.
    pub open: BTreeSet<Address>,
}

/// What is told while steps run.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Started(&'a Step),
    /// A wait goes on: what is waited for.
    Waiting(&'a Step, String),
    /// A step ended.
    Ended(&'a StepOutcome),
}

/// Where events go.
pub type Tell<'a> = RefCell<&'a mut dyn FnMut(Event<'_>)>;

/// Carries out the first stage of a plan: every step that waits for no other step's value.
///
/// Groups follow each other; within one, a step starts as soon as what it needs has succeeded. Services and waits are
/// one group in this: a wave of services begins when those that it depends on have converged, whatever else is waited
/// for. What needs a step that failed is not tried.
pub async fn stage(world: &World<'_>, plan: &Plan, tell: &Tell<'_>) -> Staged {
    let mut staged = Staged::default();
    let mut undone: BTreeSet<usize> =
        plan.steps.iter().filter(|step| step.stage > 0).map(|step| step.id).collect();
    let groups: BTreeSet<Group> = plan.steps.iter().map(|step| phase(step.group)).collect();
    for group in groups {
        let mut todo: Vec<&Step> =
            plan.steps.iter().filter(|step| phase(step.group) == group && step.stage == 0).collect();
        let mut running = FuturesUnordered::new();
        let mut pending: BTreeSet<usize> = todo.iter().map(|step| step.id).collect();
        let mut writing = 0;
        loop {
            let mut later = Vec::new();
            for step in todo {
                if step.needs.iter().any(|need| undone.contains(need)) {
                    pending.remove(&step.id);
                    undone.insert(step.id);
                } else if step.needs.iter().any(|need| pending.contains(need))
                    || (step.verb != Verb::Await && writing >= AT_ONCE)
                {
                    later.push(step);
                } else {
                    writing += usize::from(step.verb != Verb::Await);
                    running.push(one(world, step, tell));
                }
            }
            todo = later;
            let Some((step, outcome, end)) = running.next().await else { break };
            writing -= usize::from(step.verb != Verb::Await);
            pending.remove(&step.id);
            if end != End::Done {
                undone.insert(step.id);
            }
            match end {
                // An object that changed since it was read costs nothing: the caller looks and plans again.
                End::Again { exit, open } => {
                    staged.again.insert(step.id);
                    staged.again_exit = staged.again_exit.or(exit);
                    staged.open.extend(open.then(|| step.address.clone()));
                }
                End::Done => drop(staged.done.insert(step.id)),
                // Something uses it: so it is not to go, and the rest goes on.
                End::Left => {}
                End::Failed { exit, refutes } => {
                    staged.exit = staged.exit.or(exit);
                    staged.failed.insert(step.id);
                    staged.refuted.extend(refutes.then_some(step.id));
                }
            }
            tell.borrow_mut()(Event::Ended(&outcome));
            staged.outcomes.push(outcome);
        }
    }
    staged
}

/// Services and the waits for them run side by side.
const fn phase(group: Group) -> Group {
    match group {
        Group::Convergence => Group::Services,
        other => other,
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Left,
    Again { exit: Exit, open: bool },
    Failed { exit: Exit, refutes: bool },
}

async fn one<'s>(world: &World<'_>, step: &'s Step, tell: &Tell<'_>) -> (&'s Step, StepOutcome, End) {
    let started = Instant::now();
    tell.borrow_mut()(Event::Started(step));
    let result = step::execute(world, step, tell).await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut outcome = StepOutcome {
        address: step.address.clone(),
        verb: step.verb,
        elapsed_ms,
        error: None,
        again: false,
        left: false,
        detail: Vec::new(),
        services: Vec::new(),
    };
    let end = match result {
        Ok(services) => {
            outcome.services = services;
            End::Done
        }
        Err(failure) => {
            outcome.services = failure.services;
            outcome.error = Some(failure.message);
            outcome.detail = failure.detail;
            outcome.again = failure.again && step.verb != Verb::Await;
            outcome.left = failure.tells == Tells::InUse;
            if outcome.left {
                End::Left
            } else if outcome.again {
                End::Again { exit: failure.exit, open: failure.tells == Tells::Open }
            } else {
                End::Failed { exit: failure.exit, refutes: failure.tells == Tells::Refuted }
            }
        }
    };
    (step, outcome, end)
}
