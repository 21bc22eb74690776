//! observe → plan → apply, stage by stage, until there is nothing left to do.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::begin::Run;
use super::brought;
use super::forge;
use super::order::{Said, Tell};
use super::seen;
use super::stop::Stop;
use super::unlock::Host;
use crate::address::Address;
use crate::apply::{self, Event, World};
use crate::observed::{EngineInfo, Observed, Ownership};
use crate::plan::{self, Carried, Plan, Stuck, Verb};
use crate::report::Exit;
use crate::secrets::{Fresh, SecretBytes, keep_told};
use crate::state::{Proven, Recreating, write_ownership};
use crate::swarm::{Engine, Look};

/// A manifest needs three stages (swarm, objects, services); each retry for an object that changed underneath is one
/// more. Beyond this somebody else is changing the same things all the time.
const ROUNDS: usize = 12;
/// How many rounds in a row may get nothing done before the last errors stand.
const STUCK: u32 = 3;
/// The pause after each of those rounds, times their number: an engine that is busy or restarts needs a moment.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an engine that went away in the middle of a run may take to come back.
const AWAY: Duration = Duration::from_secs(60);

/// Applies until the plan is empty, from the first look on; returns the last one, which is what was found equal. What
/// fails holds back only what needs it: everything else goes on, and the run fails at its end.
pub(super) async fn until_equal(
    run: &mut Run<'_>,
    (engine, look): (&Engine, Look),
    host: &mut Host<'_>,
    tell: &Tell<'_>,
) -> Result<Observed, Stop> {
    let (mut stuck, mut carried, mut exit) = (Stuck::default(), Carried::default(), Exit::Ok);
    let mut look = Some(look);
    let (mut idle, mut waited) = (0, false);
    for round in 0..ROUNDS {
        let observed = match look.take() {
            Some(begun) => host.observe(engine, Some(begun)).await?,
            None => observe_patiently(engine, host).await?,
        };
        host.recall(&observed);
        host.keep_logins(&observed)?;
        let plan = plan::plan(&host.desired, &observed, run.order.only.as_ref()).map_err(Stop::Refused)?;
        if round == 0 {
            begin(run, &plan, tell);
            brought::baseline(run, host, engine, &observed).await?;
        }
        for (address, fields) in carried.again(&stuck.without(&plan)) {
            run.record.errors.push(not_kept(&address, &fields, &observed.engine));
            exit = exit.or(Exit::ApplyFailed);
            stuck.give_up(&address);
        }
        let plan = stuck.without(&plan);
        run.record.held.clone_from(&plan.held);
        // A wait that ended well is not waited for again, whatever a single look says.
        let (only_waits, waited_before) = (plan.only_waits(), waited);
        if plan.is_empty() || (only_waits && waited_before) {
            if exit != Exit::Ok {
                return Err(Stop::Apply(exit));
            }
            settle(run, host, (&plan, &observed))?;
            run.record.writes = engine.writes();
            return Ok(observed);
        }
        announce(run, host, (&plan, &observed))?;
        let (mut staged, fresh) = stage((run, engine), host, &plan, tell).await;
        host.learn(run, fresh)?;
        run.record.writes = engine.writes();
        brought::forget_failed(host, &plan, &staged)?;
        host.note_logins(&plan, &staged.outcomes)?;
        seen::end(host, &staged)?;
        forge::end(host, &plan, &staged)?;
        host.note_told(&plan, &staged.done)?;
        idle = if staged.done.is_empty() { idle + 1 } else { 0 };
        if idle >= STUCK {
            // What was to be looked at again is no better: its errors stand.
            staged.outcomes.iter_mut().for_each(|outcome| outcome.again = false);
            staged.failed.append(&mut staged.again);
            staged.exit = staged.exit.or(staged.again_exit);
        }
        run.record.steps.extend(staged.outcomes);
        exit = exit.or(staged.exit);
        stuck.fail(&plan, &staged.failed);
        carried.note(&plan, &staged.done);
        waited = only_waits;
        if !staged.again.is_empty() {
            sleep(PAUSE * idle).await;
        }
    }
    let text = "the plan does not become empty: something else changes the same objects; see `holdfast plan`";
    Err(Stop::Other(exit.or(Exit::ApplyFailed), text.to_owned()))
}

