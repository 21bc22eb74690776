//! One step: the exhaustive match that hands it to its room.

use std::path::Path;

use super::failure::{Failure, Tells};
use super::{Event, Tell, World, image};
use crate::desired::HostWanted;
use crate::forge::{drone, gitea};
use crate::host;
use crate::plan::{Action, DroneAction, FilesAction, ForgeAction, ImageAction, Step, SwarmAction};
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
            removed.map_err(|error| {
                let failure = Failure::engine(&error);
                if error.is_in_use() { Failure { tells: Tells::InUse, ..failure } } else { failure }
            })
        }
        Action::Files(action) => file(world, action),
        // On the heap: few runs have such a step, and all would carry its size.
        Action::Forge(action) => Box::pin(forge(world, action)).await,
        Action::Drone(action) => Box::pin(drone(world, action)).await,
        Action::Host(action) => {
            host::tell(action).await.map_err(|error| Failure::new(&error, Exit::ApplyFailed))
        }
    };
    done.map(|()| Vec::new())
}

/// What is declared of a forge; the plan has steps of none that is not.
async fn forge(world: &World<'_>, action: &ForgeAction) -> Result<(), Failure> {
    let forge = world.manifest.forge.as_ref();
    let Some(gitea) = forge.and_then(|forge| forge.gitea.as_ref()) else { return Ok(()) };
    gitea::execute(gitea, action, world.unlocked, world.keep).await.map_err(|error| Failure::forge(&error))
}

/// As [`forge`], of a Drone, which is signed in to through the Gitea.
async fn drone(world: &World<'_>, action: &DroneAction) -> Result<(), Failure> {
    let Some(forge) = world.manifest.forge.as_deref() else { return Ok(()) };
    let (Some(drone), Some(gitea)) = (&forge.drone, &forge.gitea) else { return Ok(()) };
    drone::execute((drone, gitea), action, world.unlocked).await.map_err(|error| Failure::forge(&error))
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
