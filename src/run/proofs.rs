//! Which gates a run has: those of the manifest, and those that what it declares carries without asking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::order::Order;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::gates::{Check, Planned};
use crate::manifest::{ClosureGate, FileGate, Folder, Gate, Installed, SwarmGate};
use crate::observed::{Ask, InstalledFile};
use crate::state::Proven;

/// The gates that the order covers, and the one that it asks for itself.
pub(super) fn selected(
    order: &Order,
    host: &Host<'_>,
    asked: &BTreeMap<String, Ask>,
    proven: &Proven,
) -> Vec<Planned> {
    let part = order.only.as_ref().and_then(|only| part_of_stack(only, &host.desired));
    let covered = |gate: &Planned| order.only.as_ref().is_none_or(|only| only.covers(&gate.address));
    let expected = order.expect_closure.as_deref().map(expected_closure);
    all(host, asked, part, proven).into_iter().filter(covered).chain(expected).collect()
}

/// Those of them whose proofs a probe takes anew: an older build counts for none.
pub(super) fn probed(order: &Order, host: &Host<'_>) -> Vec<Planned> {
    let mut gates = selected(order, host, &BTreeMap::new(), &Proven::default());
    gates.retain_mut(|planned| match &mut planned.gate {
        Check::Hook(_) => true,
        Check::Declared(gate) => {
            gate.runner.iter_mut().for_each(|runner| runner.within = None);
            gate.oauth.is_some() || gate.runner.is_some()
        }
        _ => false,
    });
    gates
}

/// Every gate of the manifest, and those that what it declares carries without asking.
fn all(
    host: &Host<'_>,
    asked: &BTreeMap<String, Ask>,
    part: Option<Planned>,
    proven: &Proven,
) -> Vec<Planned> {
    let manifest = host.manifest();
    let mut gates = vec![derived(Address::single(Kind::Swarm), Check::Manager)];
    for name in manifest.networks.keys() {
        gates.push(derived(Address::new(Kind::Network, name), Check::Network(name.clone())));
    }
    for file in manifest.installed().filter(|file| file.install) {
        gates.push(installed(host, &file));
    }
    gates.extend(linked(host));
    for (unit, ask) in asked {
        gates.push(derived(Address::new(Kind::Unit, unit), Check::Unit(unit.clone(), ask.clone())));
    }
    for name in host.desired.compiled.stacks.keys() {
        let gate = SwarmGate { stack: name.clone(), service: None };
        let gate = Gate { swarm: Some(gate), ..Gate::default() };
        gates.push(derived(Address::new(Kind::Stack, name), gate.into()));
    }
    let gitea = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let hooks = gitea.into_iter().flat_map(|gitea| &gitea.webhooks);
    for (name, _) in hooks.filter(|(_, hook)| hook.attest.is_some()) {
        gates.push(derived(Address::in_forge("gitea", Kind::Hook, name), Check::Hook(name.clone())));
    }
    for (name, gate) in &manifest.gates {
        let address = Address::new(Kind::Gate, name);
        gates.push(Planned { address, gate: gate.clone().into(), derived: false, soak: false });
    }
    gates.extend(part);
    for gate in &mut gates {
        // A file is what it is: looking again for ten seconds proves nothing more.
        let lives = !matches!(
            gate.address.outer.kind,
            Kind::Secret | Kind::Template | Kind::Link | Kind::Network | Kind::Swarm | Kind::Forge
        );
        gate.soak = lives && !proven.gates.iter().any(|held| held.covers(&gate.address));
    }
    gates
}

/// What proves one part of a stack: the service itself; of anything else the services of the stack, which use it.
fn part_of_stack(only: &Address, desired: &Desired<'_>) -> Option<Planned> {
    let inner = only.inner.as_ref()?;
    let stack = desired.compiled.stacks.get(&only.outer.name)?;
    let is_service = inner.kind == Kind::Service && stack.services.contains_key(&inner.name);
    let gate = SwarmGate { stack: stack.name.clone(), service: is_service.then(|| inner.name.clone()) };
    Some(derived(only.clone(), Gate { swarm: Some(gate), ..Gate::default() }.into()))
}

/// The gate that the command line asks for. No gate of a manifest can have its name.
fn expected_closure(toplevel: &Path) -> Planned {
    let gate = ClosureGate { expect: Some(toplevel.to_owned()), ..ClosureGate::default() };
    let address = Address::new(Kind::Gate, "--expect-closure");
    derived(address, Gate { closure: Some(gate), ..Gate::default() }.into())
}

fn derived(address: Address, gate: Check) -> Planned {
    Planned { address, gate, derived: true, soak: false }
}

/// A secret or template is there, with its owner and mode.
fn installed(host: &Host<'_>, file: &Installed<'_>) -> Planned {
    let wanted = match file.folder() {
        Folder::Services => host.desired.files.get(&file.file()),
        Folder::Users => host.desired.host.user_files.get(&file.file()),
    };
    at(file.address(), file.place(&host.manifest().paths.run), wanted)
}

/// Each link leads to a file with that owner and mode.
fn linked(host: &Host<'_>) -> Vec<Planned> {
    let run = &host.manifest().paths.run;
    let of = |(path, target): (&PathBuf, &PathBuf)| {
        let place = |folder: Folder| target.strip_prefix(run.join(folder.link())).ok()?.to_str();
        let wanted = place(Folder::Services).and_then(|name| host.desired.files.get(name));
        let wanted =
            wanted.or_else(|| place(Folder::Users).and_then(|name| host.desired.host.user_files.get(name)));
        at(Address::new(Kind::Link, path.display().to_string()), path.clone(), wanted)
    };
    host.desired.host.links.iter().map(of).collect()
}

/// A file with this owner and mode.
fn at(address: Address, path: PathBuf, wanted: Option<&InstalledFile>) -> Planned {
    let number = |part: fn(&InstalledFile) -> u32| wanted.map(|file| part(file).to_string());
    let gate = FileGate {
        path,
        mode: wanted.map(|file| format!("{:04o}", file.mode)).or_else(|| Some("0400".to_owned())),
        owner: number(|file| file.uid),
        group: number(|file| file.gid),
        ..FileGate::default()
    };
    derived(address, Gate { file: Some(gate), ..Gate::default() }.into())
}
