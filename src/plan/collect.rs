//! What left: removed after the rest has converged; volumes are kept.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bind::referenced;
use super::builder::{Builder, Draft};
use super::stack::converge;
use super::{Action, Consequence, FilesAction, Group, Step, SwarmAction, Verb};
use crate::address::{Address, Kind};
use crate::observed::{Object, Observed, Ownership, STACK_LABEL, at};

/// Why things go.
pub(super) const LEFT: &str = "left the manifest";
/// Why objects go.
pub(super) const UNUSED: &str = "nothing that runs or is kept refers to it any more";

/// Plans the removal of services, networks, secrets and configs that are ours and no longer wanted, and the mirror
/// of the ownership record.
pub(super) fn plan(builder: &mut Builder<'_>) {
    if builder.manager().is_some() {
        keep_what_others_use(builder);
        keep_what_services_go_back_to(builder);
        services(builder);
        networks(builder);
        objects(builder);
    }
    files(builder);
    mirror(builder);
}

/// Services that are not ours may use what we made; such an object stays until they let go.
fn keep_what_others_use(builder: &mut Builder<'_>) {
    let ours: BTreeSet<&str> = stack_names(builder);
    let foreign = builder
        .observed
        .services
        .values()
        .filter(|service| !service.stack().is_some_and(|stack| ours.contains(stack)));
    let specs = foreign.map(|service| service.raw.get("Spec").unwrap_or(&Value::Null));
    let names: Vec<String> =
        specs.flat_map(|spec| referenced(spec).into_iter().chain(attached(spec))).collect();
    builder.referenced.extend(names);
}

/// A service that stays may be rolled back by the engine itself, to the spec before its last one, which is what is
/// stored now once it is updated.
fn keep_what_services_go_back_to(builder: &mut Builder<'_>) {
    let desired = builder.desired;
    let stacks = desired.compiled.stacks.values();
    let stay = stacks.flat_map(|stack| stack.services.values().map(|service| &service.name));
    let stay = stay.filter_map(|name| builder.observed.services.get(name));
    let names: Vec<String> = stay.flat_map(|service| both_specs(&service.raw)).collect();
    builder.referenced.extend(names);
}

/// What the current and the previous spec of a service refer to.
pub(super) fn both_specs(raw: &Value) -> Vec<String> {
    [at(raw, "/Spec"), at(raw, "/PreviousSpec")].into_iter().flat_map(referenced).collect()
}

/// Networks that a stored service spec is attached to, by id or by name.
pub(super) fn attached(spec: &Value) -> Vec<String> {
    let lists = ["/TaskTemplate/Networks", "/Networks"].map(|list| at(spec, list).as_array());
    let targets = lists.into_iter().flatten().flatten().filter_map(|network| network.get("Target")?.as_str());
    targets.map(str::to_owned).collect()
}

/// Stacks that are ours by record or by manifest.
pub(super) fn stack_names<'a>(builder: &Builder<'a>) -> BTreeSet<&'a str> {
    let desired = builder.desired;
    let wanted = desired.compiled.stacks.keys();
    wanted.chain(&desired.recorded.stacks).map(String::as_str).collect()
}

/// The key under which a stack's object is addressed: its name without the stack's prefix.
pub(super) fn key_of(object: &Object, stack: &str) -> String {
    let prefix = format!("{stack}_");
    object.name.strip_prefix(&prefix).unwrap_or(&object.name).to_owned()
}

fn services(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let ours = stack_names(builder);
    let stacks = desired.compiled.stacks.iter();
    let wanted: BTreeSet<(&str, &str)> = stacks
        .flat_map(|(name, spec)| spec.services.values().map(move |one| (name.as_str(), one.name.as_str())))
        .collect();
    let gone = observed.services.values().filter_map(|service| {
        let stack = service.stack().filter(|stack| ours.contains(stack))?;
        (!wanted.contains(&(stack, service.name.as_str()))).then_some((stack, service))
    });
    let gone: Vec<_> = gone.filter(|(_, service)| !builder.gone.contains(&service.name)).collect();
    for (stack, service) in gone {
        let address = Address::in_stack(stack, Kind::Service, key_of(service, stack));
        let action = Action::Swarm(SwarmAction::RemoveService(service.id.clone()));
        let volumes = volumes(service);
        let stay = if volumes.is_empty() {
            String::new()
        } else {
            format!("; its volumes stay: {}", volumes.join(", "))
        };
        let reason = format!("{}{stay}", why(builder, stack));
        if !desired.recorded.stacks.contains(stack) {
            builder.warn(taken_over(&address, stack, &service.name));
        }
        remove(builder, address, Group::Removal, action, &reason);
    }
}

