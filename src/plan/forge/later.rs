//! Values that forges make in this very run: what is made of them is known after it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Step;
use super::access;
use crate::address::{Address, Kind};
use crate::desired::Desired;
use crate::manifest::RENDERED;
use crate::manifest::template::secrets_in;
use crate::observed::Observed;

/// Secrets, and templates of them (`rendered/NAME`), that a forge's step tells the value of, with what that step makes.
pub(in crate::plan) fn later(desired: &Desired<'_>, observed: &Observed) -> BTreeMap<String, Address> {
    let manifest = &desired.compiled.manifest;
    let Some(gitea) = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref()) else {
        return BTreeMap::new();
    };
    let Some(seen) = &observed.forge.gitea else { return BTreeMap::new() };
    let mut later = if seen.away.is_empty() {
        access::later(desired, gitea, seen)
    } else {
        // What is known may be right; what is not can only come from there.
        let is_missing = |name: &str| !desired.digests.contains_key(name) && !desired.shut.contains(name);
        let missing = manifest.made_by_forge().filter(|(name, _)| is_missing(name));
        missing.map(|(name, made)| (name.to_owned(), made.address())).collect()
    };
    for (name, template) in &manifest.templates {
        if let Some(address) = secrets_in(&template.content).find_map(|secret| later.get(&secret).cloned()) {
            later.insert(format!("{RENDERED}/{name}"), address);
        }
    }
    later
}

/// Steps of later stages that do not come after what a Gitea tells: one of them may start it, so it is not waited for before
/// them.
pub(super) fn runs_it(steps: &[Step]) -> Vec<usize> {
    let mut after: BTreeSet<usize> = BTreeSet::new();
    let mut made: BTreeSet<&Address> = BTreeSet::new();
    let mut needed = Vec::new();
    // Each stands behind what it needs.
    for step in steps {
        let told =
            step.after.values().any(|address| address.outer.kind == Kind::Forge || made.contains(address));
        if told || step.needs.iter().any(|need| after.contains(need)) {
            after.insert(step.id);
            made.insert(&step.address);
        } else if step.stage > 0 {
            needed.push(step.id);
        }
    }
    needed
}
