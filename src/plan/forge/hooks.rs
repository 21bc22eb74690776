//! Webhooks: known by repository and URL, and never asked for their secret.

use std::time::Duration;

use serde_json::Value;

use super::super::{Change, Consequence, ForgeAction, Verb, diff};
use super::gitea::{Made, draft, inside, same_fields};
use crate::address::Kind;
use crate::manifest::GiteaWebhook;
use crate::observed::{GiteaHookSeen, GiteaSeen, events};

/// What Gitea can tell of a hook, as it shall be.
fn settings(hook: &GiteaWebhook) -> Value {
    serde_json::json!({
        "type": "gitea",
        "content_type": "json",
        "events": events(hook.events.iter().map(String::as_str), true),
        "active": hook.active,
        "branch_filter": hook.branch_filter,
    })
}

pub(super) fn plan(made: &mut Made<'_, '_>, name: &str, hook: &GiteaWebhook, seen: &GiteaSeen) {
    let before = made.all.len();
    let Some(digest) = plan_itself(made, name, hook, seen) else { return };
    let changes = made.all.get(before..).unwrap_or_default().to_vec();
    let heard = made.builder.desired.forge.attested.get(&inside(Kind::Hook, name));
    if !changes.is_empty() || heard != hook.heard(&digest).as_ref() {
        attest(made, name, hook, (&digest, changes));
    }
}

/// A test delivery, whatever was heard before: of what somebody changed in a hook's secret nothing else tells. None where
/// the hook has to be made or changed first.
pub(super) fn probe(made: &mut Made<'_, '_>, name: &str, hook: &GiteaWebhook, seen: &GiteaSeen) {
    let address = inside(Kind::Hook, name);
    let there = seen.repositories.get(&hook.repository).map(|seen| seen.hooks.as_slice());
    if hook.attest.is_none() || !there.unwrap_or_default().iter().any(|there| there.url == hook.url) {
        return;
    }
    let Some(digest) = made.digest(&address, &hook.secret.secret) else { return };
    if made.rotation(&address, "secret", &digest).is_none() {
        attest(made, name, hook, (&digest, Vec::new()));
    }
}

/// Asks for a test delivery of a hook that has the secret with this digest once these steps are done.
fn attest(made: &mut Made<'_, '_>, name: &str, hook: &GiteaWebhook, (digest, changes): (&str, Vec<usize>)) {
    let (Some(attest), Some(what)) = (&hook.attest, hook.heard(digest)) else { return };
    let address = inside(Kind::Hook, name);
    if let Some(token) = &attest.token
        && made.digest(&address, &token.secret).is_none()
    {
        return;
    }
    let change = Change { field: "attested".to_owned(), before: None, after: Some(attest.status.clone()) };
    let patience = attest.timeout.map_or(PATIENCE, |timeout| timeout.0);
    let action = ForgeAction::AttestHook { hook: Box::new(hook.clone()), what, patience };
    let reason = "Gitea never tells a hook's secret; its receiver can, of a signed test delivery";
    let mut draft = draft(address, Verb::Update, action).because(reason);
    draft.needs = changes;
    made.add(draft.changing(vec![change], Consequence::None), &[]);
}

/// How long a test delivery may take: Gitea's queue is looked at every two seconds, and one that times out before it
/// holds it for five.
const PATIENCE: Duration = Duration::from_secs(20);

/// The hook itself; the keyed digest of its secret, where that is known.
fn plan_itself(made: &mut Made<'_, '_>, name: &str, hook: &GiteaWebhook, seen: &GiteaSeen) -> Option<String> {
    let address = inside(Kind::Hook, name);
    let digest = made.digest(&address, &hook.secret.secret)?;
    let wanted = settings(hook);
    let there = seen.repositories.get(&hook.repository).map(|seen| seen.hooks.as_slice());
    let there: Vec<&GiteaHookSeen> =
        there.unwrap_or_default().iter().filter(|there| there.url == hook.url).collect();
    let best = there.iter().find(|there| there.settings == wanted).or_else(|| there.first());
    let boxed = Box::new(hook.clone());
    let Some(best) = best else {
        let needs = [inside(Kind::Repository, &hook.repository)];
        let action = ForgeAction::CreateHook { hook: boxed, instead_of: Vec::new() };
        made.add(draft(address, Verb::Create, action), &needs);
        return Some(digest);
    };
    let mut changes = diff(&same_fields(&best.settings, &wanted), &wanted);
    let rotation = made.rotation(&address, "secret", &digest);
    // The type of a hook cannot be changed either.
    let is_new = rotation.is_some() || best.settings.get("type") != wanted.get("type");
    changes.extend(rotation);
    if is_new {
        let instead_of: Vec<i64> = there.iter().map(|there| there.id).collect();
        let action = ForgeAction::CreateHook { hook: boxed, instead_of };
        let reason = "only a new hook takes a secret; the old one goes when the new one is there";
        made.add(
            draft(address, Verb::Update, action).changing(changes, Consequence::None).because(reason),
            &[],
        );
        return Some(digest);
    }
    let only_secret = |change: &Change| change.field == "secret";
    if !changes.iter().all(only_secret) {
        let action = ForgeAction::EditHook { id: best.id, hook: boxed };
        made.add(draft(address.clone(), Verb::Update, action).changing(changes, Consequence::None), &[]);
    }
    for other in there.iter().filter(|there| there.id != best.id) {
        let action = ForgeAction::DeleteHook { repository: hook.repository.clone(), id: other.id };
        let reason = format!("a second hook with the same URL (number {})", other.id);
        made.add(draft(address.clone(), Verb::Delete, action).because(reason), &[]);
    }
    Some(digest)
}
