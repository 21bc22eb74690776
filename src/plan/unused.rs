//! What earlier runs brought and nothing needs any more: images of this node, former secrets and configs.
//!
//! An image goes whole or stays whole: one that has a name of somebody else's as well stays with all of its names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::collect::{UNUSED, beyond, both_specs, former, object_address};
use super::{Action, Consequence, Group, ImageAction, Plan, Stays, Step, SwarmAction, Verb};
use crate::address::{Address, Kind};
use crate::desired::image_of;
use crate::observed::{Container, Object, Observed, Ownership, at};
use crate::pins::{ARCHIVES, Reference};

/// How long a container that was about to go when everything was looked at may take.
const WAIT: Duration = Duration::from_secs(2);

/// What is known of what earlier runs brought, and of what generations need.
#[derive(Clone, Debug, Default)]
pub struct Hoard {
    /// References of the images that came onto this node because of us.
    pub images: BTreeSet<String>,
    /// References of the images that kept generations name, with the number of the newest that does.
    pub kept_images: BTreeMap<String, u64>,
    /// Names of the secrets and configs that kept generations need.
    pub kept_objects: BTreeSet<String>,
    /// Those of them that the newest generation needs.
    pub current_objects: BTreeSet<String>,
    /// What is recorded as ours.
    pub recorded: Ownership,
    /// How many former versions of each secret and config stay.
    pub versions: usize,
}

/// The name under which an engine lists the image of a reference: `name@sha256:...` where it has a digest, else
/// `name:tag`. What is no reference (an id) is its own name.
#[must_use]
pub fn engine_name(reference: &str) -> String {
    match Reference::parse(reference) {
        Some(Reference { digest: Some(digest), registry, repository, tag }) => {
            let name = Reference { registry, repository, tag, digest: None }.name();
            format!("{name}@{digest}")
        }
        Some(image) => image.tagged(),
        None => reference.to_owned(),
    }
}

/// References of images that come onto this node because of `plan`: those that it loads or pulls, and those that the
/// engine will pull for the services that it makes or changes. What is there already is not brought by anybody, unless
/// one of the `recorded` references brought it.
#[must_use]
pub fn brought(plan: &Plan, observed: &Observed, recorded: &BTreeSet<String>) -> BTreeSet<String> {
    let our_ids: BTreeSet<&String> =
        recorded.iter().filter_map(|reference| observed.image_ids.get(&engine_name(reference))).collect();
    let is_theirs = |id: &String| observed.images.contains(id) && !our_ids.contains(id);
    let new = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Image(ImageAction::Load { spec, .. }) => {
            let source = spec.source.as_ref();
            let there =
                source.is_some_and(|it| is_theirs(&it.config_digest) || is_theirs(&it.manifest_digest));
            (!there).then_some(spec.reference.as_str())
        }
        Action::Image(ImageAction::Pull { reference }) => Some(reference.as_str()),
        Action::Swarm(SwarmAction::CreateService(spec) | SwarmAction::UpdateService { spec, .. }) => {
            let image = image_of(spec);
            let held = image.starts_with(ARCHIVES) || observed.images.contains(&engine_name(image));
            (!held).then_some(image)
        }
        _ => None,
    });
    new.filter(|reference| Reference::parse(reference).is_some()).map(str::to_owned).collect()
}

/// A plan that removes what nothing needs any more, and says what stays although no generation needs it.
#[must_use]
pub fn unused(hoard: &Hoard, observed: &Observed, containers: &[Container]) -> Plan {
    let mut plan = Plan::default();
    let services: Vec<&Object> = observed.services.values().collect();
    let users = Users { observed, services: &services, containers, kept: &hoard.kept_images };
    let (names, stays) = users.unused(&hoard.images);
    for name in names {
        add(
            &mut plan,
            Address::new(Kind::Image, &name),
            Action::Image(ImageAction::Remove { name, patience: WAIT }),
        );
    }
    let mut needed: BTreeSet<String> = services.iter().flat_map(|service| both_specs(&service.raw)).collect();
    needed.extend(hoard.kept_objects.iter().cloned());
    let current = &hoard.current_objects;
    let secrets = former(&hoard.recorded.secrets, current, &observed.secrets);
    for secret in beyond(secrets, &needed, hoard.versions) {
        let action = Action::Swarm(SwarmAction::RemoveSecret(secret.id.clone()));
        add(&mut plan, object_address(secret, Kind::Secret), action);
    }
    let configs = former(&hoard.recorded.configs, current, &observed.configs);
    for config in beyond(configs, &needed, hoard.versions) {
        let action = Action::Swarm(SwarmAction::RemoveConfig(config.id.clone()));
        add(&mut plan, object_address(config, Kind::Config), action);
    }
    plan.stays = stays;
    plan
}

