//! What `destroy` and `collect` share: a plan of one stage that needs no value, carried out once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::begin::Run;
use super::order::{Said, Tell};
use crate::apply::{self, Event, World};
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::report::Exit;
use crate::secrets::Unlocked;
use crate::swarm::Engine;

/// How the steps of a removal ended.
pub(super) struct Removed {
    /// What the engine refused.
    pub(super) refused: Exit,
    /// What may have happened all the same: a look tells.
    pub(super) unheard: Exit,
}

/// Carries out the plan and records what became of each step; returns the worst exit code of those that failed.
pub(super) async fn remove(
    run: &mut Run<'_>,
    (engine, manifest): (&Engine, &Manifest),
    plan: &Plan,
    tell: &Tell<'_>,
) -> Removed {
    let world = World {
        engine: Some(engine),
        manifest,
        unlocked: &Unlocked::default(),
        generated: &BTreeMap::new(),
        keep: &|_, _, _| Err("this asks no forge".to_owned()),
    };
    let mut forward = |event: Event<'_>| tell.borrow_mut()(Said::Step(&event));
    let mut staged = apply::stage(&world, plan, &RefCell::new(&mut forward)).await;
    // There is one stage: what it left is told, and the next run looks again.
    staged.outcomes.iter_mut().for_each(|outcome| outcome.again = false);
    run.record.steps = staged.outcomes;
    run.record.writes = engine.writes();
    Removed { refused: staged.exit, unheard: staged.again_exit }
}
