//! What a removal left behind, and whether it touched what is not ours: the engine before it and after it.

use std::collections::BTreeSet;

use super::collect::MIRROR_LABEL;
use super::unused::engine_name;
use super::{Action, ImageAction, Plan, SwarmAction};
use crate::observed::{Baseline, Inventory, Observed, Ownership, Stock};
use crate::report::{Leaks, Since};

/// Compares the engine before `plan` was done with the engine after.
#[must_use]
pub fn leaks(plan: &Plan, before: &Inventory, after: &Inventory) -> Leaks {
    let ours = ours(plan, before);
    let mut leaks = Leaks::default();
    let tasks: BTreeSet<&str> =
        before.containers.iter().filter(|one| !one.service.is_empty()).map(|one| one.id.as_str()).collect();
    for ((kind, id), name) in &before.things {
        let there = after.things.contains_key(&(*kind, id.clone()));
        let called = format!("{} {name}", kind.word());
        match (ours.contains(&(*kind, id.clone())), there) {
            (true, true) => leaks.left.push(called),
            (true, false) => {}
            (false, true) => *leaks.untouched.entry(kind.word().to_owned()).or_default() += 1,
            // Tasks of other services come and go by themselves.
            (false, false) if *kind == Stock::Container && tasks.contains(id.as_str()) => {}
            (false, false) => leaks.lost.push(called),
        }
    }
    // A task that was started while its service went.
    let late = after.containers.iter().filter(|one| {
        ours.contains(&(Stock::Service, one.service.clone()))
            && !before.things.contains_key(&(Stock::Container, one.id.clone()))
    });
    leaks.left.extend(late.map(|one| format!("container {}", one.name)));
    leaks
}

/// What the plan removes, and what goes with it.
fn ours(plan: &Plan, before: &Inventory) -> BTreeSet<(Stock, String)> {
    let mut ours = BTreeSet::new();
    for step in &plan.steps {
        let action = match &step.action {
            Action::Swarm(action) => action,
            Action::Image(ImageAction::Remove { name, .. }) => {
                ours.extend(before.images.get(name).map(|id| (Stock::Image, id.clone())));
                continue;
            }
            _ => continue,
        };
        let (kind, id) = match action {
            SwarmAction::RemoveService(id) => (Stock::Service, id),
            SwarmAction::RemoveNetwork(id) => (Stock::Network, id),
            SwarmAction::RemoveSecret(id) => (Stock::Secret, id),
            SwarmAction::RemoveConfig(id) => (Stock::Config, id),
            SwarmAction::RemoveVolume(name) => (Stock::Volume, name),
            _ => continue,
        };
        ours.insert((kind, id.clone()));
    }
    for container in &before.containers {
        if ours.contains(&(Stock::Service, container.service.clone())) {
            ours.insert((Stock::Container, container.id.clone()));
            ours.extend(container.volumes.iter().map(|name| (Stock::Volume, name.clone())));
        }
    }
    ours
}

/// What is on the engine now and was not when `baseline` was taken, told apart by record and label; without a baseline
/// only what is ours. `own` is the record of before the removal, `images` the references that came because of us.
#[must_use]
pub fn since(
    baseline: Option<&Baseline>,
    (observed, now): (&Observed, &Inventory),
    own: &Ownership,
    images: &BTreeSet<String>,
) -> Since {
    let named = |kind: Stock, name: &String| match kind {
        Stock::Network => own.networks.contains(name),
        Stock::Secret => own.secrets.contains(name),
        Stock::Config => {
            let mirror = observed.configs.get(name).and_then(|config| config.labels.get(MIRROR_LABEL));
            own.configs.contains(name) || mirror == Some(&own.instance)
        }
        Stock::Volume => own.volumes.contains(name),
        Stock::Service | Stock::Container | Stock::Image => false,
    };
    let image_ids: BTreeSet<&String> =
        images.iter().filter_map(|reference| now.images.get(&engine_name(reference))).collect();
    let mut since = Since { taken: baseline.map(|baseline| baseline.taken.clone()), ..Since::default() };
    // By name: an id says nothing, and the order of ids is another one each time.
    let mut things: Vec<(&(Stock, String), &String)> = now.things.iter().collect();
    things.sort_by_key(|(key, name)| (key.0, *name));
    for (key, name) in things {
        let (kind, id) = (key.0, &key.1);
        let was_there = baseline.is_some_and(|baseline| baseline.has(kind, id));
        if was_there || kind == Stock::Container || now.predefined.contains(id) {
            continue;
        }
        let stack = now.stacks.get(key);
        let called = now.called(kind, id);
        if stack.is_some_and(|stack| own.stacks.contains(stack))
            || named(kind, name)
            || (kind == Stock::Image && image_ids.contains(id))
        {
            since.ours.push(called);
        } else if baseline.is_some() {
            let stack = stack.map(|stack| format!(" (stack {stack})")).unwrap_or_default();
            since.others.push(format!("{called}{stack}"));
        }
    }
    since
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::observed::{Container, Object, Observed, Ownership};

    fn object(id: &str, stack: &str) -> Object {
        let labels = BTreeMap::from([(crate::observed::STACK_LABEL.to_owned(), stack.to_owned())]);
        Object { id: id.into(), name: format!("{stack}_{id}"), labels, ..Object::default() }
    }

    fn container(id: &str, service: &str, volumes: &[&str]) -> Container {
        let volumes = volumes.iter().map(|name| (*name).to_owned()).collect();
        Container { id: id.into(), name: id.into(), service: service.into(), volumes, ..Container::default() }
    }

    fn look(objects: &[(&str, &str)], volumes: &[&str], containers: Vec<Container>) -> (Observed, Inventory) {
        let services = objects.iter().map(|(id, stack)| object(id, stack));
        let services = services.map(|object| (object.name.clone(), object)).collect();
        let observed = Observed { services, ..Observed::default() };
        let volumes = volumes.iter().map(|name| ((*name).to_owned(), None)).collect();
        let inventory = Inventory::new(&observed, volumes, containers);
        (observed, inventory)
    }

    #[test]
    fn what_is_ours_and_stays_is_a_leak_and_what_is_not_ours_and_goes_is_told() {
        let own = Ownership { stacks: BTreeSet::from(["web".to_owned()]), ..Ownership::new("main") };
        let (observed, before) = look(
            &[("a", "web"), ("b", "other")],
            &["hash", "data", "foreign"],
            vec![container("c1", "a", &["hash"]), container("c2", "b", &[]), container("c3", "", &[])],
        );
        let plan = super::super::destroy(&own, &observed, &BTreeSet::new(), None);

        let (_, clean) = look(&[("b", "other")], &["data", "foreign"], vec![container("c3", "", &[])]);
        let found = leaks(&plan, &before, &clean);
        assert!(found.left.is_empty() && found.lost.is_empty(), "{found:?}");
        let untouched = BTreeMap::from([("container", 1), ("service", 1), ("volume", 2)]);
        assert_eq!(
            found.untouched,
            untouched.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
        );

        let (_, dirty) =
            look(&[], &["hash", "data"], vec![container("c1", "a", &[]), container("c9", "a", &[])]);
        let found = leaks(&plan, &before, &dirty);
        assert_eq!(found.left, ["container c1", "volume hash", "container c9"]);
        assert_eq!(found.lost, ["service other_b", "container c3", "volume foreign"]);
    }
}
