//! One stack: networks, configs, secrets, services, convergence.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::bind::{referenced, source_address, told_by, unknown_name, waits_for_forge};
use super::builder::{Builder, Draft};
use super::canonical::network_names;
use super::choose::{Chosen, Planned, Service, choose, distrust, force_update, forced, is_kept};
use super::cluster::network;
use super::settled::{resume, unsettled};
use super::{
    Action, Awaited, Class, Consequence, Effect, Group, NewSecret, Refusal, Step, SwarmAction, Verb,
    deadline, effect, registry, too_new, waves,
};
use crate::address::{Address, Kind};
use crate::desired::{Condition, Desired, ServiceSpec, StackSpec, image_of};
use crate::manifest::Folder;
use crate::observed::{Object, at};
use crate::report::Exit;

/// A service by its key.
type Named<'s> = (&'s str, &'s ServiceSpec);

/// Plans everything of a stack but what leaves it.
pub(super) fn plan(builder: &mut Builder<'_>, name: &str, stack: &StackSpec) {
    externals(builder, stack);
    for (key, spec) in &stack.networks {
        network(builder, Address::in_stack(name, Kind::Network, key), &spec.name, &spec.body);
    }
    let names = network_names(builder.observed);
    let mut services = Vec::new();
    for (key, spec) in waves::services(stack, &builder.handed) {
        let service = Service { stack, key, spec, networks: &names };
        let chosen = choose(builder, &service);
        services.push((service, chosen));
    }
    secrets(builder, stack, &services);
    configs(builder, stack, &services);
    for planned in services {
        service(builder, planned);
    }
    let moves = stack.services.iter().any(|(key, spec)| {
        let address = Address::in_stack(name, Kind::Service, key);
        let desired = builder.desired;
        let is_open = desired.open.contains(&address) || desired.unseen.contains(&address);
        is_open || builder.change(&address).is_some() || is_under_way(builder, spec)
    });
    if moves {
        converge(builder, name, stack, &[]);
    }
}

/// True when a service is there and does not run as told: an earlier run did not live to see it.
fn is_under_way(builder: &Builder<'_>, spec: &ServiceSpec) -> bool {
    let Some(existing) = builder.observed.services.get(&spec.name) else { return false };
    let tasks = builder.observed.tasks.get(&existing.id).map(Vec::as_slice).unwrap_or_default();
    unsettled(&existing.raw, tasks, Condition::Started).is_some()
}

/// Networks and configs that somebody else makes must be there before anything is written.
fn externals(builder: &mut Builder<'_>, stack: &StackSpec) {
    for external in &stack.external_networks {
        let own = builder.desired.network_names().contains(external.name.as_str());
        if own || builder.manager().is_none() || builder.observed.networks.contains_key(&external.name) {
            continue;
        }
        let fix = format!("declare it under `networks` of the manifest: \"{}\": {{}}", external.name);
        missing(builder, stack, ("network", &external.name), fix);
    }
    let mut named: Vec<&str> = stack
        .services
        .values()
        .flat_map(|service| &service.configs)
        .filter(|reference| reference.external)
        .map(|reference| reference.key.as_str())
        .collect();
    named.sort_unstable();
    named.dedup();
    for config in named {
        let stacks = builder.desired.compiled.stacks.values();
        let made = stacks
            .flat_map(|stack| stack.configs.values())
            .any(|made| made.fixed_name && made.base == config);
        if made || builder.manager().is_none() || builder.observed.configs.contains_key(config) {
            continue;
        }
        let fix = format!("create it with `docker config create {config} FILE`, or give the config a `file`");
        missing(builder, stack, ("config", config), fix);
    }
}

/// Refuses a stack for an object that it names and does not make.
fn missing(builder: &mut Builder<'_>, stack: &StackSpec, (kind, name): (&str, &str), fix: String) {
    let place = stack.places.get(&format!("{kind}.{name}"));
    let named = place.map_or_else(String::new, |place| format!(" (named at {place})"));
    builder.refuse(Refusal {
        address: Address::new(Kind::Stack, &stack.name),
        reason: format!("the external {kind} `{name}` does not exist{named}"),
        fix,
        exit: Exit::BadConfig,
    });
}

