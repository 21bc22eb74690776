//! `destroy`: everything that is recorded as ours, in the order in which it can go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::collect::{mirrors, object_address};
use super::unused::Users;
use super::{Action, Consequence, FilesAction, Group, ImageAction, Plan, Step, SwarmAction, Verb};
use crate::address::{Address, Kind};
use crate::observed::{Container, Object, Observed, Ownership};

/// How long the containers of a service that is gone may take to go.
const LETS_GO: Duration = Duration::from_secs(15);

/// A plan that removes what `own` records, or what `only` covers of it: services, then networks, secrets, configs and
/// files, and these volumes. The swarm itself stays.
#[must_use]
pub fn destroy(
    own: &Ownership,
    observed: &Observed,
    volumes: &BTreeSet<String>,
    only: Option<&Address>,
) -> Plan {
    let mut plan = Plan::default();
    let ours = |object: &&Object| object.stack().is_some_and(|stack| own.stacks.contains(stack));
    for service in observed.services.values().filter(ours) {
        let address = object_address(service, Kind::Service);
        add(
            &mut plan,
            address,
            Group::Removal,
            Action::Swarm(SwarmAction::RemoveService(service.id.clone())),
        );
    }
    let networks = observed.networks.values();
    for network in networks.filter(|network| ours(network) || own.networks.contains(&network.name)) {
        let address = object_address(network, Kind::Network);
        add(
            &mut plan,
            address,
            Group::Collection,
            Action::Swarm(SwarmAction::RemoveNetwork(network.id.clone())),
        );
    }
    for secret in
        observed.secrets.values().filter(|secret| ours(secret) || own.secrets.contains(&secret.name))
    {
        let address = object_address(secret, Kind::Secret);
        add(
            &mut plan,
            address,
            Group::Collection,
            Action::Swarm(SwarmAction::RemoveSecret(secret.id.clone())),
        );
    }
    for config in
        observed.configs.values().filter(|config| ours(config) || own.configs.contains(&config.name))
    {
        let address = object_address(config, Kind::Config);
        add(
            &mut plan,
            address,
            Group::Collection,
            Action::Swarm(SwarmAction::RemoveConfig(config.id.clone())),
        );
    }
    for id in mirrors(own, observed.configs.values()) {
        let action = Action::Swarm(SwarmAction::RemoveConfig(id));
        add(&mut plan, Address::single(Kind::Ownership), Group::Collection, action);
    }
    for path in own.files.iter().filter(|path| observed.generated.contains_key(*path)) {
        let action = Action::Files(FilesAction::Remove { path: path.into() });
        add(&mut plan, Address::new(Kind::File, path), Group::Collection, action);
    }
    if let Some(only) = only {
        plan = plan.only(only);
    }
    for volume in volumes {
        let action = Action::Swarm(SwarmAction::RemoveVolume(volume.clone()));
        add(&mut plan, Address::new(Kind::Volume, volume), Group::Collection, action);
    }
    plan
}

/// Adds the removal of the images that came because of us and that nobody else uses, after all the rest; says which
/// stay, but for those that generations of other instances name (`kept`). Services of ours and their containers are gone by then.
pub fn destroy_images(
    plan: &mut Plan,
    own: &Ownership,
    observed: &Observed,
    (images, containers): (&BTreeSet<String>, &[Container]),
    kept: &BTreeMap<String, u64>,
) {
    let is_ours = |object: &Object| object.stack().is_some_and(|stack| own.stacks.contains(stack));
    let (ours, services): (Vec<&Object>, Vec<&Object>) =
        observed.services.values().partition(|service| is_ours(service));
    let of_ours = |container: &&Container| ours.iter().any(|service| service.id == container.service);
    let containers: Vec<Container> = containers.iter().filter(|one| !of_ours(one)).cloned().collect();
    let users = Users { observed, services: &services, containers: &containers, kept };
    let (names, stays) = users.unused(images);
    for name in names {
        let address = Address::new(Kind::Image, &name);
        let action = Action::Image(ImageAction::Remove { name, patience: LETS_GO });
        add(plan, address, Group::Collection, action);
    }
    plan.stays = stays;
}

fn add(plan: &mut Plan, address: Address, group: Group, action: Action) {
    let services = plan.steps.iter().filter(|step| step.group < group).map(|step| step.id).collect();
    plan.steps.push(Step {
        id: plan.steps.len(),
        consequence: match address.leaf().kind {
            Kind::Volume => Consequence::DataAtRisk,
            Kind::Service => Consequence::Removed,
            _ => Consequence::None,
        },
        address,
        verb: Verb::Delete,
        action,
        effect: None,
        diff: Vec::new(),
        reason: "recorded as ours".to_owned(),
        needs: services,
        group,
        stage: 0,
        wave: 0,
        after: BTreeMap::new(),
    });
}

/// What is still there of `own`, or of what `only` covers of it: addresses, sorted.
#[must_use]
pub fn leftovers(own: &Ownership, observed: &Observed, only: Option<&Address>) -> Vec<Address> {
    let none = BTreeSet::new();
    let left = destroy(own, observed, &none, only).steps.into_iter();
    let mut left: Vec<Address> = left.map(|step| step.address).collect();
    left.sort();
    left.dedup();
    left
}
