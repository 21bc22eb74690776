//! What forges tell in the middle of a run: taken for known at the boundary of a stage, so that the next one can use it.

use std::collections::BTreeSet;

use super::begin::Run;
use super::stop::Stop;
use super::units;
use super::unlock::{Host, ID_KIND, of_secrets};
use crate::address::{Address, Kind};
use crate::manifest::{Folder, Installed, Manifest};
use crate::report::{Exit, Failure};
use crate::secrets::{self, Fresh, Ids, Told, Unlocked, files};
use crate::state::Generations;

/// Secrets that a forge makes the values of, and whose sops files have them.
pub(super) fn given(unlocked: &Unlocked) -> BTreeSet<String> {
    let given = unlocked.told.iter().filter(|(_, told)| **told == Told::Given);
    given.map(|(name, _)| name.clone()).collect()
}

/// Those whose kept values do not open.
pub(super) fn shut(manifest: &Manifest, unlocked: &Unlocked) -> BTreeSet<String> {
    let names = manifest.made_by_forge().map(|(name, _)| name);
    let shut = names.filter(|name| !unlocked.told.contains_key(*name) && !unlocked.awaited.contains(*name));
    shut.map(ToOwned::to_owned).collect()
}

/// Says what is not told yet, where nobody asks the forge: an installation goes on without it, a proof does not.
pub(super) fn say_awaited(run: &mut Run<'_>, manifest: &Manifest, unlocked: &mut Unlocked) {
    let proves = run.only_proves();
    if !proves && run.record.command != "secrets install" {
        return;
    }
    for (name, made) in manifest.made_by_forge().filter(|(name, _)| unlocked.awaited.contains(*name)) {
        let reason = format!("{} tells it, and was not asked yet (`holdfast apply` does)", made.address());
        let address = Address::new(Kind::Secret, name);
        if proves {
            unlocked.failures.push(Failure { address, reason, kept: false });
        } else {
            unlocked.warnings.push(format!("{address} is not installed yet: {reason}"));
        }
    }
    if proves {
        unlocked.awaited.clear();
    }
}

impl Host<'_> {
    /// Takes what was told and kept for known: values, what is rendered of them, names, files, links, logins, and the
    /// generation that this is.
    pub(super) fn learn(&mut self, run: &mut Run<'_>, fresh: Vec<Fresh>) -> Result<(), Stop> {
        if fresh.is_empty() {
            return Ok(());
        }
        let mut changed: BTreeSet<String> = fresh.iter().map(|fresh| fresh.name.clone()).collect();
        self.unlocked.learn(fresh);
        let manifest = &self.desired.compiled.manifest;
        let (rendered, mut failures) = secrets::render_again(manifest, &mut self.unlocked, &changed);
        changed.extend(rendered);
        let ids = Ids::new(&self.key, &manifest.instance);
        for name in &changed {
            if let Some(value) = self.unlocked.values.get(name) {
                self.desired.digests.insert(name.clone(), ids.of(ID_KIND, name, value));
            }
        }
        let of = |folder| files::wanted(manifest, folder, &self.unlocked, &self.desired.digests);
        let (wanted, mut refused) = of(Folder::Services);
        let (user_files, mut early) = of(Folder::Users);
        failures.append(&mut refused);
        failures.append(&mut early);
        let has_value =
            |file: &Installed<'_>| wanted.contains_key(&file.file()) || user_files.contains_key(&file.file());
        let (links, mut refused) = units::links(manifest, &has_value);
        failures.append(&mut refused);
        self.desired.files = wanted;
        self.desired.host.user_files = user_files;
        self.desired.host.links = links;
        self.desired.host.mint = self.unlocked.to_mint.keys().cloned().collect();
        self.desired.due.clone_from(&self.unlocked.due);
        self.unlocked.logins = secrets::logins(manifest, &self.unlocked);
        let login = |(name, login): (&String, &secrets::Login)| {
            (name.clone(), login.digest(&self.key, &manifest.instance))
        };
        self.desired.logins.wanted = self.unlocked.logins.iter().map(login).collect();
        let digests = of_secrets(manifest, &self.desired.digests)?;
        run.add_secrets(&digests);
        // Before anything is made of them: what a rollback would need is known from here on.
        let newest = Generations::new(&manifest.paths.state).newest()?;
        if let Some(generation) = newest.filter(|newest| Some(newest.number) == run.record.generation) {
            generation.set_secrets(&digests)?;
            generation.set_needs(&self.needs())?;
        }
        let told =
            |one: &Failure, other: &Failure| one.address == other.address && one.reason == other.reason;
        failures.retain(|failure| !run.record.secrets.iter().any(|other| told(failure, other)));
        if !failures.is_empty() {
            run.record.exit = run.record.exit.or(Exit::SecretFailed);
            run.record.secrets.extend(failures);
        }
        Ok(())
    }
}