/// An update that was taken and reads back as before would be planned for ever.
fn not_kept(address: &Address, fields: &[String], engine: &EngineInfo) -> String {
    format!(
        "{address}: the engine (version {}, API {}) took the update but does not keep `{}`: leave that out of what is \
         declared, or use an engine that knows it; unless something else changes it back",
        engine.version,
        engine.api,
        fields.join("`, `")
    )
}

/// Looks again in the middle of a run. An engine that restarts or elects a leader meanwhile is waited for.
async fn observe_patiently(engine: &Engine, host: &Host<'_>) -> Result<Observed, Stop> {
    let began = Instant::now();
    loop {
        match host.observe(engine, None).await {
            Err(Stop::Engine(error)) if error.is_passing() && began.elapsed() < AWAY => sleep(PAUSE).await,
            other => return other,
        }
    }
}

fn begin(run: &mut Run<'_>, plan: &Plan, tell: &Tell<'_>) {
    run.record.warnings.extend(plan.warnings.iter().cloned());
    run.record.plan.clone_from(plan);
    tell.borrow_mut()(Said::Plan(plan));
}

async fn stage(
    (run, engine): (&Run<'_>, &Engine),
    host: &Host<'_>,
    plan: &Plan,
    tell: &Tell<'_>,
) -> (apply::Staged, Vec<Fresh>) {
    let fresh = RefCell::new(Vec::new());
    let keep = |name: &str, of: i64, value: SecretBytes| {
        let env = &run.order.identities;
        let plugins = (&env.environment, &env.ask);
        let kept = keep_told(host.manifest(), (name, of), value, jiff::Timestamp::now(), plugins);
        kept.map(|kept| fresh.borrow_mut().push(kept)).map_err(|error| error.to_string())
    };
    let world = World {
        engine: Some(engine),
        manifest: host.manifest(),
        unlocked: &host.unlocked,
        generated: &host.generated,
        keep: &keep,
    };
    let mut forward = |event: Event<'_>| tell.borrow_mut()(Said::Step(&event));
    let staged = apply::stage(&world, plan, &RefCell::new(&mut forward)).await;
    (staged, fresh.into_inner())
}

/// Before the first write: everything old and new is recorded as ours, nothing counts as proven any more, and what is
/// about to be written as not seen to converge.
fn announce(run: &Run<'_>, host: &mut Host<'_>, (plan, observed): (&Plan, &Observed)) -> Result<(), Stop> {
    brought::announce(host, plan, observed)?;
    seen::begin(host, plan)?;
    forge::begin(host, plan)?;
    host.announce_host(plan, observed)?;
    if plan.steps.iter().any(|step| step.verb == Verb::Replace) {
        let (manifest, addresses) = (run.record.manifest.clone(), host.desired.recreate.clone());
        Recreating { manifest, addresses }.write(&host.manifest().paths.state)?;
    }
    let both = host.desired.recorded.union(&wanted(host, plan));
    write_ownership(&host.manifest().paths.state, &both)?;
    let (manifest, boot) = (run.record.manifest.clone(), run.record.boot.clone());
    Proven { manifest, boot, since: run.since.to_string(), ..Proven::default() }
        .write(&host.manifest().paths.run)?;
    Ok(())
}

/// After the last: what is wanted is ours, and of what was ours before that which is still there.
fn settle(run: &Run<'_>, host: &mut Host<'_>, (plan, observed): (&Plan, &Observed)) -> Result<(), Stop> {
    if run.order.only.is_none() {
        Recreating::forget(&host.manifest().paths.state)?;
    }
    brought::settle(host, observed)?;
    seen::settle(host)?;
    forge::settle(host, observed)?;
    let own = wanted(host, plan).union(&host.desired.recorded.still(observed));
    write_ownership(&host.manifest().paths.state, &own)?;
    host.settle_host(observed)
}

/// The record of what is wanted, under the names that it has.
fn wanted(host: &Host<'_>, plan: &Plan) -> Ownership {
    let mut own = host.desired.ownership();
    plan.take_over(&mut own);
    own
}
