//! Which services were written and not seen to converge: by this run, or by one that was killed or failed.

use std::collections::BTreeSet;

use super::stop::Stop;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::apply::Staged;
use crate::plan::Plan;
use crate::report::Outcome;
use crate::state::write_unseen;

/// Before a stage: what it is about to write has yet to converge.
pub(super) fn begin(host: &mut Host<'_>, plan: &Plan) -> Result<(), Stop> {
    host.desired.unseen.extend(plan.moved());
    write(host)
}

/// After it: what was seen to converge is done with, also where the wait failed because of another service. What was
/// written without an answer is waited for, whatever the next look says of it.
pub(super) fn end(host: &mut Host<'_>, staged: &Staged) -> Result<(), Stop> {
    let outcomes = staged.outcomes.iter().flat_map(|outcome| &outcome.services);
    let good = outcomes.filter(|one| matches!(one.outcome, Outcome::Converged | Outcome::Completed));
    let good: BTreeSet<&str> = good.map(|one| one.service.as_str()).collect();
    let stacks = &host.desired.compiled.stacks;
    let is_open = |address: &Address| {
        let spec = address.inner.as_ref().and_then(|inner| {
            stacks.get(&address.outer.name)?.services.get(&inner.name).filter(|_| inner.kind == Kind::Service)
        });
        spec.is_none_or(|spec| !good.contains(spec.name.as_str()))
    };
    host.desired.unseen.retain(&is_open);
    host.desired.open.retain(&is_open);
    host.desired.open.extend(staged.open.iter().cloned());
    write(host)
}

/// After the last: what has left the manifest needs not converge any more.
pub(super) fn settle(host: &mut Host<'_>) -> Result<(), Stop> {
    let stacks = &host.desired.compiled.stacks;
    let is_wanted = |address: &Address| {
        let stack = stacks.get(&address.outer.name);
        stack.is_some_and(|stack| stack.services.contains_key(&address.leaf().name))
    };
    host.desired.unseen.retain(is_wanted);
    write(host)
}

fn write(host: &Host<'_>) -> Result<(), Stop> {
    write_unseen(&host.manifest().paths.state, &host.desired.unseen)?;
    Ok(())
}