/// Why something with a stack's label goes. Of a stack that stays it is not known whether it ever was in the manifest.
fn why(builder: &Builder<'_>, stack: &str) -> String {
    if builder.desired.compiled.stacks.contains_key(stack) {
        format!("carries the label of stack `{stack}` and is not in the manifest")
    } else {
        LEFT.to_owned()
    }
}

/// Declaring a stack takes over all that carries its label: said once, before the first time.
pub(super) fn taken_over(address: &Address, stack: &str, service: &str) -> String {
    format!(
        "`{address}` was not made by Holdfast and is removed: the manifest takes over stack `{stack}`, whose label it \
         carries, and does not name it; declare it, or keep it apart with `docker service update --label-rm \
         {STACK_LABEL} {service}`"
    )
}

/// Names of the volumes that a service mounts.
fn volumes(service: &Object) -> Vec<String> {
    let mounts = service.raw.pointer("/Spec/TaskTemplate/ContainerSpec/Mounts").and_then(Value::as_array);
    let named = |mount: &Value| {
        let source = mount.get("Source")?.as_str()?;
        (mount.get("Type")?.as_str()? == "volume" && !source.is_empty()).then(|| source.to_owned())
    };
    mounts.map(Vec::as_slice).unwrap_or_default().iter().filter_map(named).collect()
}

fn networks(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let wanted = desired.network_names();
    let ours = stack_names(builder);
    for network in observed.networks.values().filter(|network| !wanted.contains(network.name.as_str())) {
        let stack = network.stack().filter(|stack| ours.contains(stack));
        let address = match stack {
            Some(stack) => Address::in_stack(stack, Kind::Network, key_of(network, stack)),
            None if desired.recorded.networks.contains(&network.name) => {
                Address::new(Kind::Network, &network.name)
            }
            None => continue,
        };
        if builder.referenced.contains(&network.id) || builder.referenced.contains(&network.name) {
            builder.warn(format!("`{address}` {LEFT} and stays: a service that is not ours uses it"));
            continue;
        }
        let action = Action::Swarm(SwarmAction::RemoveNetwork(network.id.clone()));
        let reason = stack.map_or_else(|| LEFT.to_owned(), |stack| why(builder, stack));
        remove(builder, address, Group::Collection, action, &reason);
    }
}

/// Secrets and configs that are recorded as ours and that neither what is wanted, nor a kept generation, nor a spec
/// that a service may go back to refers to; of these the newest versions stay.
fn objects(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let mut needed = builder.referenced.clone();
    needed.extend(desired.kept.iter().cloned());
    let versions = desired.compiled.manifest.keep.objects;
    let secrets = former(&desired.recorded.secrets, &desired.secret_names(), &observed.secrets);
    let configs = former(&desired.recorded.configs, &desired.config_names(), &observed.configs);
    for secret in beyond(secrets, &needed, versions) {
        let action = Action::Swarm(SwarmAction::RemoveSecret(secret.id.clone()));
        remove(builder, object_address(secret, Kind::Secret), Group::Collection, action, UNUSED);
    }
    for config in beyond(configs, &needed, versions) {
        let action = Action::Swarm(SwarmAction::RemoveConfig(config.id.clone()));
        remove(builder, object_address(config, Kind::Config), Group::Collection, action, UNUSED);
    }
}

/// Objects that were made by us and are not wanted any more.
pub(super) fn former<'o>(
    recorded: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
    observed: &'o BTreeMap<String, Object>,
) -> Vec<&'o Object> {
    recorded.difference(wanted).filter_map(|name| observed.get(name)).collect()
}

/// Those that nothing needs and that are not among the newest `versions` of their name.
pub(super) fn beyond<'o>(
    former: Vec<&'o Object>,
    needed: &BTreeSet<String>,
    versions: usize,
) -> Vec<&'o Object> {
    let mut by_name: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for object in former {
        by_name.entry(base_name(&object.name)).or_default().push(object);
    }
    let mut gone = Vec::new();
    for mut objects in by_name.into_values() {
        objects.sort_by_key(|object| Reverse(at(&object.raw, "/CreatedAt").as_str()));
        gone.extend(objects.into_iter().skip(versions).filter(|object| !needed.contains(&object.name)));
    }
    gone
}

