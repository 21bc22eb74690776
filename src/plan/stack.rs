//! One stack: networks, configs, secrets, services, convergence.

use serde_json::{Map, Value, json};

use super::bind::referenced;
use super::builder::{Builder, Draft};
use super::canonical::network_names;
use super::choose::{Chosen, Planned, Service, choose, distrust, force_update, forced, is_kept};
use super::cluster::network;
use super::{
    Action, Awaited, Class, Consequence, Effect, Group, NewSecret, Refusal, SwarmAction, Verb, deadline,
    effect, registry, too_new,
};
use crate::address::{Address, Kind};
use crate::desired::{Desired, StackSpec, image_of};
use crate::observed::{Object, at};
use crate::report::Exit;

/// Plans everything of a stack but what leaves it.
pub(super) fn plan(builder: &mut Builder<'_>, name: &str, stack: &StackSpec) {
    externals(builder, stack);
    for (key, spec) in &stack.networks {
        network(builder, Address::in_stack(name, Kind::Network, key), &spec.name, &spec.body);
    }
    let names = network_names(builder.observed);
    let mut services = Vec::new();
    for (key, spec) in &stack.services {
        let service = Service { stack, key, spec, networks: &names };
        too_new::refuse(builder, &service);
        let chosen = choose(builder, &service);
        services.push((service, chosen));
    }
    secrets(builder, stack, &services);
    configs(builder, stack, &services);
    let mut changed = Vec::new();
    for planned in services {
        changed.extend(service(builder, planned));
    }
    let stack_address = Address::new(Kind::Stack, name);
    if !changed.is_empty() || builder.desired.open.iter().any(|address| stack_address.covers(address)) {
        converge(builder, name, stack, changed);
    }
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
        let Some(object) = builder.desired.secret_name(stack, key) else {
            builder.hold(address, Address::new(Kind::Secret, &spec.source));
            continue;
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
        let draft = Draft::new(address, Verb::Create, Group::Objects, Action::Swarm(action));
        builder.add(draft.because(object));
    }
}

/// Plans one service; returns the step's id if it has to change.
fn service(builder: &mut Builder<'_>, (service, chosen): Planned<'_>) -> Option<usize> {
    let address = service.address();
    let cleared = builder.anew.get(&address).copied();
    let existing = builder.observed.services.get(&service.spec.name).filter(|_| cleared.is_none());
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(because) => {
            // It stays as it is, so what it refers to must stay too.
            if let Some(existing) = existing {
                builder.referenced.extend(referenced(spec_of(existing)));
            }
            builder.hold(address, because);
            return None;
        }
    };
    builder.referenced.extend(chosen.bound.names.iter().cloned());
    builder.keep(&chosen.bound.kept);
    let mut needs = needs(builder, &service);
    needs.extend(cleared);
    needs.extend(builder.freed.get(&address).into_iter().flatten());
    let Some(existing) = existing else {
        needs.extend(registry::pull(builder, service.spec));
        let action = Action::Swarm(SwarmAction::CreateService(chosen.bound.body.into_owned()));
        let mut draft = Draft::new(address, Verb::Create, Group::Services, action);
        draft.needs = needs;
        draft.after = chosen.bound.after;
        return Some(builder.add(draft));
    };
    update(builder, &service, existing, chosen, needs)
}

fn update(
    builder: &mut Builder<'_>,
    service: &Service<'_>,
    existing: &Object,
    Chosen { mut bound, mut diff }: Chosen<'_>,
    mut needs: Vec<usize>,
) -> Option<usize> {
    if diff.is_empty() {
        registry::refresh(builder, service.address(), existing);
        return None;
    }
    if image_of(&bound.body) == image_of(&service.spec.body) {
        needs.extend(registry::pull(builder, service.spec));
    }
    let stored = spec_of(existing);
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
    let action = SwarmAction::UpdateService {
        id: existing.id.clone(),
        version: existing.version,
        spec: bound.body.into_owned(),
    };
    let mut draft = Draft::new(service.address(), Verb::Update, Group::Services, Action::Swarm(action));
    draft.needs = needs;
    draft.after = bound.after;
    draft.effect = Some(effect);
    Some(builder.add(draft.changing(diff, consequence).because(reason)))
}

/// The stored spec of a service.
pub(super) fn spec_of(object: &Object) -> &Value {
    object.raw.get("Spec").unwrap_or(&Value::Null)
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

/// What must be there before the service: everything of its stack that is made, its image, shared networks, and
/// the services that it depends on.
fn needs(builder: &Builder<'_>, service: &Service<'_>) -> Vec<usize> {
    let stack = &service.stack.name;
    let depends = |key: &str| service.spec.depends_on.iter().any(|other| other.service == key);
    let wanted = |address: &Address| match (&address.inner, address.outer.kind) {
        (Some(inner), _) if address.outer.name == *stack => {
            inner.kind != Kind::Service || depends(&inner.name)
        }
        (None, Kind::Image) => service.spec.image.as_ref() == Some(&address.outer.name),
        (None, kind) => matches!(kind, Kind::Network | Kind::Swarm | Kind::Node | Kind::Files | Kind::File),
        (Some(_), _) => false,
    };
    builder.steps().iter().filter(|step| wanted(&step.address)).map(|step| step.id).collect()
}

/// Waits until what a stack shall run does; `changed` are the steps that must have succeeded before.
pub(super) fn converge(builder: &mut Builder<'_>, name: &str, stack: &StackSpec, changed: Vec<usize>) {
    let mut awaited = Vec::new();
    let mut asked = Vec::new();
    for (key, service) in &stack.services {
        let address = Address::in_stack(name, Kind::Service, key);
        if builder.is_held(&address) {
            continue;
        }
        let is_step = builder.step(&address).is_some();
        let existing = builder.observed.services.get(&service.name);
        let status = existing.map_or(&Value::Null, |object| at(&object.raw, "/UpdateStatus"));
        let is_open = builder.desired.open.contains(&address);
        let past = if is_step || is_open { Value::Null } else { status.clone() };
        awaited.push(Awaited { service: service.name.clone(), past });
        asked.push(deadline::Asked { service, updates: (is_step || is_open) && existing.is_some() });
    }
    if awaited.is_empty() {
        return;
    }
    let deadline = deadline::of(&asked, stack.deadline);
    let services = if awaited.len() == 1 { "its service runs" } else { "its services run" };
    let reason = format!("until {services}, at most {} s: {}", deadline.time.as_secs(), deadline.words);
    let action = Action::Swarm(SwarmAction::Converge { services: awaited, deadline: deadline.time });
    let mut draft = Draft::new(Address::new(Kind::Stack, name), Verb::Await, Group::Convergence, action);
    draft.needs = changed;
    builder.add(draft.because(reason));
}
