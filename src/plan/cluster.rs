//! The swarm itself, this node, images and shared networks.

use serde_json::Value;

use super::builder::{Builder, Draft};
use super::{Action, Consequence, Group, ImageAction, Refusal, SwarmAction, Verb, canonical, diff};
use crate::address::{Address, Kind};
use crate::desired::{ImageSource, swarm as wanted};
use crate::observed::SwarmState;
use crate::report::Exit;

/// The swarm: made, adopted, repaired, or refused; then this node's labels.
pub(super) fn swarm(builder: &mut Builder<'_>) {
    let address = Address::single(Kind::Swarm);
    let manifest = &builder.desired.compiled.manifest;
    match (&builder.observed.swarm, &manifest.swarm) {
        (SwarmState::Inactive, Some(swarm)) => {
            let action = Action::Swarm(SwarmAction::Init(wanted::init_body(swarm)));
            let draft = Draft::new(address, Verb::Create, Group::Ground, action);
            builder.add(draft.because(format!("the engine is in no swarm; advertises {}", swarm.advertise)));
        }
        (SwarmState::Inactive, None) => builder.refuse(Refusal {
            address,
            reason: "the engine is in no swarm, and the manifest does not say how to make one".to_owned(),
            fix:
                "add `\"swarm\": { \"advertise\": \"ADDRESS\" }` to the manifest, or run `docker swarm init`"
                    .to_owned(),
            exit: Exit::Unreachable,
        }),
        (SwarmState::NotManager(state), _) => builder.refuse(Refusal {
            address,
            reason: format!("this node is in a swarm but is no manager that can be written to (`{state}`)"),
            fix: "run on a manager, or `docker node promote NODE` there; `docker info` shows the state"
                .to_owned(),
            exit: Exit::Unreachable,
        }),
        (SwarmState::Manager(_), None) => {}
        (SwarmState::Manager(_), Some(_)) => adopt(builder),
    }
    node(builder);
}

/// A swarm that is already there: what cannot change is refused or warned of, what can is repaired.
fn adopt(builder: &mut Builder<'_>) {
    let Some((manager, swarm)) = builder.manager().zip(builder.desired.compiled.manifest.swarm.as_ref())
    else {
        return;
    };
    for found in wanted::swarm_refusals(builder.observed, swarm) {
        let reason =
            format!("`{}` is {} and shall be {}: {}", found.field, found.is, found.wanted, found.explanation);
        if found.warning {
            builder.warn(reason);
            continue;
        }
        builder.refuse(Refusal {
            address: Address::single(Kind::Swarm),
            reason,
            fix: "make the manifest say what is there, or `docker swarm leave --force` and apply again"
                .to_owned(),
            exit: Exit::BadConfig,
        });
    }
    let current = manager.raw.get("Spec").unwrap_or(&Value::Null);
    let spec = wanted::wanted_swarm_spec(&manager.raw, swarm);
    let diff = diff(&canonical::swarm_spec(current), &canonical::swarm_spec(&spec));
    if !diff.is_empty() {
        let action = Action::Swarm(SwarmAction::UpdateSwarm { version: manager.version, spec });
        let draft = Draft::new(Address::single(Kind::Swarm), Verb::Update, Group::Ground, action);
        builder.add(draft.changing(diff, Consequence::None));
    }
}

/// This node's labels; others on it are left alone.
fn node(builder: &mut Builder<'_>) {
    let node = builder.manager().and_then(|manager| builder.observed.nodes.get(&manager.node_id));
    let Some(node) = node else {
        return; // The swarm is made first; the next stage sees the node.
    };
    let current = node.raw.get("Spec").unwrap_or(&Value::Null);
    let spec = wanted::wanted_node_spec(&node.raw, &builder.desired.compiled.manifest.node);
    let diff = diff(&canonical::node_spec(current), &canonical::node_spec(&spec));
    if !diff.is_empty() {
        let action = SwarmAction::UpdateNode { id: node.id.clone(), version: node.version, spec };
        let address = Address::new(Kind::Node, &builder.observed.engine.name);
        let draft = Draft::new(address, Verb::Update, Group::Ground, Action::Swarm(action));
        builder.add(draft.changing(diff, Consequence::None));
    }
}

/// Images from files are loaded where the engine does not hold them; the engine pulls the others itself.
pub(super) fn images(builder: &mut Builder<'_>) {
    for (name, spec) in &builder.desired.compiled.images {
        let Some(source) = &spec.source else { continue };
        if holds(builder, &spec.reference, source) {
            continue;
        }
        let action = ImageAction::Load { name: name.clone(), spec: Box::new(spec.clone()) };
        let address = Address::new(Kind::Image, name);
        let draft = Draft::new(address, Verb::Create, Group::Ground, Action::Image(action));
        builder.add(draft.because(format!("{} is not on the engine", spec.reference)));
    }
}

/// An engine calls an image by its config digest or, with the containerd store, by its manifest digest.
fn holds(builder: &Builder<'_>, reference: &str, source: &ImageSource) -> bool {
    let images = &builder.observed.images;
    let by_id = images.contains(&source.config_digest) || images.contains(&source.manifest_digest);
    by_id && images.contains(reference)
}

/// Networks of the manifest.
pub(super) fn networks(builder: &mut Builder<'_>) {
    for (name, spec) in &builder.desired.compiled.manifest.networks {
        network(builder, Address::new(Kind::Network, name), name, &wanted::network_body(name, spec));
    }
}

/// One network: made, or left as it is; one that differs was refused, or taken down to be made anew.
pub(super) fn network(builder: &mut Builder<'_>, address: Address, name: &str, body: &Value) {
    let cleared = builder.anew.get(&address).copied();
    if cleared.is_some() || !builder.observed.networks.contains_key(name) {
        let action = Action::Swarm(SwarmAction::CreateNetwork(body.clone()));
        let mut draft = Draft::new(address, Verb::Create, Group::Networks, action);
        draft.needs = cleared.into_iter().collect();
        builder.add(draft);
    }
}