/// Everything that may use an image of this node.
pub(super) struct Users<'a> {
    /// The engine.
    pub(super) observed: &'a Observed,
    /// Services of which every spec counts.
    pub(super) services: &'a [&'a Object],
    /// Containers, also those that have ended.
    pub(super) containers: &'a [Container],
    /// References that generations need, with their numbers.
    pub(super) kept: &'a BTreeMap<String, u64>,
}

impl Users<'_> {
    /// Of the images that were `brought`, the names of those that nothing needs, and the others that no generation
    /// needs, with what does.
    pub(super) fn unused(&self, brought: &BTreeSet<String>) -> (Vec<String>, Vec<Stays>) {
        let ids = &self.observed.image_ids;
        let own: BTreeSet<String> = brought.iter().map(|reference| engine_name(reference)).collect();
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, id) in ids {
            names.entry(id).or_default().push(name);
        }
        let kept: BTreeSet<String> = self.kept.keys().map(|reference| self.id(reference)).collect();
        let needed = self.needed();
        let (mut unused, mut stays) = (Vec::new(), Vec::new());
        for name in own.iter().filter(|name| ids.contains_key(*name)) {
            let id = self.id(name);
            if kept.contains(&id) {
                continue;
            }
            let all = names.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let foreign = all.iter().find(|other| !is_own(other, &own));
            let because = needed.get(&id).cloned();
            match because.or_else(|| foreign.map(|other| format!("it is also called `{other}`"))) {
                Some(because) => stays.push(Stays { name: name.clone(), because }),
                None => unused.push(name.clone()),
            }
        }
        (unused, stays)
    }

    /// The id of the image that the engine has for a reference; of one that it does not have, the reference itself.
    fn id(&self, reference: &str) -> String {
        let name = engine_name(reference);
        self.observed.image_ids.get(&name).cloned().unwrap_or(name)
    }

    /// Why each image is needed on this node, by its id.
    fn needed(&self) -> BTreeMap<String, String> {
        let mut needed = BTreeMap::new();
        for container in self.containers {
            for id in [container.image_id.clone(), self.id(&container.image)] {
                needed.insert(id, format!("the container `{}` uses it", container.name));
            }
        }
        for service in self.services {
            let tasks = self.observed.tasks.get(&service.id).map(Vec::as_slice).unwrap_or_default();
            for task in tasks {
                needed.insert(
                    self.id(&task.image),
                    format!("a task of the service `{}` uses it", service.name),
                );
            }
            for (spec, word) in [("/PreviousSpec", "may go back to it"), ("/Spec", "uses it")] {
                let image = image_of(at(&service.raw, spec));
                needed.insert(self.id(image), format!("the service `{}` {word}", service.name));
            }
        }
        needed
    }
}

/// True for a name that came with one of ours: itself, or the digest under which an engine lists a tag of ours too.
fn is_own(name: &str, own: &BTreeSet<String>) -> bool {
    let digest_of = |(repository, _): (&str, &str)| {
        own.iter().any(|own| own.rsplit_once(':').is_some_and(|(of, _)| of == repository))
    };
    own.contains(name) || name.split_once('@').is_some_and(digest_of)
}

pub(super) fn add(plan: &mut Plan, address: Address, action: Action) {
    plan.steps.push(Step {
        id: plan.steps.len(),
        address,
        verb: Verb::Delete,
        action,
        diff: Vec::new(),
        consequence: Consequence::None,
        effect: None,
        reason: UNUSED.to_owned(),
        needs: Vec::new(),
        group: Group::Collection,
        stage: 0,
        wave: 0,
        after: BTreeMap::new(),
    });
}
