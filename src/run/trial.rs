//! The build that the gate `runner` asks for.

use jiff::Timestamp;

use super::unlock::Host;
use crate::forge::drone::{self, Api, Build, NewBuild};
use crate::forge::error::ForgeError;
use crate::gates::NoLook;
use crate::manifest::RunnerGate;
use crate::observed::TrialSeen;
use crate::report::chain;

/// The parameter that says which run of which gate asked.
const MARK: &str = "HOLDFAST_GATE";
/// As many of the newest builds are looked through for one that was asked for already.
const PAGE: usize = 100;

/// The build with this mark: found, or asked for. Where the gate says so, a green one of an earlier run counts.
pub(super) async fn seen(host: &Host<'_>, gate: RunnerGate, mark: String) -> Result<TrialSeen, NoLook> {
    let Some(declared) = host.manifest().forge.as_ref().and_then(|forge| forge.drone.as_ref()) else {
        return Err(NoLook::Unasked("there is no `forge.drone`".to_owned()));
    };
    let api =
        drone::administered(declared, &host.unlocked).map_err(|error| NoLook::Unasked(chain(&error)))?;
    let Some((owner, name)) = gate.repository.split_once('/') else {
        return Err(NoLook::Unasked(format!("`{}` is no `OWNER/NAME`", gate.repository)));
    };
    match of(&api, (owner, name), &gate, &mark).await {
        Ok(Some(seen)) => Ok(seen),
        Ok(None) => {
            Err(NoLook::Refused(format!("no pipeline of `{}` wants the event `custom`", gate.repository)))
        }
        Err(error) => Err(NoLook::Refused(chain(&error))),
    }
}

async fn of(
    api: &Api,
    (owner, name): (&str, &str),
    gate: &RunnerGate,
    mark: &str,
) -> Result<Option<TrialSeen>, ForgeError> {
    let builds = api.builds(owner, name, 1, PAGE).await?;
    let ours = builds.iter().find(|build| build.params.get(MARK).is_some_and(|there| there == mark));
    // The newest counts: what an older one proved, one that failed since has taken back.
    let newest = || builds.iter().find(|build| build.params.contains_key(MARK));
    let found = ours.or_else(|| newest().filter(|build| is_young(build, gate)));
    let number = if let Some(build) = found {
        build.number
    } else {
        let branch = gate.branch.as_deref().unwrap_or("main");
        let build = NewBuild { branch, params: &[(MARK, mark)] };
        let Some(made) = api.create_build(owner, name, &build).await? else { return Ok(None) };
        made.number
    };
    // Only a build that is asked for by its number has its stages.
    let Some(build) = api.build(owner, name, number).await? else { return Ok(None) };
    let stage = build.stages.iter().find(|stage| !stage.machine.is_empty());
    Ok(Some(TrialSeen {
        number,
        status: build.status.clone(),
        error: build.error.clone(),
        runner: stage.map(|stage| stage.machine.clone()).unwrap_or_default(),
        waited: stage.filter(|stage| stage.started > 0).map(|stage| stage.started - build.created),
        over: build.is_over(),
        earlier: ours.is_none() && found.is_some(),
    }))
}

/// True for a green build of this gate that is young enough to count.
fn is_young(build: &Build, gate: &RunnerGate) -> bool {
    let Some(within) = gate.within else { return false };
    let age = Timestamp::now().as_second() - build.finished;
    build.status == "success" && u64::try_from(age).is_ok_and(|age| age <= within.0.as_secs())
}
