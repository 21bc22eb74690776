//! What forges hold: the look at them, and the record of what was made in them.

use super::begin::Run;
use super::drone;
use super::stop::Stop;
use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::apply::Staged;
use crate::forge::error::ForgeError;
use crate::forge::gitea;
use crate::gates::NoLook;
use crate::manifest::{Gate, Manifest};
use crate::observed::{AccessPlace, ForgeRecord, GiteaSeen, HookPlace, HookSeen, Observed};
use crate::plan::{Action, ForgeAction, Plan, Verb};
use crate::report::chain;
use crate::secrets::Unlocked;
use crate::state::{Proven, read_forge, write_forge};

/// What is recorded of forges; a host that declares none reads nothing.
pub(super) fn recorded(manifest: &Manifest) -> Result<ForgeRecord, Stop> {
    if manifest.forge.is_none() {
        return Ok(ForgeRecord::default());
    }
    Ok(read_forge(&manifest.paths.state)?)
}

/// What a run has to know of forges.
#[derive(Clone, Copy)]
pub(super) struct Questions {
    /// True where it asks them at all.
    pub(super) any: bool,
    /// True where it asks whether they take client secrets: that is no `GET`, so it is asked while there is no proof.
    secrets: bool,
}

/// A part that is no forge's needs one only for a value that it alone can tell.
pub(super) fn questions(run: &Run<'_>, manifest: &Manifest, unlocked: &Unlocked) -> Questions {
    let of_forge = |only: &Address| only.outer.kind == Kind::Forge;
    let asked = run.order.only.as_ref().is_none_or(of_forge) || !unlocked.awaited.is_empty();
    let proven = Proven::read(&manifest.paths.run, &run.record.manifest, &run.record.boot);
    let unproven = |(name, gate): (&String, &Gate)| {
        gate.oauth.is_some() && !proven.gates.contains(&Address::new(Kind::Gate, name))
    };
    let writes = matches!(run.record.command.as_str(), "apply" | "plan");
    Questions {
        any: manifest.forge.is_some() && asked,
        secrets: writes && manifest.gates.iter().any(unproven),
    }
}

/// Looks at the forges that are declared. One that does not answer is seen as that.
pub(super) async fn observe(host: &Host<'_>, observed: &mut Observed) {
    let manifest = host.manifest();
    let Some(declared) = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref()) else {
        return;
    };
    // Without its password nothing of it is planned.
    if host.unlocked.values.contains_key(&declared.admin.password.secret) {
        let seen = gitea::observe(manifest, &host.desired.forge, &host.unlocked).await;
        observed.forge.gitea = seen.map(Box::new);
    }
    observed.forge.drone = drone::observe(host.manifest(), &host.desired.forge, &host.unlocked).await;
    let refused = observed.forge.drone.as_ref().is_some_and(|drone| !drone.refused.is_empty());
    if (host.forges.secrets || refused)
        && let Some(seen) = &mut observed.forge.gitea
        && seen.away.is_empty()
    {
        doubt(host, seen).await;
    }
}

/// A client secret that somebody made anew in Gitea's pages is not the one that is kept.
async fn doubt(host: &Host<'_>, seen: &mut GiteaSeen) {
    match gitea::untaken(host.manifest(), &host.unlocked).await {
        Ok(untaken) => {
            let all = seen.applications.values_mut().flatten();
            all.filter(|one| untaken.contains(&one.name)).for_each(|one| one.secret_kept = false);
        }
        Err(error) => seen.away = error.to_string(),
    }
}

/// A declared webhook, for its gate.
pub(super) async fn hook(host: &Host<'_>, name: String) -> Result<HookSeen, NoLook> {
    let (manifest, refused) = (host.manifest(), |error: ForgeError| NoLook::Refused(chain(&error)));
    let gitea = manifest.forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let Some((gitea, declared)) = gitea.and_then(|gitea| Some((gitea, gitea.webhooks.get(&name)?))) else {
        return Err(NoLook::Unasked(format!("there is no webhook `{name}`")));
    };
    let api = gitea::administered(gitea, &host.unlocked).map_err(|error| NoLook::Unasked(chain(&error)))?;
    let (owner, repository) = declared.repository.split_once('/').unwrap_or_default();
    let hooks = api.hooks(owner, repository).await.map_err(refused)?.unwrap_or_default();
    let calling = hooks.iter().filter(|hook| hook.config.url == declared.url);
    // Another process may have heard it since this one began.
    let record = read_forge(&manifest.paths.state).unwrap_or_default();
    let heard = record.attested.get(&Address::in_forge("gitea", Kind::Hook, &name));
    let wanted = host.desired.digests.get(&declared.secret.secret).and_then(|digest| declared.heard(digest));
    Ok(HookSeen {
        repository: declared.repository.clone(),
        url: declared.url.clone(),
        active: calling.map(|hook| hook.active).collect(),
        attested: heard.is_some() && heard == wanted.as_ref(),
    })
}