fn configs(builder: &mut Builder<'_>, stack: &StackSpec, services: &[Planned<'_>]) {
    for (key, spec) in &stack.configs {
        let Some(object) = Desired::config_name(stack, key) else { continue };
        let address = Address::in_stack(&stack.name, Kind::Config, key);
        let cleared = builder.anew.get(&address).copied();
        if cleared.is_none() && builder.observed.configs.contains_key(&object) {
            continue;
        }
        if is_kept(builder.observed, stack, &address, services) {
            continue;
        }
        let mut body =
            Map::from_iter([("Name".to_owned(), json!(object)), ("Labels".to_owned(), json!(spec.labels))]);
        if !spec.data.is_empty() {
            body.insert("Data".to_owned(), json!(spec.data));
        }
        if let Some(templating) = &spec.templating {
            body.insert("Templating".to_owned(), templating.clone());
        }
        let action = Action::Swarm(SwarmAction::CreateConfig(body.into()));
        let mut draft = Draft::new(address, Verb::Create, Group::Objects, action).because(object);
        draft.needs = cleared.into_iter().collect();
        builder.add(draft);
    }
}

fn secrets(builder: &mut Builder<'_>, stack: &StackSpec, services: &[Planned<'_>]) {
    for (key, spec) in &stack.secrets {
        let address = Address::in_stack(&stack.name, Kind::Secret, key);
        let told = told_by(&builder.later, stack, key).cloned();
        let known = builder.desired.secret_name(stack, key);
        let object = match (&told, known) {
            (Some(_), _) if !spec.fixed_name => unknown_name(&spec.base),
            (_, Some(object)) => object,
            (_, None) => {
                builder.hold(address, source_address(&spec.source));
                continue;
            }
        };
        if builder.observed.secrets.contains_key(&object)
            || is_kept(builder.observed, stack, &address, services)
        {
            continue;
        }
        let action = SwarmAction::CreateSecret(NewSecret {
            name: object.clone(),
            source: spec.source.clone(),
            labels: spec.labels.clone(),
            driver: spec.driver.clone(),
            templating: spec.templating.clone(),
        });
        let mut draft = Draft::new(address, Verb::Create, Group::Objects, Action::Swarm(action));
        draft.after.extend(told.map(|told| ("Data".to_owned(), told)));
        builder.add(draft.because(object));
    }
}

/// Plans one service, if it has to change.
fn service(builder: &mut Builder<'_>, (service, chosen): Planned<'_>) {
    let address = service.address();
    let cleared = builder.anew.get(&address).copied();
    let existing = builder.observed.services.get(&service.spec.name).filter(|_| cleared.is_none());
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(because) => {
            // It stays as it is, so what it refers to must stay too.
            if let Some(existing) = existing {
                builder.referenced.extend(referenced(existing.spec()));
            }
            builder.hold(address, because);
            return;
        }
    };
    builder.referenced.extend(chosen.bound.names.iter().cloned());
    builder.keep(&chosen.bound.kept);
    let after = chosen.bound.after.clone();
    let change = match existing {
        None => {
            let action = Action::Swarm(SwarmAction::CreateService(chosen.bound.body.into_owned()));
            Some(Draft::new(address, Verb::Create, Group::Services, action))
        }
        Some(existing) => update(builder, &service, existing, chosen),
    };
    let Some(mut draft) = change else { return };
    too_new::refuse(builder, &service);
    if let Some(because) = waves::held(builder, service.stack, service.spec).filter(|_| existing.is_none()) {
        builder.hold(draft.address, because);
        return;
    }
    if let Some(because) = waves::keeps_port(builder, &draft.address) {
        builder.hold(draft.address, because);
        return;
    }
    let freed = builder.freed.get(&draft.address).cloned().unwrap_or_default();
    let gates = waves::gates(builder, &draft.address, (service.stack, service.spec));
    draft.needs = needs(builder, &service);
    draft.needs.extend(cleared);
    draft.needs.extend(freed);
    draft.needs.extend(gates.needs);
    if runs(&draft.action, image_of(&service.spec.body)) {
        draft.needs.extend(registry::pull(builder, service.spec));
    }
    draft.after = after;
    let words = [gates.words, std::mem::take(&mut draft.reason)];
    let words: Vec<String> = words.into_iter().filter(|words| !words.is_empty()).collect();
    builder.add(draft.because(words.join("; ")));
}

