//! What a service depends on, and the waits that hold its wave back until that has converged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::builder::{Builder, Draft};
use super::settled::unsettled;
use super::{Action, Awaited, Group, SwarmAction, Verb, deadline};
use crate::address::{Address, Kind};
use crate::desired::{Compiled, Condition, ServiceSpec, StackSpec};
use crate::observed::at;

/// A service that another one waits for.
struct Dependency<'a> {
    stack: &'a StackSpec,
    key: &'a str,
    spec: &'a ServiceSpec,
    until: Condition,
}

/// What a service waits for.
#[derive(Default)]
pub(super) struct Gates {
    /// Steps that must have succeeded before.
    pub(super) needs: Vec<usize>,
    /// `once stack.web/service.db is healthy`; empty where nothing is waited for.
    pub(super) words: String,
}

/// Who takes a port, and from whom.
type Handed = BTreeMap<Address, BTreeSet<Address>>;

/// Names of stacks, each after those that it depends on and takes ports from. The manifest has no circles; one that
/// ports make ends anywhere.
pub(super) fn stacks<'c>(compiled: &'c Compiled, handed: &Handed) -> Vec<&'c str> {
    let mut order = Order::default();
    let known = |name: &str| Some(compiled.stacks.get_key_value(name)?.0.as_str());
    let needs = |name: &str| {
        let takers = handed.iter().filter(|(taker, _)| taker.outer.name == name);
        let givers = takers.flat_map(|(_, givers)| givers).cloned();
        let others = other_stacks(compiled, name).chain(givers).map(|address| address.outer.name);
        others.filter(|other| other != name).filter_map(|other| known(&other)).collect()
    };
    for name in compiled.stacks.keys() {
        order.visit(name, &needs);
    }
    order.done
}

/// Services of a stack, each after those that it depends on and takes ports from.
pub(super) fn services<'s>(stack: &'s StackSpec, handed: &Handed) -> Vec<(&'s str, &'s ServiceSpec)> {
    let mut order = Order::default();
    let known = |key: &str| Some(stack.services.get_key_value(key)?.0.as_str());
    let needs = |key: &str| {
        let depends = stack.services.get(key).into_iter().flat_map(|spec| &spec.depends_on);
        let depends = depends.filter_map(|one| known(&one.service));
        let taker = || Address::in_stack(&stack.name, Kind::Service, key);
        let givers = if handed.is_empty() { None } else { handed.get(&taker()) };
        let givers = givers.into_iter().flatten().filter(|giver| giver.outer.name == stack.name);
        depends.chain(givers.filter_map(|giver| known(&giver.leaf().name))).collect()
    };
    for key in stack.services.keys() {
        order.visit(key, &needs);
    }
    order.done.iter().filter_map(|key| Some((*key, stack.services.get(*key)?))).collect()
}

/// Depth first: a name stands after everything that it needs.
#[derive(Default)]
struct Order<'n> {
    seen: BTreeSet<&'n str>,
    done: Vec<&'n str>,
}

impl<'n> Order<'n> {
    fn visit(&mut self, name: &'n str, needs: &dyn Fn(&str) -> Vec<&'n str>) {
        if !self.seen.insert(name) {
            return;
        }
        for need in needs(name) {
            self.visit(need, needs);
        }
        self.done.push(name);
    }
}

/// What the manifest says that a stack depends on.
fn other_stacks<'c>(compiled: &'c Compiled, stack: &str) -> impl Iterator<Item = Address> + use<'c> {
    let section = compiled.manifest.stacks.get(stack);
    let listed = section.into_iter().flat_map(|section| &section.depends_on);
    listed.filter_map(|text| text.parse().ok())
}

fn dependencies<'a: 's, 's>(
    builder: &Builder<'a>,
    stack: &'s StackSpec,
    spec: &'s ServiceSpec,
) -> Vec<Dependency<'s>> {
    let compiled = builder.desired.compiled;
    let own = spec.depends_on.iter().filter_map(|one| {
        let (key, spec) = stack.services.get_key_value(&one.service)?;
        Some(Dependency { stack, key, spec, until: one.condition })
    });
    let mut all: Vec<_> = own.collect();
    for address in other_stacks(compiled, &stack.name) {
        let Some(other) = compiled.stacks.get(&address.outer.name) else { continue };
        let wanted = |key: &str| address.inner.as_ref().is_none_or(|inner| inner.name == key);
        let services = other.services.iter().filter(|(key, _)| wanted(key));
        all.extend(services.map(|(key, spec)| Dependency {
            stack: other,
            key,
            spec,
            until: Condition::Started,
        }));
    }
    all
}

/// What keeps a service from being made at all: a dependency that is held back and is not there.
pub(super) fn held(builder: &Builder<'_>, stack: &StackSpec, spec: &ServiceSpec) -> Option<Address> {
    dependencies(builder, stack, spec).into_iter().find_map(|one| {
        let because = builder.held_because(&Address::in_stack(&one.stack.name, Kind::Service, one.key))?;
        (!builder.observed.services.contains_key(&one.spec.name)).then(|| because.clone())
    })
}

