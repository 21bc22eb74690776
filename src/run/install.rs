//! `secrets install`: files, links and units, without an engine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::begin::Run;
use super::order::{Said, Tell};
use super::stop::Stop;
use super::unlock::Host;
use crate::apply::{self, Event, World};
use crate::manifest::template::secrets_in;
use crate::manifest::{Folder, Manifest};
use crate::observed::Observed;
use crate::plan;
use crate::report::Exit;

/// Files and links, then nothing; one more for what somebody changed meanwhile.
const ROUNDS: usize = 4;

/// Leaves of a manifest what these folders need: before users are made, what belongs to one of them has no owner yet, and
/// is no failure of this run. Secrets that are only a part of something else are opened and not installed.
pub(super) fn narrow(manifest: &mut Manifest, folders: &[Folder]) {
    if folders.contains(&Folder::Services) {
        return;
    }
    manifest.templates.retain(|_, template| template.needed_for_users);
    let mut parts: BTreeSet<String> = manifest.naming_key.iter().cloned().collect();
    for template in manifest.templates.values() {
        parts.extend(secrets_in(&template.content));
    }
    manifest.secrets.retain(|name, secret| secret.needed_for_users || parts.contains(name));
    for secret in manifest.secrets.values_mut().filter(|secret| !secret.needed_for_users) {
        secret.install = false;
    }
}

/// Says what would be done.
pub(super) async fn plan(run: &mut Run<'_>, host: &Host<'_>, folders: &[Folder]) -> Result<(), Stop> {
    let mut observed = Observed::default();
    host.observe_host(&mut observed).await?;
    run.record.plan = plan::host(&host.desired, &observed, folders);
    Ok(())
}

/// Installs until nothing differs.
pub(super) async fn until_equal(
    run: &mut Run<'_>,
    host: &Host<'_>,
    folders: &[Folder],
    tell: &Tell<'_>,
) -> Result<(), Stop> {
    let mut tried = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut observed = Observed::default();
        host.observe_host(&mut observed).await?;
        let plan = plan::host(&host.desired, &observed, folders);
        if round == 0 {
            run.record.warnings.extend(plan.warnings.iter().cloned());
            run.record.plan.clone_from(&plan);
            tell.borrow_mut()(Said::Plan(&plan));
        }
        if plan.is_empty() || plan.steps.iter().all(|step| tried.contains(&step.address)) {
            host.settle_host(&observed)?;
            return Ok(());
        }
        tried.extend(plan.steps.iter().map(|step| step.address.clone()));
        host.announce_host(&plan, &observed)?;
        let generated = BTreeMap::new();
        let world = World {
            engine: None,
            manifest: host.manifest(),
            unlocked: &host.unlocked,
            generated: &generated,
            keep: &|_, _, _| Err("this asks no forge".to_owned()),
        };
        let mut forward = |event: Event<'_>| tell.borrow_mut()(Said::Step(&event));
        let staged = apply::stage(&world, &plan, &RefCell::new(&mut forward)).await;
        host.note_told(&plan, &staged.done)?;
        run.record.steps.extend(staged.outcomes);
        if staged.exit != Exit::Ok {
            return Err(Stop::Apply(staged.exit));
        }
    }
    let text = "secrets do not stay as they are installed: something else changes the same files or links";
    Err(Stop::Other(Exit::SecretFailed, text.to_owned()))
}
