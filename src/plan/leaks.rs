//! What a removal left behind, and whether it touched what is not ours: the engine before it and after it.

use std::collections::BTreeSet;

use super::{Action, Plan, SwarmAction};
use crate::observed::{Inventory, Stock};
use crate::report::Leaks;

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
        let Action::Swarm(action) = &step.action else { continue };
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
        let volumes = volumes.iter().map(|name| (*name).to_owned());
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
