//! The generation of a run: written before anything is changed, marked at its end.

use std::collections::BTreeMap;

use super::begin::Run;
use super::stop::Stop;
use super::unlock::Host;
use crate::manifest::Manifest;
use crate::report::Exit;
use crate::state::{Generation, Generations, Origin, Status, forget_installed};

impl Run<'_> {
    /// The generation of this manifest and these secrets: written before anything is changed, and not again while it
    /// is the newest.
    pub(super) fn generation(&mut self, host: &Host<'_>) -> Result<Generation, Stop> {
        let origin = Origin {
            created: self.record.started.clone(),
            manifest: self.record.manifest.clone(),
            rollback_of: self.from.as_ref().map(|from| from.number),
        };
        let generations = Generations::new(&host.manifest().paths.state);
        let generation = generations.open(&self.texts, &origin)?;
        generation.set_needs(&host.needs())?;
        self.record.generation = Some(generation.number);
        self.record.rollback_of = origin.rollback_of;
        Ok(generation)
    }

    /// The applied generation that this manifest with these secrets is, if there is one.
    pub(super) fn recorded(
        &self,
        manifest: &Manifest,
        digests: &BTreeMap<String, String>,
    ) -> Result<Option<u64>, Stop> {
        let generations = Generations::new(&manifest.paths.state);
        Ok(generations.applied_with(&self.texts, digests)?.map(|generation| generation.number))
    }

    /// The generation's end: proven when every gate held, failed when one did not, applied when none was asked. What
    /// was proven stays so as long as nothing changes.
    pub(super) fn settle(&self, generation: &Generation, host: &Host<'_>) -> Result<(), Stop> {
        if !self.record.steps.is_empty() {
            generation.write_run(&self.record)?;
        }
        if self.order.only.is_some() {
            return Ok(()); // A part says nothing of the whole.
        }
        let exit = self.record.exit;
        let status = match (exit, self.order.verify) {
            (Exit::Ok, true) => Some(Status::Proven),
            (Exit::Ok, false) if self.record.steps.is_empty() => {
                generation.status().is_none_or(|status| status != Status::Proven).then_some(Status::Applied)
            }
            (Exit::Ok, false) => Some(Status::Applied),
            _ => Some(Status::Failed),
        };
        if let Some(status) = status {
            generation.set_status(status)?;
        }
        let manifest = host.manifest();
        forget_installed(&manifest.paths.state)?;
        Ok(Generations::new(&manifest.paths.state).collect(manifest.keep.generations)?)
    }

    /// Every gate of the whole manifest held: so the generation that was applied without gates is proven, if nothing
    /// was applied since.
    pub(super) fn prove_generation(&self, manifest: &Manifest) -> Result<(), Stop> {
        let newest = Generations::new(&manifest.paths.state).newest()?;
        let applied = newest.filter(|newest| {
            newest.status() == Some(Status::Applied) && newest.origin().manifest == self.record.manifest
        });
        if let Some(generation) = applied.filter(|_| self.order.only.is_none()) {
            generation.set_status(Status::Proven)?;
        }
        Ok(())
    }
}