/// True when an action leaves a service with this very image text. One that is kept in its place names an image that is
/// there.
fn runs(action: &Action, image: &str) -> bool {
    match action {
        Action::Swarm(SwarmAction::CreateService(_)) => true,
        Action::Swarm(SwarmAction::UpdateService { spec, .. }) => image_of(spec) == image,
        _ => false,
    }
}

/// The update of a service that is there, if it differs.
fn update(
    builder: &mut Builder<'_>,
    service: &Service<'_>,
    existing: &Object,
    Chosen { mut bound, mut diff }: Chosen<'_>,
) -> Option<Draft> {
    if diff.is_empty() {
        let resumed = resume(|| service.address(), existing);
        if resumed.is_none() {
            registry::refresh(builder, || service.address(), existing);
        }
        return resumed;
    }
    let stored = existing.spec();
    let mut reason = distrust(builder, service, stored);
    if effect::goes_unnoticed(&diff) {
        force_update(&mut bound.body, forced(stored) + 1);
        diff = service.diff(stored, &bound.body);
        "forced: for an endpoint and a placement together the engine would replace no task"
            .clone_into(&mut reason);
    }
    let effect = effect::of_update(builder.observed, existing, &bound.body, &diff);
    let consequence = consequence(&effect);
    if effect.stuck {
        builder.warn(format!(
            "`{}` is updated start-first, and no node can take a new task while the old one runs (host port, or \
             `max_replicas_per_node`): the update will not go on; `update_config.order: stop-first` does not need room",
            service.address()
        ));
    }
    let (id, version, spec) = (existing.id.clone(), existing.version, bound.body.into_owned());
    let action = Action::Swarm(SwarmAction::UpdateService { id, version, spec });
    let mut draft = Draft::new(service.address(), Verb::Update, Group::Services, action);
    draft.effect = Some(effect);
    Some(draft.changing(diff, consequence).because(reason))
}

/// The one word for an update's effect.
fn consequence(effect: &Effect) -> Consequence {
    let restarts = |class: &Class| {
        matches!(class, Class::Placement | Class::Rotate | Class::RollingRestart | Class::RunAgain)
    };
    let placed = effect.fields.values().max() == Some(&Class::Placement) && effect.replaced == 0;
    if effect.fields.values().any(restarts) && !placed {
        Consequence::RollingRestart
    } else {
        Consequence::None
    }
}

/// What must be there before the service, beside what it depends on: everything of its stack that is made, its image
/// and shared networks.
fn needs(builder: &Builder<'_>, service: &Service<'_>) -> Vec<usize> {
    let stack = &service.stack.name;
    let uses = |key: &str| service.spec.secrets.iter().any(|reference| reference.key == key);
    let wanted = |address: &Address| match (&address.inner, address.outer.kind) {
        // The forge that tells it may run in this very stack.
        (Some(inner), Kind::Stack)
            if address.outer.name == *stack && inner.kind == Kind::Secret && !uses(&inner.name) =>
        {
            told_by(&builder.later, service.stack, &inner.name).is_none()
        }
        (Some(inner), _) if address.outer.name == *stack => inner.kind != Kind::Service,
        (None, Kind::Image) => service.spec.image.as_ref() == Some(&address.outer.name),
        (None, kind) => matches!(kind, Kind::Network | Kind::Swarm | Kind::Node | Kind::Files | Kind::File),
        (Some(_), _) => false,
    };
    // Files that a forge's value goes into matter only to those who look at them.
    let matters = |step: &Step| {
        let from_forge = step.after.values().any(|address| address.outer.kind == Kind::Forge);
        step.address.outer.kind != Kind::Files || !from_forge || mounts_secrets(builder, service.spec)
    };
    let needed = builder.shared().filter(|step| wanted(&step.address) && matters(step));
    needed.map(|step| step.id).collect()
}

