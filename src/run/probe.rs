//! `probe`: proofs that write are taken anew: test deliveries of hooks, Drone's sign-in, builds that prove a runner.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use super::begin::Run;
use super::forge;
use super::order::{Said, Tell};
use super::prove;
use super::stop::Stop;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::apply::{self, Event, Staged, World};
use crate::observed::Observed;
use crate::plan::{self, Plan, Step, Verb};
use crate::report::Exit;

/// How often forges are looked at.
const ROUNDS: u32 = 3;
/// The pause before they are looked at again.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes every proof anew that the order covers, then asks the gates that judge them.
pub(super) async fn anew(run: &mut Run<'_>, host: &mut Host<'_>, tell: &Tell<'_>) -> Result<(), Stop> {
    let exit = if host.forges.any { steps(run, host, tell).await? } else { Exit::Ok };
    let asked = prove::probed(run, host, tell).await?;
    if run.record.steps.is_empty() && run.record.held.is_empty() && !asked {
        nothing(run, host);
    }
    if exit == Exit::Ok { Ok(()) } else { Err(Stop::Apply(exit)) }
}

/// That there is nothing to prove by writing is no failure, unless it was asked for.
fn nothing(run: &mut Run<'_>, host: &Host<'_>) {
    let (sign_in, only) = (Address::in_forge("drone", Kind::SignIn, ""), run.order.only.as_ref());
    let drone = host.manifest().forge.as_ref().and_then(|forge| forge.drone.as_ref());
    if drone.is_some() && only.is_none_or(|only| only.covers(&sign_in)) {
        // It was looked at, and holds.
        return;
    }
    let probed = "a webhook with `attest`, `forge.drone`, a gate `oauth` or `runner`";
    if let Some(only) = only {
        run.record
            .errors
            .push(format!("`{only}` covers nothing that is probed: {probed}; leave `--only` away"));
        run.record.exit = run.record.exit.or(Exit::Vacuous);
    } else {
        run.record.warnings.push(format!("the manifest declares nothing that is probed: {probed}"));
    }
}

/// Test deliveries and the sign-in; the worst exit code of those that failed. A forge that does not answer is waited for,
/// and one that was in trouble for a moment is asked again.
async fn steps(run: &mut Run<'_>, host: &mut Host<'_>, tell: &Tell<'_>) -> Result<Exit, Stop> {
    let (mut exit, mut ended) = (Exit::Ok, BTreeSet::new());
    for round in 0..ROUNDS {
        let mut observed = Observed::default();
        Box::pin(forge::observe(host, &mut observed)).await;
        let mut plan = plan::probes(&host.desired, &observed, run.order.only.as_ref());
        plan.steps.retain(|step| !ended.contains(&step.address));
        run.record.held.clone_from(&plan.held);
        if round == 0 {
            run.record.plan.clone_from(&plan);
            tell.borrow_mut()(Said::Plan(&plan));
        }
        let staged = stage(host, &plan, tell).await;
        forge::end(host, &plan, &staged)?;
        exit = exit.or(staged.exit);
        run.record.steps.extend(staged.outcomes);
        let (waits, proofs): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| step.verb == Verb::Await);
        if waits.iter().any(|step| staged.failed.contains(&step.id)) {
            return Err(Stop::Apply(exit));
        }
        if waits.is_empty() && staged.again.is_empty() {
            return Ok(exit);
        }
        let settled = proofs.into_iter().filter(|step| !staged.again.contains(&step.id));
        ended.extend(settled.map(|step| step.address.clone()));
        sleep(PAUSE).await;
    }
    let text = "forges did not answer all that they were asked; `holdfast probe` asks again";
    Err(Stop::Other(exit.or(Exit::Unreachable), text.to_owned()))
}

async fn stage(host: &Host<'_>, plan: &Plan, tell: &Tell<'_>) -> Staged {
    let world = World {
        engine: None,
        manifest: host.manifest(),
        unlocked: &host.unlocked,
        generated: &BTreeMap::new(),
        keep: &|_, _, _| Err("a proof makes no value".to_owned()),
    };
    let mut forward = |event: Event<'_>| tell.borrow_mut()(Said::Step(&event));
    apply::stage(&world, plan, &RefCell::new(&mut forward)).await
}
