//! The host beside the engine: links, units that use secrets, and what is still due to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::stop::Stop;
use super::unlock::{Host, ID_KIND};
use crate::address::Kind;
use crate::desired::{Desired, HostWanted};
use crate::gates::UnitLook;
use crate::host;
use crate::manifest::{Folder, Installed, Manifest};
use crate::observed::{Ask, LinkSeen, Observed, UnitsSeen, Wish};
use crate::plan::{Action, Plan};
use crate::report::{Exit, Failure, GateResult, Verdict, chain};
use crate::secrets::{Ids, SecretBytes, Unlocked, files};
use crate::state::{read_asked, read_ids, write_asked, write_ids, write_links};

/// How many lines of a failed unit are told.
const LINES: usize = 10;

/// The links that shall be, and a failure for each one that cannot be made.
pub(super) fn links(
    manifest: &Manifest,
    has_value: &dyn Fn(&Installed<'_>) -> bool,
) -> (BTreeMap<PathBuf, PathBuf>, Vec<Failure>) {
    let run = &manifest.paths.run;
    let (mut links, mut failures) = (BTreeMap::new(), Vec::new());
    for file in manifest.installed().filter(|file| has_value(file)) {
        for path in file.links(run) {
            match files::observe_link(path, &|target| HostWanted::is_ours(run, target)) {
                LinkSeen::Refused(reason) => {
                    failures.push(Failure { address: file.address(), reason, kept: false });
                }
                _ => drop(links.insert(path.to_owned(), file.place(run))),
            }
        }
    }
    (links, failures)
}

/// What is installed, linked and asked of units. systemd is asked only when something of it is not as it shall be.
pub(super) async fn observe(
    desired: &Desired<'_>,
    (key, values): (&SecretBytes, &BTreeMap<String, SecretBytes>),
    observed: &mut Observed,
) -> Result<(), Stop> {
    let manifest = &desired.compiled.manifest;
    let run = &manifest.paths.run;
    let ids = Ids::new(key, &manifest.instance);
    // The digest of what is as it shall be is known.
    let name = |file: &str, bytes: &SecretBytes| match (values.get(file), desired.digests.get(file)) {
        (Some(value), Some(digest)) if value.expose() == bytes.expose() => digest.clone(),
        _ => ids.of(ID_KIND, file, bytes),
    };
    let seen = &mut observed.host;
    seen.asked = read_asked(run)?;
    seen.ids = read_ids(run);
    seen.generation = files::generation(run, Folder::Services);
    if !seen.asked.is_empty() {
        seen.units = look(manifest, &seen.asked).await?;
    }
    let paths = desired.host.links.keys().chain(desired.host.recorded_links.keys());
    let ours = |target: &Path| HostWanted::is_ours(run, target);
    seen.links = paths.map(|path| (path.clone(), files::observe_link(path, &ours))).collect();
    seen.user_files = files::observe(run, Folder::Users, &BTreeSet::new(), &name)?;
    observed.files = files::observe(run, Folder::Services, &seen.held(), &name)?;
    observed.generated = files::observe_generated(run, key, &manifest.instance)?;
    let linked =
        desired.host.links.iter().all(
            |(path, target)| matches!(seen.links.get(path), Some(LinkSeen::Link(there)) if there == target),
        );
    let same_ids =
        desired.ids().iter().all(|(name, id)| seen.ids.get(name).is_none_or(|before| before == id));
    let equal =
        linked && same_ids && observed.files == desired.files && seen.user_files == desired.host.user_files;
    if !equal && seen.units.is_none() {
        seen.units = look(manifest, &seen.asked).await?;
    }
    Ok(())
}

async fn look(
    manifest: &Manifest,
    asked: &BTreeMap<String, Ask>,
) -> Result<Option<BTreeMap<String, crate::observed::UnitSeen>>, Stop> {
    let of = |file: Installed<'_>| -> Vec<String> {
        file.restart_units.iter().chain(file.reload_units).cloned().collect()
    };
    let names: BTreeSet<String> = manifest.installed().flat_map(of).chain(asked.keys().cloned()).collect();
    host::units(&names).await.map_err(|error| Stop::Other(Exit::Internal, chain(&error)))
}