/// True when a service mounts installed secrets from the host.
fn mounts_secrets(builder: &Builder<'_>, spec: &ServiceSpec) -> bool {
    let folder = builder.desired.compiled.manifest.paths.run.join(Folder::Services.link());
    let mounts = at(&spec.body, "/TaskTemplate/ContainerSpec/Mounts").as_array().into_iter().flatten();
    let mut sources = mounts.filter_map(|mount| mount.get("Source")?.as_str()).map(Path::new);
    sources.any(|source| source.starts_with(&folder) || folder.starts_with(source))
}

/// Waits until what a stack shall run does; `after` are further steps that must have succeeded before. Services that
/// others wait for have a wait of their own. The rest is waited for together, apart from those whose turn comes only
/// when another has converged: should that fail, nothing else of the stack goes unseen.
pub(super) fn converge(builder: &mut Builder<'_>, name: &str, stack: &StackSpec, after: &[usize]) {
    let mut waves: BTreeMap<(bool, Vec<usize>), Vec<Named<'_>>> = BTreeMap::new();
    for (key, service) in &stack.services {
        let address = Address::in_stack(name, Kind::Service, key);
        let has_own = builder.gates.keys().any(|(gate, _)| *gate == address);
        if builder.is_held(&address) || has_own {
            continue;
        }
        let needs = builder.change(&address).map(|step| step.needs.clone()).unwrap_or_default();
        let gates: Vec<usize> =
            needs.into_iter().filter(|need| builder.gates.values().any(|gate| gate == need)).collect();
        // What a forge tells comes after a wait for everything else: the forge may run in this very stack.
        let later = waits_for_forge(&builder.later, stack, service);
        waves.entry((later, gates)).or_default().push((key, service));
    }
    for services in waves.values() {
        wait(builder, name, stack, (services, after));
    }
}

fn wait(
    builder: &mut Builder<'_>,
    name: &str,
    stack: &StackSpec,
    (services, after): (&[Named<'_>], &[usize]),
) {
    let (mut awaited, mut asked, mut needs) = (Vec::new(), Vec::new(), after.to_vec());
    for (key, service) in services {
        let address = Address::in_stack(name, Kind::Service, *key);
        let step = builder.change(&address).map(|step| step.id);
        let existing = builder.observed.services.get(&service.name);
        let status = existing.map_or(&Value::Null, |object| at(&object.raw, "/UpdateStatus"));
        let moved = step.is_some() || builder.desired.open.contains(&address);
        let past = if moved { Value::Null } else { status.clone() };
        awaited.push(Awaited { service: service.name.clone(), past, until: Condition::Started });
        let updates = existing.is_some() && (moved || builder.desired.unseen.contains(&address));
        asked.push(deadline::Asked { service, updates });
        needs.extend(step.filter(|id| !after.contains(id)));
    }
    let deadline = deadline::of(&asked, stack.deadline);
    let what = if awaited.len() == 1 { "its service runs" } else { "its services run" };
    let reason = format!("until {what}, at most {} s: {}", deadline.time.as_secs(), deadline.words);
    let action = Action::Swarm(SwarmAction::Converge { services: awaited, deadline: deadline.time });
    let mut draft = Draft::new(Address::new(Kind::Stack, name), Verb::Await, Group::Convergence, action);
    draft.needs = needs;
    builder.add(draft.because(reason));
}
