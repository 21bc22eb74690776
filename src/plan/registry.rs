//! What registries have to do with a service: its image is pulled before it changes, and its login is kept fresh.

use serde_json::Value;

use super::builder::{Builder, Draft};
use super::{Action, Change, Consequence, Group, ImageAction, Step, SwarmAction, Verb};
use crate::address::{Address, Kind};
use crate::desired::{ServiceSpec, image_of, registry_of};
use crate::observed::{Object, at};
use crate::pins::{ARCHIVES, Reference};

/// The field that a plan shows for a login; it is no part of a spec.
const LOGIN: &str = "PullOptions.RegistryAuth";

/// Plans the pull of the image of a service that is about to be made or changed, so that a registry that refuses it is
/// told of before anything else happens. With several nodes each pulls for itself, as nobody knows which one will.
pub(super) fn pull(builder: &mut Builder<'_>, service: &ServiceSpec) -> Option<usize> {
    let reference = image_of(&service.body);
    let image = Reference::parse(reference).filter(|_| !reference.starts_with(ARCHIVES))?;
    let digest = image.digest.as_ref()?;
    let name = image.name();
    let held = builder.observed.images.contains(&format!("{name}@{digest}"));
    if held || builder.observed.nodes.len() > 1 || service.replicas() == Some(0) {
        return None;
    }
    let tagged = image.tag.as_ref().map_or_else(|| name.clone(), |tag| format!("{name}:{tag}"));
    let address = Address::new(Kind::Image, service.image.as_ref().unwrap_or(&tagged));
    if let Some(step) = builder.step(&address) {
        return Some(step.id);
    }
    let action = Action::Image(ImageAction::Pull { reference: reference.to_owned() });
    let draft = Draft::new(address, Verb::Create, Group::Ground, action);
    Some(builder.add(draft.because(format!("{reference} is not on the engine"))))
}

/// While a service runs the same image, its platforms stay as they are stored: they follow from the image, and docker's
/// versions write them in different ways.
pub(super) fn keep_platforms(stored: &Value, body: &mut std::borrow::Cow<'_, Value>) {
    const PLATFORMS: &str = "/TaskTemplate/Placement/Platforms";
    if at(stored, PLATFORMS) == at(body, PLATFORMS) || image_of(stored) != image_of(body) {
        return;
    }
    let Some(placement) = body.to_mut().pointer_mut("/TaskTemplate/Placement").and_then(Value::as_object_mut)
    else {
        return;
    };
    match at(stored, PLATFORMS) {
        Value::Null => drop(placement.remove("Platforms")),
        platforms => drop(placement.insert("Platforms".to_owned(), platforms.clone())),
    }
}

/// True for a step of [`refresh`].
pub(super) fn is_refresh(step: &Step) -> bool {
    matches!(step.diff.as_slice(), [change] if change.field == LOGIN)
}

/// Gives a service that is otherwise as it shall be the login that its registry wants now. Its spec goes out as it is
/// stored, so that no task restarts. A job would run again: it gets its login when it changes.
pub(super) fn refresh(builder: &mut Builder<'_>, address: impl Fn() -> Address, existing: &Object) {
    let stored = existing.spec();
    let logins = &builder.desired.logins;
    let Some(wanted) = logins.of(stored) else { return };
    let given = logins.given.get(&existing.id);
    let is_job = ["/Mode/ReplicatedJob", "/Mode/GlobalJob"].iter().any(|mode| at(stored, mode).is_object());
    if given == Some(wanted) || is_job {
        return;
    }
    let words = |digest: &String| format!("id {digest}");
    let change = Change { field: LOGIN.to_owned(), before: given.map(words), after: Some(words(wanted)) };
    let (id, version) = (existing.id.clone(), existing.version);
    let action = Action::Swarm(SwarmAction::UpdateService { id, version, spec: stored.clone() });
    let registry = registry_of(stored).unwrap_or_default();
    let draft = Draft::new(address(), Verb::Update, Group::Services, action);
    let draft = draft.because(format!("the login of `{registry}` is new to it; no task restarts"));
    builder.add(draft.changing(vec![change], Consequence::None));
}