/// What each of these services depends on, by address.
pub(super) fn depends<'s>(
    builder: &Builder<'_>,
    services: impl Iterator<Item = (&'s StackSpec, &'s str)>,
) -> Handed {
    let of = |(stack, key): (&'s StackSpec, &'s str)| {
        let spec = stack.services.get(key)?;
        let needs = dependencies(builder, stack, spec).into_iter();
        let needs = needs.map(|one| Address::in_stack(&one.stack.name, Kind::Service, one.key)).collect();
        Some((Address::in_stack(&stack.name, Kind::Service, key), needs))
    };
    services.filter_map(of).collect()
}

/// What keeps a service from a port that another one shall give up: that one is held back as it is.
pub(super) fn keeps_port(builder: &Builder<'_>, service: &Address) -> Option<Address> {
    let givers = builder.handed.get(service)?;
    givers.iter().find_map(|giver| builder.held_because(giver)).cloned()
}

/// The waits before a service may be made or changed: for each thing that it depends on and that this plan changes, or
/// that does not run as told at the moment.
pub(super) fn gates(
    builder: &mut Builder<'_>,
    address: &Address,
    (stack, spec): (&StackSpec, &ServiceSpec),
) -> Gates {
    let mut gates = Gates::default();
    let mut words = Vec::new();
    for dependency in dependencies(builder, stack, spec) {
        let Some(id) = gate(builder, &dependency) else { continue };
        gates.needs.push(id);
        let address = Address::in_stack(&dependency.stack.name, Kind::Service, dependency.key);
        words.push(match dependency.until {
            Condition::Started => format!("{address} runs"),
            Condition::Healthy => format!("{address} is healthy"),
            Condition::Completed => format!("{address} has completed"),
        });
    }
    for giver in builder.handed.get(address).cloned().unwrap_or_default() {
        let Some((stack, key, spec)) = find(builder.desired.compiled, &giver) else { continue };
        if let Some(id) = gate(builder, &Dependency { stack, key, spec, until: Condition::Started }) {
            gates.needs.push(id);
            words.push(format!("{giver} has given up its port"));
        }
    }
    if !words.is_empty() {
        gates.words = format!("once {}", words.join(" and "));
    }
    gates
}

/// The service of an address.
fn find<'c>(compiled: &'c Compiled, address: &Address) -> Option<(&'c StackSpec, &'c str, &'c ServiceSpec)> {
    let stack = compiled.stacks.get(&address.outer.name)?;
    let (key, spec) = stack.services.get_key_value(&address.leaf().name)?;
    Some((stack, key, spec))
}

fn gate(builder: &mut Builder<'_>, dependency: &Dependency<'_>) -> Option<usize> {
    let Dependency { stack, key, spec, until } = *dependency;
    let address = Address::in_stack(&stack.name, Kind::Service, key);
    // Swarm calls what has a health check running once it is healthy: these two are one wait.
    let gate = (address.clone(), until == Condition::Completed);
    if let Some(id) = builder.gates.get(&gate) {
        return Some(*id);
    }
    let change = builder.change(&address).map(|step| step.id);
    let existing = builder.observed.services.get(&spec.name);
    let tasks = existing.and_then(|object| builder.observed.tasks.get(&object.id));
    let is_up = || {
        let tasks = tasks.map(Vec::as_slice).unwrap_or_default();
        existing.is_some_and(|object| unsettled(&object.raw, tasks, until).is_none())
    };
    let is_open = builder.desired.open.contains(&address);
    let unseen = builder.desired.unseen.contains(&address);
    if change.is_none() && (builder.is_held(&address) || (is_up() && !is_open && !unseen)) {
        return None;
    }
    let status = existing.map_or(&Value::Null, |object| at(&object.raw, "/UpdateStatus"));
    let moved = change.is_some() || is_open;
    let past = if moved { Value::Null } else { status.clone() };
    let asked = deadline::Asked { service: spec, updates: existing.is_some() && (moved || unseen) };
    let deadline = deadline::of(&[asked], stack.deadline);
    let what = match until {
        Condition::Completed => "it has completed",
        _ if is_checked(spec) => "it is healthy",
        _ => "it runs",
    };
    let reason = format!("until {what}, at most {} s: {}", deadline.time.as_secs(), deadline.words);
    let services = vec![Awaited { service: spec.name.clone(), past, until }];
    let action = Action::Swarm(SwarmAction::Converge { services, deadline: deadline.time });
    let mut draft = Draft::new(address.clone(), Verb::Await, Group::Convergence, action).because(reason);
    draft.needs = change.into_iter().collect();
    let id = builder.add(draft);
    builder.gates.insert(gate, id);
    Some(id)
}

fn is_checked(spec: &ServiceSpec) -> bool {
    let test = at(&spec.body, "/TaskTemplate/ContainerSpec/Healthcheck/Test/0").as_str();
    test.is_some_and(|test| test != "NONE")
}
