//! One step: the exhaustive match that hands it to its room.

use std::path::Path;

use super::failure::Failure;
use super::{Event, Tell, World, image};
use crate::desired::HostWanted;
use crate::host;
use crate::plan::{Action, FilesAction, ImageAction, Step, SwarmAction};
use crate::report::{Exit, ServiceOutcome};
use crate::secrets::{files, minted_path};
use crate::state::write_durably;
use crate::swarm::{Waiting, login_of};

/// Does a step; a wait returns the services that it waited for.
pub(super) async fn execute(
    world: &World<'_>,
    step: &Step,
    tell: &Tell<'_>,
) -> Result<Vec<ServiceOutcome>, Failure> {
    let engine = || world.engine.ok_or_else(Failure::no_engine);
    let done = match &step.action {
        Action::Swarm(SwarmAction::Converge { services, deadline }) => {
            let mut progress =
                |waiting: &Waiting| tell.borrow_mut()(Event::Waiting(step, waiting.to_string()));
            let result = engine()?.converge(services, *deadline, &mut progress).await;
            return result.map_err(|error| Failure {
                detail: error.detail(),
                services: error.services.clone(),
                ..Failure::new(&error, error.exit())
            });
        }
        Action::Swarm(action) => {
            engine()?.execute(action, world.unlocked).await.map_err(|error| Failure::engine(&error))
        }
        Action::Image(ImageAction::Load { name, spec }) => image::load(engine()?, name, spec).await,
        Action::Image(ImageAction::Pull { reference }) => {
            let login = login_of(reference, &world.unlocked.logins);
            engine()?.pull(reference, login).await.map_err(|error| Failure::engine(&error))
        }
        Action::Image(ImageAction::Remove { name, patience }) => {
            let removed = engine()?.remove_image(name, *patience).await;
            removed.map_err(|error| Failure { left: error.is_in_use(), ..Failure::engine(&error) })
        }
        Action::Files(action) => file(world, action),
        Action::Host(action) => {
            host::tell(action).await.map_err(|error| Failure::new(&error, Exit::ApplyFailed))
        }
    };
    done.map(|()| Vec::new())
}

fn file(world: &World<'_>, action: &FilesAction) -> Result<(), Failure> {
    let run = &world.manifest.paths.run;
    let ours = |target: &Path| HostWanted::is_ours(run, target);
    let result = match action {
        FilesAction::Mint { name } => {
            let Some(sealed) = world.unlocked.to_mint.get(name) else { return Ok(()) };
            let written = write_durably(&minted_path(world.manifest, name), sealed.expose(), 0o600);
            return written.map(drop).map_err(|error| Failure::new(&error, Exit::SecretFailed));
        }
        FilesAction::Install { folder, keep } => {
            files::install(run, *folder, keep, world.manifest, world.unlocked)
        }
        FilesAction::Prune { folder, keep } => files::prune(run, *folder, keep),
        FilesAction::Link { path, target } => files::link(path, target, &ours),
        FilesAction::Unlink { path } => files::unlink(path, &ours),
        FilesAction::Put { path } => match world.generated.get(&path.display().to_string()) {
            Some(bytes) => files::put(run, path, bytes, GENERATED_MODE),
            None => Ok(()), // The plan names generated files only from this very map.
        },
        FilesAction::Remove { path } => files::remove(run, path),
    };
    result.map_err(|error| Failure::new(&error, Exit::SecretFailed))
}

/// Generated files are read by root in a container that has no more than its bind mount.
pub const GENERATED_MODE: u32 = 0o400;
