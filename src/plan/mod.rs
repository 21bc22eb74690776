//! `plan(&Desired, &Observed) -> Plan`: complete, pure, the same words for plan and apply.
//!
//! A plan is made of stages. What only another step can produce (the id of a secret that is not there yet) makes a
//! step wait for the next stage, and before each stage the engine is observed and the plan made again: the executor
//! never fills anything in.

mod action;
mod bind;
mod builder;
pub mod canonical;
mod cluster;
mod collect;
mod deadline;
mod destroy;
mod diff;
mod host;
mod recreate;
#[cfg(test)]
mod recreate_tests;
mod registry;
#[cfg(test)]
mod registry_tests;
mod select;
mod stack;
mod step;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use action::{Action, Awaited, FilesAction, ImageAction, SwarmAction};
pub use destroy::{destroy, leftovers};
pub use diff::diff;
pub use step::{Change, Consequence, Group, Held, Plan, Step, Verb};

use crate::address::Address;
use crate::desired::Desired;
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

/// Decides everything that has to be done to make `observed` equal to `desired`.
///
/// # Errors
/// Everything that is asked for and cannot be done, all at once; nothing has been written then.
pub fn plan(
    desired: &Desired<'_>,
    observed: &Observed,
    only: Option<&Address>,
) -> Result<Plan, Vec<Refusal>> {
    let mut builder = Builder::new(desired, observed);
    cluster::swarm(&mut builder);
    host::files(&mut builder);
    cluster::images(&mut builder);
    recreate::plan(&mut builder);
    cluster::networks(&mut builder);
    for (name, spec) in &desired.compiled.stacks {
        stack::plan(&mut builder, name, spec);
    }
    collect::plan(&mut builder);
    let plan = builder.finish()?;
    Ok(match only {
        Some(address) => plan.only(address),
        None => plan,
    })
}