/// The name of an object without the digest of its content.
fn base_name(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((base, digest)) if digest.len() == 12 && digest.bytes().all(|b| b.is_ascii_hexdigit()) => base,
        _ => name,
    }
}

/// Generated files that left. One that cannot be made in this run is still wanted: what is installed stays.
fn files(builder: &mut Builder<'_>) {
    let (desired, observed) = (builder.desired, builder.observed);
    let wanted = desired.generated_paths();
    for path in desired.recorded.files.difference(&wanted) {
        if observed.generated.contains_key(path) {
            let action = Action::Files(FilesAction::Remove { path: path.into() });
            remove(builder, Address::new(Kind::File, path), Group::Collection, action, LEFT);
        }
    }
}

pub(super) fn object_address(object: &Object, kind: Kind) -> Address {
    object.stack().map_or_else(
        || Address::new(kind, &object.name),
        |stack| Address::in_stack(stack, kind, key_of(object, stack)),
    )
}

/// Removal comes after everything that stays has converged, also where this plan changes nothing of it: the run
/// before may have died, or may have waited in vain.
fn remove(builder: &mut Builder<'_>, address: Address, group: Group, action: Action, reason: &str) {
    if address.outer.kind != Kind::Ownership && builder.manager().is_some() {
        // In the last stage: a stack that does not run must not keep another one from its change.
        let changes = builder.steps().iter().filter(|step| !matches!(step.verb, Verb::Delete | Verb::Await));
        let changes: Vec<usize> = changes.map(|step| step.id).collect();
        for (name, stack) in &builder.desired.compiled.stacks {
            let waits =
                |step: &Step| step.verb == Verb::Await && step.address == Address::new(Kind::Stack, name);
            if !builder.steps().iter().any(waits) {
                converge(builder, name, stack, &changes);
            }
        }
    }
    let mut draft = Draft::new(address, Verb::Delete, group, action).because(reason);
    draft.consequence = if group == Group::Removal { Consequence::Removed } else { Consequence::None };
    let before = |verb: Verb, own: Group| verb != Verb::Delete || own < group;
    draft.needs =
        builder.steps().iter().filter(|step| before(step.verb, step.group)).map(|step| step.id).collect();
    builder.add(draft);
}

/// Label of the config that mirrors the ownership record.
pub(super) const MIRROR_LABEL: &str = "holdfast.instance";

/// Label of the same config: the state folder of the instance, where other instances of the host find its generations.
pub(super) const STATE_LABEL: &str = "holdfast.state";

/// State folders that other instances of this swarm said they have, whatever host they are on.
#[must_use]
pub fn siblings(instance: &str, observed: &Observed) -> BTreeSet<PathBuf> {
    let others = observed
        .configs
        .values()
        .filter(|config| config.labels.get(MIRROR_LABEL).is_some_and(|of| of != instance));
    others.filter_map(|config| config.labels.get(STATE_LABEL)).map(PathBuf::from).collect()
}

/// The record is mirrored in one config, so that every manager can read what is ours.
fn mirror(builder: &mut Builder<'_>) {
    let own = builder.ownership();
    let Ok(text) = serde_json::to_string(&own) else { return };
    let name = builder.desired.mirror_name(&text);
    let address = Address::single(Kind::Ownership);
    if !builder.observed.configs.contains_key(&name) {
        let data = STANDARD.encode(&text);
        let state = builder.desired.compiled.manifest.paths.state.display().to_string();
        let labels = json!({ MIRROR_LABEL: own.instance, STATE_LABEL: state });
        let body = json!({ "Name": name, "Labels": labels, "Data": data });
        let draft = Draft::new(
            address.clone(),
            Verb::Create,
            Group::Objects,
            Action::Swarm(SwarmAction::CreateConfig(body)),
        );
        builder.add(draft.because(format!("mirrors what is ours as `{name}`")));
    }
    let old = mirrors(&own, builder.observed.configs.values().filter(|config| config.name != name));
    for id in old {
        remove(
            builder,
            address.clone(),
            Group::Collection,
            Action::Swarm(SwarmAction::RemoveConfig(id)),
            "an older mirror",
        );
    }
}

/// Ids of the configs that mirror this instance's record.
pub(super) fn mirrors<'o>(own: &Ownership, configs: impl Iterator<Item = &'o Object>) -> Vec<String> {
    configs
        .filter(|config| config.labels.get(MIRROR_LABEL) == Some(&own.instance))
        .map(|config| config.id.clone())
        .collect()
}
