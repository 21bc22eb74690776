//! What is recorded of a Drone, and when its sign-in is done anew.

use std::time::Duration;

use jiff::Timestamp;

use super::unlock::Host;
use crate::address::{Address, Kind};
use crate::forge;
use crate::forge::drone::{self, Api, ping};
use crate::forge::error::ForgeError;
use crate::forge::gitea;
use crate::forge::http::Client;
use crate::gates::NoLook;
use crate::manifest::{Drone, DroneGate, Gitea, Manifest};
use crate::observed::{DroneAnswers, DroneSeen, ForgeRecord, OauthSeen};
use crate::plan::{DroneAction, Step, Verb};
use crate::report::chain;
use crate::secrets::Unlocked;
use crate::state::read_forge;

/// A sign-in older than this is done anew: Gitea forgets one that is not used for 730 h.
const RENEWED_AFTER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Looks at the Drone that is declared; `None` where there is none, or a secret for it is missing.
pub(super) async fn observe(
    manifest: &Manifest,
    record: &ForgeRecord,
    unlocked: &Unlocked,
) -> Option<Box<DroneSeen>> {
    let (gitea, declared) = declared(manifest)?;
    let secrets = [&gitea.admin.password, &declared.admin.token, &declared.admin.password];
    if !secrets.iter().all(|secret| unlocked.values.contains_key(&secret.secret)) {
        return None;
    }
    let mut seen = drone::observe((declared, gitea), record, unlocked).await;
    if seen.away.is_empty() && seen.refused.is_empty() {
        seen.due = due(record.signed_in.as_deref(), Timestamp::now());
    }
    Some(Box::new(seen))
}

/// Why a sign-in that still holds is done anew; empty where it is not.
fn due(signed_in: Option<&str>, now: Timestamp) -> String {
    let Some(age) = signed_in.and_then(|at| age(at, now)) else {
        return "nothing is recorded of a sign-in from here".to_owned();
    };
    if age < RENEWED_AFTER {
        return String::new();
    }
    format!("the last one was {} days ago, and after 30 without use Gitea forgets it", age.as_secs() / 86400)
}

