//! What is recorded beside what is ours: what was on the engine before, and which images came because of us.

use std::collections::BTreeSet;

use super::begin::Run;
use super::stop::Stop;
use super::unlock::Host;
use crate::apply::Staged;
use crate::desired::image_of;
use crate::observed::{Baseline, Observed, Ownership};
use crate::plan::{Action, ImageAction, Plan, brought, engine_name};
use crate::state::{has_baseline, read_images, write_baseline, write_images};
use crate::swarm::Engine;

/// Before anything of this instance is on the engine: what is there is not ours, and `destroy` will tell it from what
/// came later.
pub(super) async fn baseline(
    run: &Run<'_>,
    host: &Host<'_>,
    engine: &Engine,
    observed: &Observed,
) -> Result<(), Stop> {
    let state = &host.manifest().paths.state;
    // Volumes of services that are to be taken over are noted already.
    let recorded = Ownership { volumes: BTreeSet::new(), ..host.desired.recorded.clone() };
    if has_baseline(state) || !recorded.is_empty() {
        return Ok(());
    }
    let inventory = engine.inventory(observed).await?;
    write_baseline(state, &Baseline::of(&inventory, &run.record.started))?;
    Ok(())
}

/// Before the first write: what the plan will bring is recorded, so that a crash forgets nothing.
pub(super) fn announce(host: &Host<'_>, plan: &Plan, observed: &Observed) -> Result<(), Stop> {
    let state = &host.manifest().paths.state;
    let mut images = read_images(state)?;
    images.extend(brought(plan, observed, &images));
    write_images(state, &images)?;
    Ok(())
}

/// After a stage: what could not be loaded or pulled did not come. Whoever brings it now is somebody else.
pub(super) fn forget_failed(host: &Host<'_>, plan: &Plan, staged: &Staged) -> Result<(), Stop> {
    let failed = plan.steps.iter().filter(|step| staged.failed.contains(&step.id));
    let references: Vec<&String> = failed
        .filter(|step| !staged.open.contains(&step.address))
        .filter_map(|step| match &step.action {
            Action::Image(ImageAction::Load { spec, .. }) => Some(&spec.reference),
            Action::Image(ImageAction::Pull { reference }) => Some(reference),
            _ => None,
        })
        .collect();
    if references.is_empty() {
        return Ok(());
    }
    let state = &host.manifest().paths.state;
    let mut images = read_images(state)?;
    images.retain(|image| !references.contains(&image));
    write_images(state, &images)?;
    Ok(())
}

/// After the last stage: what is not there, and what no service asks for any more, is forgotten.
pub(super) fn settle(host: &Host<'_>, observed: &Observed) -> Result<(), Stop> {
    let state = &host.manifest().paths.state;
    let stacks = &host.desired.compiled.stacks;
    let is_wanted = |image: &str| {
        let mut services = stacks.values().flat_map(|stack| stack.services.values());
        services.any(|service| image_of(&service.body) == image)
    };
    let mut images = read_images(state)?;
    images.retain(|image| observed.images.contains(&engine_name(image)) || is_wanted(image));
    write_images(state, &images)?;
    Ok(())
}