/// Before a stage: what it is about to make is ours, so that a crash forgets nothing.
pub(super) fn begin(host: &mut Host<'_>, plan: &Plan) -> Result<(), Stop> {
    let record = &mut host.desired.forge;
    for step in &plan.steps {
        if matches!(step.action, Action::Drone(_)) {
            drone::begin(record, step);
        }
        let Action::Forge(action) = &step.action else { continue };
        let kind = step.address.leaf().kind;
        if step.verb == Verb::Create && !matches!(kind, Kind::Hook | Kind::Token | Kind::OauthApplication) {
            record.made.insert(step.address.clone());
        }
        if let ForgeAction::CreateHook { .. } | ForgeAction::AttestHook { .. } = action {
            record.attested.remove(&step.address);
        }
        if let ForgeAction::CreateHook { hook, .. } = action {
            let (repository, url) = (hook.repository.clone(), hook.url.clone());
            record.hooks.insert(HookPlace { name: step.address.leaf().name.clone(), repository, url });
        }
        let place = |user: &String, name: &String| AccessPlace {
            address: step.address.clone(),
            user: user.clone(),
            name: name.clone(),
        };
        match action {
            ForgeAction::CreateToken { user, name, .. } => drop(record.access.insert(place(user, name))),
            // A change ends the secret that is kept.
            ForgeAction::WriteApplication(write) if write.id.is_some() => {
                record.anew.insert(step.address.clone());
            }
            ForgeAction::WriteApplication(write) => {
                record.access.insert(place(&write.owner, &write.name));
            }
            _ => {}
        }
    }
    write(host)
}

/// After it: which version of a secret was written. Only what is known to have ended well counts: the rest is written
/// once more.
pub(super) fn end(host: &mut Host<'_>, plan: &Plan, staged: &Staged) -> Result<(), Stop> {
    refute(&mut host.desired.forge, plan, staged);
    for step in plan.steps.iter().filter(|step| staged.done.contains(&step.id)) {
        if let Action::Drone(action) = &step.action {
            let digest = action.secret().and_then(|secret| host.desired.digests.get(secret).cloned());
            drone::end(&mut host.desired.forge, (&step.address, action), digest);
        }
        let Action::Forge(action) = &step.action else { continue };
        if matches!(action, ForgeAction::WriteApplication(_)) {
            host.desired.forge.anew.remove(&step.address);
        }
        if let ForgeAction::AttestHook { what, .. } = action {
            host.desired.forge.attested.insert(step.address.clone(), what.clone());
        }
        let digest = action.secret().and_then(|secret| host.desired.digests.get(secret));
        if let Some(digest) = digest.cloned() {
            host.desired.forge.secrets.insert(step.address.clone(), digest);
        }
    }
    write(host)
}

/// A hook that was not made just now, and whose test delivery nobody could verify, has another secret than the one that is
/// recorded: it is made anew.
fn refute(record: &mut ForgeRecord, plan: &Plan, staged: &Staged) {
    let is_made = |address: &Address| {
        plan.steps.iter().any(|step| {
            let makes = matches!(step.action, Action::Forge(ForgeAction::CreateHook { .. }));
            makes && step.address == *address && staged.done.contains(&step.id)
        })
    };
    for step in plan.steps.iter().filter(|step| staged.refuted.contains(&step.id)) {
        record.attested.remove(&step.address);
        if !is_made(&step.address) {
            record.secrets.remove(&step.address);
        }
    }
}

/// After the last: what is neither declared nor there any more is forgotten.
pub(super) fn settle(host: &mut Host<'_>, observed: &Observed) -> Result<(), Stop> {
    let forge = host.manifest().forge.clone();
    if let (Some(declared), Some(seen)) =
        (forge.as_ref().and_then(|forge| forge.drone.as_ref()), &observed.forge.drone)
    {
        drone::settle(&mut host.desired.forge, declared, seen);
    }
    let declared = forge.as_ref().and_then(|forge| forge.gitea.as_ref());
    let (Some(declared), Some(seen)) = (declared.cloned(), &observed.forge.gitea) else { return Ok(()) };
    if !seen.away.is_empty() {
        return Ok(());
    }
    let ForgeRecord { made, hooks, secrets, attested, access, anew, .. } = &mut host.desired.forge;
    access.retain(|place| match place.address.leaf().kind {
        Kind::Token => seen.tokens.get(&place.user).into_iter().flatten().any(|one| one.name == place.name),
        _ => seen.applications.get(&place.user).into_iter().flatten().any(|one| one.name == place.name),
    });
    attested.retain(|address, _| declared.webhooks.contains_key(&address.leaf().name));
    anew.retain(|address| declared.oauth_applications.contains_key(&address.leaf().name));
    let at = |repository: &str| seen.repositories.get(repository);
    made.retain(|address| {
        let name = address.leaf().name.as_str();
        match address.leaf().kind {
            _ if address.outer.name != "gitea" => true,
            Kind::User => seen.users.contains_key(name),
            Kind::Organisation => seen.organisations.contains_key(name),
            Kind::Repository => seen.repositories.contains_key(name),
            Kind::Collaborator => name.rsplit_once('/').is_some_and(|(repository, user)| {
                at(repository).is_some_and(|seen| seen.collaborators.contains_key(user))
            }),
            _ => true,
        }
    });
    hooks.retain(|place| {
        at(&place.repository).is_some_and(|seen| seen.hooks.iter().any(|hook| hook.url == place.url))
    });
    secrets.retain(|address, _| {
        let name = address.leaf().name.as_str();
        match address.leaf().kind {
            _ if address.outer.name != "gitea" => true,
            Kind::User => declared.users.contains_key(name),
            Kind::Hook => declared.webhooks.contains_key(name),
            _ => true,
        }
    });
    write(host)
}

fn write(host: &Host<'_>) -> Result<(), Stop> {
    if host.manifest().forge.is_none() {
        return Ok(());
    }
    write_forge(&host.manifest().paths.state, &host.desired.forge)?;
    Ok(())
}
