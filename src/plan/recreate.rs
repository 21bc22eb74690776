//! What cannot be changed in place: taken down, with everything that uses it, and made anew, where that is allowed.
//!
//! The engine refuses to change a network, the content of a config and the mode of a service. Where one of them has
//! to change, the services that use it go first, then the thing itself; the rest of the plan makes both again, as it
//! makes what was never there. So a run that is killed in between leaves nothing that the next one does not know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bind::{Names, bind, referenced};
use super::builder::{Builder, Draft};
use super::canonical::{self, network_names};
use super::collect::{LEFT, attached, key_of, stack_names};
use super::{Action, Change, Consequence, Group, Refusal, SwarmAction, Verb, diff, effect};
use crate::address::{Address, Kind};
use crate::desired::{ConfigSpec, ServiceSpec, StackSpec, content_digest, swarm as wanted};
use crate::observed::{Object, at};
use crate::report::Exit;

/// Something that is there, differs, and cannot be changed.
struct Fixed<'a> {
    address: Address,
    object: &'a Object,
    diff: Vec<Change>,
    /// Why it is not simply changed.
    law: &'static str,
    /// What helps beside making it anew.
    instead: &'static str,
}

/// Refuses what cannot be changed and may not be made anew; takes down the rest.
pub(super) fn plan(builder: &mut Builder<'_>) {
    for fixed in found(builder) {
        if !builder.desired.may_recreate(&fixed.address) {
            builder.refuse(refusal(&fixed));
        } else if fixed.address.leaf().kind == Kind::Service {
            take_down(builder, fixed.object, &fixed.address, fixed.law);
        } else {
            let reason = format!("uses `{}`, which is made anew", fixed.address);
            let users = users(builder, &fixed).into_iter();
            let needs = users.filter_map(|user| take_down(builder, user, &fixed.address, &reason)).collect();
            clear(builder, fixed, needs);
        }
    }
}

/// Everything that differs in a way that no update can mend.
fn found<'a>(builder: &Builder<'a>) -> Vec<Fixed<'a>> {
    let (desired, observed) = (builder.desired, builder.observed);
    let mut found = Vec::new();
    for (name, network) in &desired.compiled.manifest.networks {
        let body = wanted::network_body(name, network);
        found.extend(network_found(builder, Address::new(Kind::Network, name), name, &body));
    }
    for (name, stack) in &desired.compiled.stacks {
        for (key, spec) in &stack.networks {
            let address = Address::in_stack(name, Kind::Network, key);
            found.extend(network_found(builder, address, &spec.name, &spec.body));
        }
        for (key, spec) in stack.configs.iter().filter(|(_, spec)| spec.fixed_name) {
            let object = observed.configs.get(&spec.base);
            found.extend(
                object.and_then(|object| {
                    config_found(Address::in_stack(name, Kind::Config, key), object, spec)
                }),
            );
        }
        for (key, spec) in &stack.services {
            let object = observed.services.get(&spec.name);
            let address = || Address::in_stack(name, Kind::Service, key);
            found.extend(object.and_then(|object| mode_found(address, object, spec)));
        }
    }
    found
}

fn network_found<'a>(builder: &Builder<'a>, address: Address, name: &str, body: &Value) -> Option<Fixed<'a>> {
    let object = builder.observed.networks.get(name)?;
    let diff = canonical::network_diff(&object.raw, body);
    (!diff.is_empty()).then_some(Fixed {
        address,
        object,
        diff,
        law: "a network cannot be changed",
        instead: "make the manifest say what is there",
    })
}

fn config_found<'a>(address: Address, object: &'a Object, spec: &ConfigSpec) -> Option<Fixed<'a>> {
    let data = at(&object.raw, "/Spec/Data").as_str().unwrap_or_default();
    // Content may be long: it is told by its digest.
    let digest = |data: &str| STANDARD.decode(data).ok().map(|content| content_digest(&content));
    (data != spec.data).then(|| Fixed {
        address,
        object,
        diff: vec![Change { field: "Data".to_owned(), before: digest(data), after: digest(&spec.data) }],
        law: "the content of a config cannot be changed",
        instead: "leave out `name:`, so that the name follows the content and a change is a rotation",
    })
}

fn mode_found<'a>(
    address: impl Fn() -> Address,
    object: &'a Object,
    spec: &ServiceSpec,
) -> Option<Fixed<'a>> {
    let (before, after) = (mode(object.spec()), mode(&spec.body));
    (before != after).then(|| Fixed {
        address: address(),
        object,
        diff: vec![Change {
            field: "Mode".to_owned(),
            before: Some(before.into()),
            after: Some(after.into()),
        }],
        law: "the mode of a service cannot be changed",
        instead: "keep the mode",
    })
}

/// `Replicated`, `Global`, ...; the first is what a spec without a mode means.
fn mode(spec: &Value) -> &str {
    let mode = spec.get("Mode").and_then(Value::as_object).and_then(|mode| mode.keys().next());
    mode.map_or("Replicated", String::as_str)
}

