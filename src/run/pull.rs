//! Values that a host made, into the checkout.

use std::collections::BTreeMap;
use std::path::Path;

use super::compile;
use super::generate::{Checkout, Fate, GenerateOrder, Generated, Job, jobs, sweep};
use super::stop::Stop;
use crate::manifest::Place;
use crate::report::Exit;
use crate::secrets::{self, Made, SecretBytes, minted_in, open_minted};

/// Merges what a host has made into the sops files that the manifest names; `folder` is the host's `minted` folder, or a
/// copy of it. A value that a sops file has already stays.
///
/// # Errors
/// A manifest with problems; a file that cannot be read, opened or written; a folder without any value.
pub fn pull(order: &GenerateOrder<'_>, folder: &Path) -> Result<Vec<Generated>, Stop> {
    let (loaded, _) = compile::manifest_of(&order.manifest).map_err(Stop::Problems)?;
    let jobs = jobs(&loaded.manifest, Place::Host, &order.checkout);
    let mut checkout = Checkout::new(order, &loaded.manifest);
    let (mut told, mut new, mut found) = (Vec::new(), Vec::<(&Job<'_>, SecretBytes)>::new(), false);
    for job in &jobs {
        let path = minted_in(folder, job.name);
        if matches!(path.try_exists(), Ok(false)) {
            continue;
        }
        found = true;
        let minted = open_minted(&path, order.identities).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            Stop::Other(error.exit(), format!("`{}`: {error}{hint}", path.display()))
        })?;
        if !checkout.holds(job)? {
            told.push(job.told(Fate::Pulled));
            new.push((job, minted));
        } else if checkout.value(job.name)?.expose() != minted.expose() {
            told.push(job.told(Fate::Kept));
        }
    }
    if !found && !jobs.is_empty() {
        let text = format!(
            "`{}` has no value that the manifest lets the host make: copy the host's `{}` there",
            folder.display(),
            loaded.manifest.paths.state.join("minted").display()
        );
        return Err(Stop::Other(Exit::BadConfig, text));
    }
    if !order.dry_run {
        sweep(&jobs);
        let values: Vec<_> = new.iter().map(|(job, value)| (*job, value)).collect();
        checkout.write(&values)?;
    }
    let mut made = BTreeMap::new();
    for (job, value) in new {
        let public = secrets::public_part(job.kind, &value);
        made.insert(job.name, Made { value, public });
    }
    told.extend(checkout.record(&jobs, &made)?);
    Ok(told)
}
