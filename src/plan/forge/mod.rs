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
use crate::manifest::{Forge, Gitea};
use crate::observed::GiteaSeen;

/// How long a forge that does not answer is waited for: a Gitea that has just been started takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plans what is declared of forges; nothing where nothing is.
pub(super) fn plan(builder: &mut Builder<'_>) {
    let Some((forge, gitea, seen)) = reached(builder) else { return };
    gitea::plan(builder, gitea, seen);
    if let Some(drone) = &forge.drone {
        drone::plan(builder, drone);
    }
}

/// Plans proofs that write, whatever is proven already.
pub(super) fn probe(builder: &mut Builder<'_>) {
    let Some((forge, gitea, seen)) = reached(builder) else { return };
    gitea::probe(builder, gitea, seen);
    if let Some(drone) = &forge.drone {
        drone::probe(builder, drone);
    }
}

/// The forges that are declared, and what was seen of the Gitea. One that does not answer is waited for; without the
/// password of its administrator everything is held back.
fn reached<'a>(builder: &mut Builder<'a>) -> Option<(&'a Forge, &'a Gitea, &'a GiteaSeen)> {
    let forge = builder.desired.compiled.manifest.forge.as_deref()?;
    let gitea = forge.gitea.as_ref()?;
    let address = Address::new(Kind::Forge, "gitea");
    let password = &gitea.admin.password.secret;
    if !builder.desired.digests.contains_key(password) {
        builder.hold(address, Address::new(Kind::Secret, password));
        return None;
    }
    let seen = builder.observed.forge.gitea.as_deref()?;
    if !seen.away.is_empty() {
        let action = Action::Forge(ForgeAction::Await { patience: PATIENCE });
        let mut draft = Draft::new(address, Verb::Await, Group::Forge, action);
        draft.needs = later::runs_it(builder.steps());
        builder.add(draft.because(format!("what it holds is known after apply: {}", seen.away)));
        return None;
    }
    Some((forge, gitea, seen))
}
