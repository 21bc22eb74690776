//! `plan(&Desired, &Observed) -> Plan`: complete, pure, the same words for plan and apply.
//!
//! A plan is made of stages. What only another step can produce (the id of a secret that is not there yet) makes a
//! step wait for the next stage, and before each stage the engine is observed and the plan made again: the executor
//! never fills anything in.

mod action;
mod bind;
mod builder;
pub mod canonical;
mod choose;
mod cluster;
mod collect;
mod deadline;
mod destroy;
mod diff;
mod drone_action;
mod effect;
#[cfg(test)]
mod effect_tests;
mod forge;
mod handover;
mod host;
mod keep;
#[cfg(test)]
mod keep_tests;
mod leaks;
mod others;
mod ports;
mod recreate;
#[cfg(test)]
mod recreate_tests;
mod registry;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod removal_tests;
mod select;
mod settled;
mod stack;
mod step;
mod stuck;
#[cfg(test)]
mod tests;
mod too_new;
mod units;
#[cfg(test)]
mod units_tests;
mod unused;
#[cfg(test)]
mod unused_tests;
mod waves;
#[cfg(test)]
mod waves_tests;

use serde::Serialize;

pub use action::{
    Action, Awaited, FilesAction, ForgeAction, HostAction, ImageAction, NewSecret, SwarmAction,
    WriteApplication,
};
pub use choose::running_image;
pub use collect::siblings;
pub use destroy::{destroy, destroy_images, leftovers};
pub use diff::diff;
pub use drone_action::DroneAction;
pub use effect::{Class, Downtime, Effect, Order};
pub use leaks::{leaks, since};
pub use others::Left;
pub use step::{Change, Consequence, Group, Held, Kept, Plan, Stays, Step, Verb};
pub use stuck::{Carried, Stuck};
pub use unused::{Hoard, brought, engine_name, unused};

use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::manifest::Folder;
use crate::observed::Observed;
use crate::report::Exit;
use builder::Builder;

/// Something that the manifest asks for and that cannot be done to what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What it is about.
    pub address: Address,
    /// What is in the way, and why it is not simply changed.
    pub reason: String,
    /// The next command or the line to change.
    pub fix: String,
    /// The exit code.
    pub exit: Exit,
}

/// Decides everything that has to be done to make `observed` equal to `desired`, or the part that `only` covers.
///
/// # Errors
/// Everything that is asked for and cannot be done, all at once; nothing has been written then. With `only` that is
/// what the part itself meets: another stack's troubles do not stop it.
pub fn plan(
    desired: &Desired<'_>,
    observed: &Observed,
    only: Option<&Address>,
) -> Result<Plan, Vec<Refusal>> {
    let plan = whole(desired, observed, only)?;
    Ok(match only {
        Some(address) => plan.only(address),
        None => plan,
    })
}

/// The whole plan, also where only a part is asked for; what cannot be done outside of that part is left out.
///
/// # Errors
/// As [`plan()`].
pub fn whole(
    desired: &Desired<'_>,
    observed: &Observed,
    only: Option<&Address>,
) -> Result<Plan, Vec<Refusal>> {
    let mut builder = Builder::new(desired, observed);
    builder.later = forge::later(desired, observed);
    cluster::swarm(&mut builder);
    host::files(&mut builder);
    cluster::images(&mut builder);
    recreate::plan(&mut builder);
    ports::plan(&mut builder);
    cluster::networks(&mut builder);
    for name in waves::stacks(desired.compiled, &builder.handed) {
        let Some(spec) = desired.compiled.stacks.get(name) else { continue };
        let spec = others::leave(&mut builder, name, spec);
        stack::plan(&mut builder, name, &spec);
    }
    forge::plan(&mut builder);
    collect::plan(&mut builder);
    let (plan, mut refusals) = builder.finish();
    if let Some(only) = only {
        refusals.retain(|refusal| concerns(desired, only, &refusal.address));
    }
    if refusals.is_empty() { Ok(plan) } else { Err(refusals) }
}

/// The proofs that write, whatever is proven already, or those that `only` covers: they change nothing that is declared.
#[must_use]
pub fn probes(desired: &Desired<'_>, observed: &Observed, only: Option<&Address>) -> Plan {
    let mut builder = Builder::new(desired, observed);
    forge::probe(&mut builder);
    let plan = builder.finish().0;
    match only {
        Some(address) => plan.only(address),
        None => plan,
    }
}

/// The part of the plan that needs no engine: secrets and templates of these folders, links to them, units.
#[must_use]
pub fn host(desired: &Desired<'_>, observed: &Observed, folders: &[Folder]) -> Plan {
    let mut builder = Builder::new(desired, observed);
    host::secrets(&mut builder, folders);
    builder.finish().0
}

/// True when a refusal about `address` is in the way of the part that `only` covers.
fn concerns(desired: &Desired<'_>, only: &Address, address: &Address) -> bool {
    let stack = desired.compiled.stacks.get(&only.outer.name).filter(|_| only.outer.kind == Kind::Stack);
    match address.outer.kind {
        Kind::Swarm | Kind::Node => true,
        Kind::Network => {
            let uses = stack.map(|stack| &stack.external_networks);
            let name = &address.outer.name;
            only.covers(address) || uses.is_some_and(|uses| uses.iter().any(|network| network.name == *name))
        }
        // A service's own stack may be in its way, another service of it is not.
        _ => only.covers(address) || address.covers(only),
    }
}
