//! What stands beside services and drift in a look: the last apply, proofs, certificates. Reads only.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;

use super::begin::Run;
use super::order::Order;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::desired::Compiled;
use crate::gates::{self, Expiry};
use crate::manifest::{Manifest, Material};
use crate::report::{Applied, CertificateStatus};
use crate::state::{Generations, Proven};

/// The newest generation and what became of it. One that cannot be read is as good as none: `apply` says why.
pub(super) fn applied(run: &mut Run<'_>, manifest: &Manifest) {
    let newest = Generations::new(&manifest.paths.state).newest().ok().flatten();
    run.record.applied = newest.map(|newest| Applied {
        generation: newest.number,
        status: newest.status().map(|status| status.name().to_owned()).unwrap_or_default(),
        at: newest.last_run(),
    });
}

/// Full names of the services that no gate covers which held since the boot, with this very manifest.
pub(super) fn unproven(run: &Run<'_>, compiled: &Compiled) -> Vec<String> {
    let proven = Proven::read(&compiled.manifest.paths.run, &run.record.manifest, &run.record.boot);
    let is_proven = |address: &Address| proven.gates.iter().any(|held| held.covers(address));
    let services = compiled.stacks.iter().flat_map(|(stack, spec)| {
        spec.services
            .iter()
            .map(move |(key, service)| (Address::in_stack(stack, Kind::Service, key), service))
    });
    let unproven = services.filter(|(address, _)| !is_proven(address));
    unproven.map(|(_, service)| service.name.clone()).collect()
}

/// The certificates that the manifest declares: what Traefik is given, what gates compare with, and, if the order says
/// so, what is served where they look.
pub(super) async fn certificates(order: &Order, host: &Host<'_>) -> Vec<CertificateStatus> {
    let manifest = host.manifest();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let chains = manifest.traefik.iter().flat_map(|traefik| &traefik.certificates);
    for Material { secret, file } in chains.map(|certificate| &certificate.chain) {
        if let Some(secret) = secret {
            let name = Address::new(Kind::Secret, secret).to_string();
            if seen.insert(name.clone()) {
                let value = host.unlocked.values.get(secret);
                let read = value.map(|value| gates::expiry(value.expose()));
                found.push(row(
                    name,
                    String::new(),
                    read.unwrap_or_else(|| Err("it has no value".to_owned())),
                ));
            }
        } else if let Some(file) = file {
            of_file(file, &mut seen, &mut found);
        }
    }
    let declared =
        || manifest.gates.iter().filter_map(|(name, gate)| Some((name, gate.certificate.as_ref()?)));
    for (_, gate) in declared() {
        if let Some(file) = &gate.equals {
            of_file(file, &mut seen, &mut found);
        }
    }
    if let Some(patience) = order.served {
        let each = declared().map(|(name, gate)| async move {
            let name = Address::new(Kind::Gate, name).to_string();
            let served = gates::served(gate, patience).await.into_iter();
            served.map(|(at, expiry)| row(name.clone(), at, expiry)).collect::<Vec<_>>()
        });
        found.extend(join_all(each).await.into_iter().flatten());
    }
    found
}

fn of_file(path: &Path, seen: &mut BTreeSet<String>, found: &mut Vec<CertificateStatus>) {
    let name = path.display().to_string();
    if seen.insert(name.clone()) {
        found.push(row(name, String::new(), gates::expiry_of_file(path)));
    }
}

fn row(name: String, at: String, expiry: Expiry) -> CertificateStatus {
    let (not_after, reason) = match expiry {
        Ok(not_after) => (Some(not_after), String::new()),
        Err(reason) => (None, reason),
    };
    CertificateStatus { name, at, not_after, reason }
}
