//! What a service shall be, by name: ours, or docker's where nothing but names would restart it.

use std::borrow::Cow;

use serde_json::Value;

use super::bind::{BoundService, Names, bind};
use super::builder::Builder;
use super::canonical::{self, NetworkNames};
use super::keep::{self, Likeness, Stored};
use super::{Change, Kept, diff, registry};
use crate::address::{Address, Kind};
use crate::desired::{Desired, ServiceSpec, StackSpec};
use crate::observed::{Object, Observed, at};

/// A service on its way into the plan.
pub(super) struct Service<'a> {
    pub(super) stack: &'a StackSpec,
    pub(super) key: &'a str,
    pub(super) spec: &'a ServiceSpec,
    pub(super) networks: &'a NetworkNames,
}

/// A service with what was chosen for it, or the secret whose value is missing.
pub(super) type Planned<'a> = (Service<'a>, Result<Chosen<'a>, Address>);

/// What a service shall be, and in what that differs from what it is.
pub(super) struct Chosen<'a> {
    pub(super) bound: BoundService<'a>,
    /// Empty when it is equal, or not there.
    pub(super) diff: Vec<Change>,
}

impl Service<'_> {
    pub(super) fn address(&self) -> Address {
        Address::in_stack(&self.stack.name, Kind::Service, self.key)
    }

    /// In what a spec differs from the stored one.
    pub(super) fn diff(&self, stored: &Value, body: &Value) -> Vec<Change> {
        diff(&canonical::service(stored, self.networks), &canonical::service(body, self.networks))
    }
}

/// Chooses names and image text.
///
/// # Errors
/// The address of the manifest secret whose value is missing.
pub(super) fn choose<'a>(builder: &Builder<'a>, service: &Service<'a>) -> Result<Chosen<'a>, Address> {
    let (desired, observed) = (builder.desired, builder.observed);
    let bound = |stored| {
        bind(
            desired,
            observed,
            service.stack,
            service.spec,
            &Names { anew: &builder.anew, later: &builder.later, stored },
        )
    };
    let mut ours = bound(None)?;
    let existing = observed.services.get(&service.spec.name);
    let is_anew = !builder.anew.is_empty() && builder.anew.contains_key(&service.address());
    let Some(existing) = existing.filter(|_| !is_anew) else {
        return Ok(Chosen { bound: ours, diff: Vec::new() });
    };
    let stored = existing.spec();
    let likeness = image_likeness(desired, observed, stored, &ours.body);
    keep_force_update(stored, &mut ours.body);
    registry::keep_platforms(stored, &mut ours.body);
    if likeness == Likeness::Pinned {
        ours.body = keep::with_image(&ours.body, stored);
    }
    if canonical::same_service(stored, &ours.body, service.networks) {
        return Ok(Chosen { bound: ours, diff: Vec::new() });
    }
    let form = canonical::service(stored, service.networks);
    let differs = |body: &Value| diff(&form, &canonical::service(body, service.networks));
    let changes = differs(&ours.body);
    let mut kept = bound(Some(stored))?;
    keep_force_update(stored, &mut kept.body);
    registry::keep_platforms(stored, &mut kept.body);
    if likeness != Likeness::Other {
        kept.body = keep::with_image(&kept.body, stored);
    }
    let left = differs(&kept.body);
    if restarts(&left) {
        return Ok(Chosen { bound: ours, diff: changes });
    }
    let (had, wanted) = (text_at(stored, keep::IMAGE), text_at(&ours.body, keep::IMAGE));
    if had != wanted {
        let (name, wanted) = (had.to_owned(), wanted.to_owned());
        kept.kept.push(Kept { address: service.address(), name, wanted, ours: false });
    }
    Ok(Chosen { bound: kept, diff: left })
}

/// The orchestrator replaces tasks when the task template or the endpoint differs, and not otherwise.
fn restarts(diff: &[Change]) -> bool {
    diff.iter()
        .any(|change| change.field.starts_with("TaskTemplate") || change.field.starts_with("EndpointSpec"))
}

/// A restart that somebody asked for by hand (`docker service update --force`) is not undone.
fn keep_force_update(stored: &Value, body: &mut Cow<'_, Value>) {
    let force = forced(stored);
    if force != forced(body) {
        force_update(body, force);
    }
}

/// How often a service was restarted by force.
pub(super) fn forced(spec: &Value) -> u64 {
    at(spec, "/TaskTemplate/ForceUpdate").as_u64().unwrap_or_default()
}

/// Another number than before restarts the service.
pub(super) fn force_update(body: &mut Cow<'_, Value>, force: u64) {
    if let Some(task) = body.to_mut().get_mut("TaskTemplate").and_then(Value::as_object_mut) {
        task.insert("ForceUpdate".to_owned(), force.into());
    }
}

fn image_likeness(desired: &Desired<'_>, observed: &Observed, stored: &Value, body: &Value) -> Likeness {
    keep::likeness(desired, observed, text_at(stored, keep::IMAGE), text_at(body, keep::IMAGE))
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The image text that a service shall have: what it has, as long as that is the same image.
#[must_use]
pub fn running_image(desired: &Desired<'_>, observed: &Observed, service: &ServiceSpec) -> String {
    let stored = observed.services.get(&service.name).map_or(&Value::Null, Object::spec);
    let (stored, wanted) = (text_at(stored, keep::IMAGE), text_at(&service.body, keep::IMAGE));
    let likeness = keep::likeness(desired, observed, stored, wanted);
    if likeness == Likeness::Other { wanted.to_owned() } else { stored.to_owned() }
}

/// True when an object of the stack need not be made: every service that refers to it keeps the one that docker made,
/// or none does and docker made one.
pub(super) fn is_kept(
    observed: &Observed,
    stack: &StackSpec,
    address: &Address,
    services: &[Planned<'_>],
) -> bool {
    let Some(part) = &address.inner else { return false };
    let refers = |service: &ServiceSpec| {
        let references = if part.kind == Kind::Secret { &service.secrets } else { &service.configs };
        references.iter().any(|reference| !reference.external && reference.key == part.name)
    };
    let mut users = services.iter().filter(|(service, _)| refers(service.spec)).peekable();
    if users.peek().is_none() {
        let spec = stack.configs.get(&part.name).filter(|_| part.kind == Kind::Config);
        let made = spec.and_then(|spec| Some((observed.configs.get(&spec.base)?, spec)));
        return made.is_some_and(|(object, spec)| keep::same_config(object, stack, spec));
    }
    users.all(|(_, chosen)| {
        chosen.as_ref().is_ok_and(|chosen| chosen.bound.kept.iter().any(|kept| kept.address == *address))
    })
}

/// Why a secret that docker made is replaced, where it is: nobody can see whether it holds the same.
pub(super) fn distrust(builder: &Builder<'_>, service: &Service<'_>, stored: &Value) -> String {
    let there = Stored::of(Some(stored), "Secret");
    let made = service.spec.secrets.iter().filter_map(|reference| {
        let object = there.docker_made(builder.observed, service.stack, reference)?;
        let trusted = service.stack.trust_secrets.contains(&reference.key);
        (!trusted).then(|| format!("`{}`", object.name))
    });
    let made: Vec<String> = made.collect();
    if made.is_empty() {
        return String::new();
    }
    let made = made.join(", ");
    format!("the engine does not show whether {made} holds the same value; `trust_secrets` would say so")
}