impl Host<'_> {
    /// Before the first write: which links are ours, and what will be asked of units. A run that is killed after the
    /// files have changed leaves this, and the next one asks.
    pub(super) fn announce_host(&self, plan: &Plan, observed: &Observed) -> Result<(), Stop> {
        let (host, manifest) = (&self.desired.host, self.manifest());
        let mut links = host.recorded_links.clone();
        links.extend(host.links.clone());
        write_links(&manifest.paths.state, &links)?;
        let mut asked = observed.host.asked.clone();
        for step in &plan.steps {
            let Action::Host(action) = &step.action else { continue };
            let unit = observed.host.units.as_ref().and_then(|units| units.get(&action.unit));
            let unit = unit.cloned().unwrap_or_default();
            let earlier = asked.remove(&action.unit);
            let mut holds = earlier.as_ref().map_or_else(BTreeSet::new, |ask| ask.holds.clone());
            holds.extend(observed.host.generation);
            let still = earlier.is_some_and(|ask| ask.wish == Wish::Restart && !ask.told);
            let wish = if still { Wish::Restart } else { action.wish };
            let ask = Ask { wish, before: unit.invocation, changed: unit.changed, told: false, holds };
            asked.insert(action.unit.clone(), ask);
        }
        write_asked(&manifest.paths.run, &asked)?;
        // What is told from here on is told: it is written down.
        self.keep_ids(observed)
    }

    /// Units know of these versions; what has no value now is as it was.
    fn keep_ids(&self, observed: &Observed) -> Result<(), Stop> {
        let mut ids = observed.host.ids.clone();
        ids.extend(self.desired.ids());
        write_ids(&self.manifest().paths.run, &ids)?;
        Ok(())
    }

    /// After a stage: which units have been told.
    pub(super) fn note_told(&self, plan: &Plan, done: &BTreeSet<usize>) -> Result<(), Stop> {
        let run = &self.manifest().paths.run;
        let told = plan.steps.iter().filter(|step| done.contains(&step.id));
        let units: Vec<&str> = told
            .filter_map(|step| match &step.action {
                Action::Host(action) => Some(action.unit.as_str()),
                _ => None,
            })
            .collect();
        if units.is_empty() {
            return Ok(());
        }
        let mut asked = read_asked(run)?;
        for unit in units {
            if let Some(ask) = asked.get_mut(unit) {
                ask.told = true;
            }
        }
        write_asked(run, &asked)?;
        Ok(())
    }

    /// After the last look: the links that are wanted are ours, and of those from before the ones that are still there.
    pub(super) fn settle_host(&self, observed: &Observed) -> Result<(), Stop> {
        let host = &self.desired.host;
        let declared = HostWanted::declared_links(self.manifest());
        let there = |(path, target): &(&PathBuf, &PathBuf)| {
            let leads =
                matches!(observed.host.links.get(*path), Some(LinkSeen::Link(seen)) if seen == *target);
            leads || declared.contains_key(*path)
        };
        let mut links: BTreeMap<PathBuf, PathBuf> = host
            .recorded_links
            .iter()
            .filter(there)
            .map(|(path, target)| (path.clone(), target.clone()))
            .collect();
        links.extend(host.links.clone());
        write_links(&self.manifest().paths.state, &links)?;
        self.keep_ids(observed)
    }
}

/// What was asked of units and did happen is done with: it is forgotten, and so are the generations that only those
/// units held. The lock is held.
pub(super) fn forget_proven(manifest: &Manifest, results: &[GateResult]) -> Result<(), Stop> {
    let run = &manifest.paths.run;
    let mut asked = read_asked(run)?;
    let before = asked.len();
    for result in results.iter().filter(|result| result.verdict == Verdict::Pass) {
        if result.address.outer.kind == Kind::Unit {
            asked.remove(&result.address.outer.name);
        }
    }
    if asked.len() != before {
        write_asked(run, &asked)?;
        let held = asked.values().flat_map(|ask| ask.holds.iter().copied()).collect();
        files::prune(run, Folder::Services, &held)?;
    }
    Ok(())
}

/// How a unit is; what it wrote, where it failed, without lines that hold a value.
pub(super) async fn look_at(name: String, unlocked: &Unlocked) -> Result<UnitLook, String> {
    let names = BTreeSet::from([name.clone()]);
    let units = host::units(&names).await.map_err(|error| chain(&error))?;
    let unit = units.ok_or("systemd does not run here")?.into_values().next().unwrap_or_default();
    if unit.active != "failed" {
        return Ok(UnitLook { unit, log: Vec::new() });
    }
    Ok(UnitLook { unit, log: log_of(&name, unlocked).await })
}

/// How a unit is that a gate of the manifest is about.
pub(super) async fn state_of(name: String, unlocked: &Unlocked) -> Result<UnitsSeen, String> {
    let seen = host::state(&name).await.map_err(|error| chain(&error))?;
    let mut seen = seen.ok_or("systemd does not run here")?;
    seen.activated = host::look_at_system(Path::new("/run"), None).activated;
    if seen.unit.active == "failed" {
        seen.log = log_of(&name, unlocked).await;
    }
    Ok(seen)
}

async fn log_of(name: &str, unlocked: &Unlocked) -> Vec<String> {
    let log = host::log(name, LINES).await;
    let log = log.into_iter().map(|line| if holds_value(&line, unlocked) { HIDDEN.to_owned() } else { line });
    log.collect()
}

const HIDDEN: &str = "(a line that holds a secret is left out)";

/// True when a line holds the value of a secret, or one line of a value. Shorter ones than four bytes are found anywhere.
fn holds_value(line: &str, unlocked: &Unlocked) -> bool {
    let parts = unlocked.values.values().flat_map(|value| value.expose().split(|byte| *byte == b'\n'));
    let mut parts = parts.map(<[u8]>::trim_ascii).filter(|part| part.len() >= 4);
    parts.any(|part| line.as_bytes().windows(part.len()).any(|window| window == part))
}
