//! `collect`: what earlier runs brought and nothing needs any more goes.

use std::collections::BTreeMap;

use super::begin::Run;
use super::compile;
use super::order::{Said, Tell};
use super::removal::remove;
use super::stop::Stop;
use super::unlock::recorded;
use crate::desired::image_of;
use crate::manifest::Manifest;
use crate::observed::{Observed, SwarmState};
use crate::plan::{self, Hoard, engine_name};
use crate::report::Exit;
use crate::state::{Generation, Generations, read_images, write_images, write_ownership};
use crate::swarm::Engine;

/// Plans, and with the lock held removes.
pub(super) async fn old(
    run: &mut Run<'_>,
    manifest: &Manifest,
    engine: &Engine,
    tell: &Tell<'_>,
) -> Result<(), Stop> {
    let observed = engine.observe().await?;
    if let SwarmState::NotManager(state) = &observed.swarm {
        let text = format!(
            "this node is in a swarm but is no manager that can be asked (`{state}`), so nobody knows what services \
             use; run on a manager"
        );
        return Err(Stop::Other(Exit::Unreachable, text));
    }
    let generations = Generations::new(&manifest.paths.state);
    let kept = generations.kept(None, manifest.keep.generations)?;
    if kept.is_empty() {
        run.record.warnings.push(format!(
            "no generation is recorded in `{}`, so nothing is known of what was brought; `holdfast apply` records one",
            manifest.paths.state.display()
        ));
        return Ok(());
    }
    let hoard = hoard(manifest, &kept, &observed)?;
    let plan = plan::unused(&hoard, &observed, &engine.containers().await?);
    run.record.plan.clone_from(&plan);
    tell.borrow_mut()(Said::Plan(&plan));
    if !run.writes {
        return Ok(());
    }
    // First, so that a crash leaves no generation on the list whose images are gone.
    generations.collect(manifest.keep.generations)?;
    if plan.is_empty() {
        return Ok(());
    }
    let removed = remove(run, (engine, manifest), &plan, tell).await;
    let exit = removed.refused.or(removed.unheard);
    forget(manifest, hoard, &engine.observe().await?)?;
    if exit == Exit::Ok { Ok(()) } else { Err(Stop::Apply(exit)) }
}

/// What is recorded, and what the generations need that are kept, the newest last.
fn hoard(manifest: &Manifest, kept: &[Generation], observed: &Observed) -> Result<Hoard, Stop> {
    let mut hoard = Hoard {
        images: read_images(&manifest.paths.state)?,
        recorded: recorded(manifest, observed)?,
        kept_images: elsewhere(manifest, observed)?,
        versions: manifest.keep.objects,
        ..Hoard::default()
    };
    for generation in kept {
        let needs = generation.needs()?;
        hoard.current_objects.clone_from(&needs.objects);
        hoard.kept_objects.extend(needs.objects);
        hoard.kept_images.extend(images(generation)?);
    }
    Ok(hoard)
}

/// The images that generations of other instances on this host name: we may have brought what they go back to.
pub(super) fn elsewhere(manifest: &Manifest, observed: &Observed) -> Result<BTreeMap<String, u64>, Stop> {
    let mut found = BTreeMap::new();
    let states = plan::siblings(&manifest.instance, observed);
    for state in states.iter().filter(|state| **state != manifest.paths.state) {
        for generation in Generations::new(state).list()? {
            found.extend(images(&generation)?);
        }
    }
    Ok(found)
}

/// The images that a generation names. Its own specs say it, as a rollback reads them: one that cannot be read must not
/// count as needing nothing.
fn images(generation: &Generation) -> Result<Vec<(String, u64)>, Stop> {
    let compiled = compile::finish(compile::open(&generation.folder)?)?.compiled;
    let services = compiled.stacks.values().flat_map(|stack| stack.services.values());
    let named = services.map(|service| image_of(&service.body).to_owned());
    let declared = compiled.images.values().map(|image| image.reference.clone());
    Ok(named.chain(declared).map(|image| (image, generation.number)).collect())
}

/// What is gone is not ours any more.
fn forget(manifest: &Manifest, hoard: Hoard, observed: &Observed) -> Result<(), Stop> {
    let Hoard { mut images, kept_images, mut recorded, .. } = hoard;
    images.retain(|image| kept_images.contains_key(image) || observed.images.contains(&engine_name(image)));
    write_images(&manifest.paths.state, &images)?;
    if !matches!(observed.swarm, SwarmState::Manager(_)) {
        return Ok(());
    }
    recorded.secrets.retain(|name| observed.secrets.contains_key(name));
    recorded.configs.retain(|name| observed.configs.contains_key(name));
    write_ownership(&manifest.paths.state, &recorded)?;
    Ok(())
}
