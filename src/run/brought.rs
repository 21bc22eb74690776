//! The record of the images that come onto this node because of us, kept beside what is ours.

use std::collections::BTreeSet;

use super::stop::Stop;
use super::unlock::Host;
use crate::apply::Staged;
use crate::desired::image_of;
use crate::observed::Observed;
use crate::plan::{Action, ImageAction, Plan, brought, engine_name};
use crate::state::{read_images, write_images};

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
    let stacks = host.desired.compiled.stacks.values();
    let wanted: BTreeSet<&str> =
        stacks.flat_map(|stack| stack.services.values().map(|service| image_of(&service.body))).collect();
    let mut images = read_images(state)?;
    images.retain(|image| wanted.contains(image.as_str()) || observed.images.contains(&engine_name(image)));
    write_images(state, &images)?;
    Ok(())
}