fn refusal(fixed: &Fixed<'_>) -> Refusal {
    let Fixed { address, object, diff, law, instead } = fixed;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let fields: Vec<String> = diff
        .iter()
        .map(|change| {
            format!("`{}` is {} and shall be {}", change.field, text(&change.before), text(&change.after))
        })
        .collect();
    let kind = address.leaf().kind.word();
    Refusal {
        address: address.clone(),
        reason: format!("the {kind} `{}` is there and differs: {}; {law}", object.name, fields.join(", ")),
        fix: format!(
            "{instead}; or allow it to be deleted and made anew, with a downtime of what uses it: \
             `--allow-recreate {address}` once, {} for good",
            manifest_field(address)
        ),
        exit: Exit::BadConfig,
    }
}

/// The field of the manifest that allows it.
fn manifest_field(address: &Address) -> String {
    match &address.inner {
        Some(part) => {
            let mut entry = Address { outer: part.clone(), inner: None }.to_string();
            entry = json!([entry]).to_string();
            format!("`\"allow_recreate\": {entry}` in `stacks.{}` of the manifest", address.outer.name)
        }
        None => format!("`\"allow_recreate\": true` in `networks.{}` of the manifest", address.outer.name),
    }
}

/// Services that use a network or a config.
fn users<'a>(builder: &Builder<'a>, fixed: &Fixed<'_>) -> Vec<&'a Object> {
    let object = fixed.object;
    let uses = |service: &&Object| {
        let spec = service.spec();
        match fixed.address.leaf().kind {
            Kind::Network => {
                attached(spec).iter().any(|target| *target == object.id || *target == object.name)
            }
            _ => referenced(spec).contains(&object.name),
        }
    };
    builder.observed.services.values().filter(uses).collect()
}

/// Removes a service, so that it can be made again; returns the step. One that could not come back, or is not ours,
/// is in the way of `whole`, which is refused then.
fn take_down(builder: &mut Builder<'_>, service: &Object, whole: &Address, reason: &str) -> Option<usize> {
    let refuse = |builder: &mut Builder<'_>, reason: String, fix: String| {
        builder.refuse(Refusal { address: whole.clone(), reason, fix, exit: Exit::BadConfig });
        None
    };
    let ours = service.stack().filter(|stack| stack_names(builder).contains(stack));
    let Some(stack) = ours else {
        return refuse(
            builder,
            format!("the service `{}` is not ours and uses it", service.name),
            format!("remove that service, or detach it with `docker service update {}`", service.name),
        );
    };
    let action = Action::Swarm(SwarmAction::RemoveService(service.id.clone()));
    let desired = builder.desired;
    let wanted = desired.compiled.stacks.get(stack).and_then(|stack| wanted_of(stack, service));
    let Some((spec, key, wanted)) = wanted else {
        builder.gone.insert(service.name.clone());
        let address = Address::in_stack(stack, Kind::Service, key_of(service, stack));
        let draft = Draft::new(address, Verb::Delete, Group::Teardown, action).because(LEFT);
        return Some(builder.add(draft.changing(Vec::new(), Consequence::Removed)));
    };
    let address = Address::in_stack(stack, Kind::Service, key);
    if let Some(step) = builder.anew.get(&address) {
        return Some(*step);
    }
    let names = network_names(builder.observed);
    let diff = match bind(
        desired,
        builder.observed,
        spec,
        wanted,
        &Names { anew: &builder.anew, later: &builder.later, stored: None },
    ) {
        Ok(bound) => {
            diff(&canonical::service(service.spec(), &names), &canonical::service(&bound.body, &names))
        }
        Err(because) => {
            return refuse(
                builder,
                format!("`{address}` would go down and not come back: it is held back because of {because}"),
                format!("make `{because}` open first; `holdfast check` says why it does not"),
            );
        }
    };
    let mut draft = Draft::new(address.clone(), Verb::Replace, Group::Teardown, action).because(reason);
    draft.effect = Some(effect::of_removal(builder.observed, service, &diff));
    let step = add_after_ground(builder, draft.changing(diff, Consequence::Recreate));
    builder.anew.insert(address, step);
    Some(step)
}

/// The service of a stack with an object's name: its stack, key and spec.
fn wanted_of<'a>(stack: &'a StackSpec, object: &Object) -> Option<(&'a StackSpec, &'a str, &'a ServiceSpec)> {
    let (key, spec) = stack.services.iter().find(|(_, spec)| spec.name == object.name)?;
    Some((stack, key, spec))
}

/// Removes a network or config that nothing uses any more.
fn clear(builder: &mut Builder<'_>, fixed: Fixed<'_>, users: Vec<usize>) {
    let id = fixed.object.id.clone();
    let action = match fixed.address.leaf().kind {
        Kind::Network => SwarmAction::RemoveNetwork(id),
        _ => SwarmAction::RemoveConfig(id),
    };
    let draft = Draft::new(fixed.address.clone(), Verb::Replace, Group::Clearing, Action::Swarm(action));
    let mut draft = draft.because(fixed.law).changing(fixed.diff, Consequence::Recreate);
    draft.needs = users;
    let step = add_after_ground(builder, draft);
    builder.anew.insert(fixed.address, step);
}

/// Nothing goes down before what the plan can prepare without it is there.
fn add_after_ground(builder: &mut Builder<'_>, mut draft: Draft) -> usize {
    let ground = builder.steps().iter().filter(|step| step.group == Group::Ground).map(|step| step.id);
    draft.needs.extend(ground);
    builder.add(draft)
}