/// How long ago something was; nothing for what is yet to come, as after a clock was set back.
fn age(at: &str, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = at.parse().ok()?;
    Some(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}

/// Before a step: what it is about to make is ours.
pub(super) fn begin(record: &mut ForgeRecord, step: &Step) {
    if step.verb == Verb::Create {
        record.made.insert(step.address.clone());
    }
}

/// After a step that ended well: which version of a secret was written, and when Drone was signed in to.
pub(super) fn end(
    record: &mut ForgeRecord,
    (address, action): (&Address, &DroneAction),
    digest: Option<String>,
) {
    if let Some(digest) = digest {
        record.secrets.insert(address.clone(), digest);
    }
    if matches!(action, DroneAction::SignIn) {
        record.signed_in = Some(Timestamp::now().to_string());
    }
}

/// After the last: what is neither declared nor there any more is forgotten.
pub(super) fn settle(record: &mut ForgeRecord, declared: &Drone, seen: &DroneSeen) {
    if !seen.away.is_empty() {
        return;
    }
    let inside = |address: &Address| {
        let (full, name) = address.leaf().name.rsplit_once('/')?;
        Some((declared.repositories.get(full), seen.repositories.get(full), name.to_owned()))
    };
    record.made.retain(|address| {
        let name = address.leaf().name.as_str();
        match address.leaf().kind {
            _ if address.outer.name != "drone" => true,
            Kind::User => seen.users.contains_key(name),
            Kind::Repository => seen.repositories.get(name).is_some_and(|seen| seen.active),
            Kind::Secret => inside(address)
                .is_some_and(|(_, seen, name)| seen.is_some_and(|seen| seen.secrets.contains_key(&name))),
            Kind::Cron => inside(address)
                .is_some_and(|(_, seen, name)| seen.is_some_and(|seen| seen.crons.contains_key(&name))),
            _ => true,
        }
    });
    record.secrets.retain(|address, _| match address.leaf().kind {
        _ if address.outer.name != "drone" => true,
        Kind::User => declared.users.contains_key(&address.leaf().name),
        Kind::Secret => inside(address)
            .is_some_and(|(wanted, _, name)| wanted.is_some_and(|wanted| wanted.secrets.contains_key(&name))),
        _ => true,
    });
}

/// What a Drone server answers to a gate.
pub(super) async fn answers(host: &Host<'_>, gate: DroneGate) -> Result<DroneAnswers, NoLook> {
    let unasked = |why: &dyn std::error::Error| NoLook::Unasked(chain(why));
    let refused = |why: ForgeError| NoLook::Refused(chain(&why));
    let declared = declared(host.manifest()).map(|(_, drone)| drone);
    let (url, connect, ca) = match (&gate.url, declared) {
        (Some(url), _) => (url, &gate.connect, &gate.ca),
        (None, Some(drone)) => {
            (&drone.url, if gate.connect.is_some() { &gate.connect } else { &drone.connect }, &drone.ca)
        }
        (None, None) => return Err(NoLook::Unasked("there is no `forge.drone`".to_owned())),
    };
    let client = Client::new(url, connect.as_deref(), ca.as_deref()).map_err(|error| unasked(&error))?;
    let api = Api::anonymous(client);
    let health = api.health().await.map_err(refused)?;
    // What answers something else is told by the gate.
    let version = api.version().await.map(|version| version.version).unwrap_or_default();
    let ping = match &gate.runner_secret {
        None => None,
        Some(secret) => {
            let value = forge::secret(&host.unlocked, &secret.secret).map_err(NoLook::Unasked)?;
            Some(ping(api.client(), &value).await.map_err(refused)?.status())
        }
    };
    Ok(DroneAnswers { healthz: health.status, version, license: health.license, ping })
}

/// Whether Gitea lets the Drone of the manifest in.
pub(super) async fn oauth(host: &Host<'_>) -> Result<OauthSeen, NoLook> {
    let Some((_, declared)) = declared(host.manifest()) else {
        return Err(NoLook::Unasked("there is no `forge.drone`".to_owned()));
    };
    let api =
        drone::administered(declared, &host.unlocked).map_err(|error| NoLook::Unasked(chain(&error)))?;
    let refused = drone::refused(&api).await.map_err(|error| NoLook::Refused(chain(&error)))?;
    // Another process may have signed in since this one began.
    let signed_in = read_forge(&host.manifest().paths.state).ok().and_then(|record| record.signed_in);
    let age = signed_in.as_deref().and_then(|at| age(at, Timestamp::now())).map(|age| age.as_secs());
    let untaken = gitea::untaken(host.manifest(), &host.unlocked).await;
    let untaken = untaken.map_err(|error| NoLook::Refused(chain(&error)))?;
    Ok(OauthSeen { user: declared.admin.username.clone(), refused, untaken, signed_in, age })
}

/// The Drone that is declared, and its Gitea.
fn declared(manifest: &Manifest) -> Option<(&Gitea, &Drone)> {
    let forge = manifest.forge.as_deref()?;
    Some((forge.gitea.as_ref()?, forge.drone.as_ref()?))
}

#[cfg(test)]
mod tests {
    use super::due;

    #[test]
    fn a_sign_in_is_renewed_before_gitea_forgets_it_and_not_before_that_is_near() {
        let now = "2026-03-20T00:00:00Z".parse().unwrap();
        for (at, said) in [
            (Some("2026-03-19T23:59:59Z"), ""),
            (Some("2026-03-06T00:00:01Z"), ""),
            (Some("2026-03-06T00:00:00Z"), "the last one was 14 days ago"),
            (Some("2026-01-01T00:00:00Z"), "the last one was 78 days ago"),
            // A clock that was set back.
            (Some("2027-01-01T00:00:00Z"), ""),
            (Some("yesterday"), "nothing is recorded"),
            (None, "nothing is recorded"),
        ] {
            let due = due(at, now);
            assert!(due.starts_with(said) && due.is_empty() == said.is_empty(), "{at:?}: {due}");
        }
    }
}
