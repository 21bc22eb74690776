//! What forges shall hold: planned after everything that runs them.

mod access;
#[cfg(test)]
mod access_tests;
mod drone;
#[cfg(test)]
mod drone_tests;
mod gitea;
#[cfg(test)]
mod gitea_tests;
mod hooks;
mod later;
mod removal;

pub(super) use later::later;

use std::time::Duration;

use super::builder::{Builder, Draft};
use super::{Action, ForgeAction, Group, Verb};
use crate::address::{Address, Kind};

/// How long a forge that does not answer is waited for: a Gitea that has just been started takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plans what is declared of forges; nothing where nothing is.
pub(super) fn plan(builder: &mut Builder<'_>) {
    let manifest = &builder.desired.compiled.manifest;
    let Some(forge) = manifest.forge.as_deref() else { return };
    let Some(gitea) = &forge.gitea else { return };
    let address = Address::new(Kind::Forge, "gitea");
    let password = &gitea.admin.password.secret;
    if !builder.desired.digests.contains_key(password) {
        builder.hold(address, Address::new(Kind::Secret, password));
        return;
    }
    let Some(seen) = &builder.observed.forge.gitea else { return };
    if !seen.away.is_empty() {
        let action = Action::Forge(ForgeAction::Await { patience: PATIENCE });
        let mut draft = Draft::new(address, Verb::Await, Group::Forge, action);
        draft.needs = later::runs_it(builder.steps());
        builder.add(draft.because(format!("what it holds is known after apply: {}", seen.away)));
        return;
    }
    gitea::plan(builder, gitea, seen);
    if let Some(drone) = &forge.drone {
        drone::plan(builder, drone);
    }
}
