//! `destroy`: what is recorded as ours goes; what is left is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::begin::Run;
use super::collect::elsewhere;
use super::order::{Said, Tell};
use super::removal::remove;
use super::stop::Stop;
use super::unlock::recorded;
use crate::address::{Address, Kind};
use crate::desired::{Compiled, HostWanted};
use crate::manifest::Manifest;
use crate::observed::{Container, Inventory, Observed, Ownership};
use crate::plan::{self, Plan, engine_name};
use crate::report::{Exit, Leaks};
use crate::secrets::files;
use crate::state::{
    forget_baseline, read_baseline, read_images, read_links, write_asked, write_ids, write_images,
    write_links, write_ownership,
};
use crate::swarm::Engine;

/// How long the engine may take to let go of what a service leaves.
const LETS_GO: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(250);

/// Adds the removal of images, unless what another instance goes back to cannot be read.
fn own_images(
    run: &mut Run<'_>,
    (manifest, own): (&Manifest, &Ownership),
    observed: &Observed,
    there: (&BTreeSet<String>, &[Container]),
    plan: &mut Plan,
) {
    match elsewhere(manifest, observed) {
        Ok(kept) => plan::destroy_images(plan, own, observed, there, &kept),
        Err(stop) => run.record.warnings.push(format!(
            "images stay, as what another instance needs cannot be read: {}",
            stop.lines().join("; ")
        )),
    }
}

/// Removes everything, or the part that is asked for, and looks again.
pub(super) async fn all(
    run: &mut Run<'_>,
    compiled: &Compiled,
    engine: &Engine,
    tell: &Tell<'_>,
) -> Result<(), Stop> {
    let manifest = &compiled.manifest;
    let mut observed = engine.observe().await?;
    let own = recorded(manifest, &observed)?;
    observed.generated = files::generated(&manifest.paths.run)?;
    let part = run.order.only.as_ref();
    let covers = |address: &Address| part.is_none_or(|only| only.covers(address));
    let is_whole_stack = |name: &&String| covers(&Address::new(Kind::Stack, name.as_str()));
    let stacks: BTreeSet<String> = own.stacks.iter().filter(is_whole_stack).cloned().collect();
    let volumes = volumes(engine, &own, &stacks, part).await?;
    let (gone, kept) =
        if run.order.volumes { (volumes, BTreeSet::new()) } else { (BTreeSet::new(), volumes) };
    if !kept.is_empty() {
        let names = kept.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        run.record.warnings.push(format!(
            "volumes stay, with what is in them: {names}; `holdfast destroy --volumes` removes them"
        ));
    }
    let mut plan = plan::destroy(&own, &observed, &gone, part);
    let before = engine.inventory(&observed).await?;
    let images = read_images(&manifest.paths.state)?;
    if part.is_none() {
        own_images(run, (manifest, &own), &observed, (&images, &before.containers), &mut plan);
    }
    run.record.plan.clone_from(&plan);
    tell.borrow_mut()(Said::Plan(&plan));

    let removed = remove(run, (engine, manifest), &plan, tell).await;
    let (mut observed, after, mut leaks) = look_again(engine, &plan, &before).await?;
    observed.generated = files::generated(&manifest.paths.run)?;
    if part.is_none() {
        let there = |image: &&String| observed.images.contains(&engine_name(image));
        write_images(&manifest.paths.state, &images.iter().filter(there).cloned().collect())?;
        let baseline = read_baseline(&manifest.paths.state)?;
        leaks.since = Some(plan::since(baseline.as_ref(), (&observed, &after), &own, &images));
    }
    let left = plan::leftovers(&own, &observed, part);
    let leaked = !leaks.left.is_empty();
    if leaked && left.is_empty() {
        run.record.errors.push(format!("left behind: {}", leaks.left.join(", ")));
    }
    run.record.leaks = Some(leaks);
    // An answer that was lost costs nothing when what it was about is gone.
    let is_gone = left.is_empty() && !leaked;
    let exit = if is_gone { removed.refused } else { removed.refused.or(removed.unheard) };
    if exit != Exit::Ok || !left.is_empty() || leaked {
        run.record.errors.extend(left.iter().map(|address| format!("`{address}` is still there")));
        return Err(Stop::Apply(exit.or(Exit::ApplyFailed)));
    }
    if part.is_some() {
        let mut rest = own.still(&observed);
        rest.stacks = own.stacks.difference(&stacks).cloned().collect();
        rest.files = own.files;
        rest.volumes = own.volumes.difference(&gone).cloned().collect();
        write_ownership(&manifest.paths.state, &rest)?;
        return Ok(());
    }
    for path in read_links(&manifest.paths.state)?.keys() {
        files::unlink(path, &|target| HostWanted::is_ours(&manifest.paths.run, target))?;
    }
    write_links(&manifest.paths.state, &BTreeMap::new())?;
    write_asked(&manifest.paths.run, &BTreeMap::new())?;
    write_ids(&manifest.paths.run, &BTreeMap::new())?;
    files::uninstall(&manifest.paths.run)?;
    if kept.is_empty() {
        forget_baseline(&manifest.paths.state)?;
    }
    write_ownership(
        &manifest.paths.state,
        &Ownership { volumes: kept, ..Ownership::new(&manifest.instance) },
    )?;
    Ok(())
}

/// Compares with what was there before. The engine lets go of containers a moment after their tasks have ended.
async fn look_again(
    engine: &Engine,
    plan: &Plan,
    before: &Inventory,
) -> Result<(Observed, Inventory, Leaks), Stop> {
    let until = Instant::now() + LETS_GO;
    loop {
        let observed = engine.observe().await?;
        let after = engine.inventory(&observed).await?;
        let leaks = plan::leaks(plan, before, &after);
        if leaks.left.is_empty() || Instant::now() >= until {
            return Ok((observed, after, leaks));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The volumes on this node that are ours: of these stacks by their label, and of stacks that left earlier by record.
async fn volumes(
    engine: &Engine,
    own: &Ownership,
    stacks: &BTreeSet<String>,
    part: Option<&Address>,
) -> Result<BTreeSet<String>, Stop> {
    let there = engine.volumes().await?;
    let ours = there.into_iter().filter(|(name, stack)| {
        let asked = |stack: &String| part.is_none_or(|only| only.covers(&Address::new(Kind::Stack, stack)));
        stack.as_ref().is_some_and(|stack| stacks.contains(stack))
            || (own.volumes.contains(name) && stack.as_ref().map_or(part.is_none(), asked))
    });
    Ok(ours.map(|(name, _)| name).collect())
}
