//! Ports that a service which stays gives up, and another one takes: in that order, where there is one.

use std::collections::{BTreeMap, BTreeSet};

use super::Refusal;
use super::builder::Builder;
use super::ports::{Ports, Publisher, ports};
use super::waves;
use crate::address::Address;
use crate::observed::at;
use crate::report::Exit;

/// One port that changes hands.
struct Handover {
    giver: Address,
    taker: Address,
    /// `8080/tcp`, with the place that publishes it now.
    words: String,
    /// True when only nodes that run a task open it, before and after.
    host: bool,
}

/// Notes for each service which others must have given up a port before it changes.
pub(super) fn plan(builder: &mut Builder<'_>, wanted: &BTreeMap<&str, Publisher<'_>>) {
    let found = find(builder, wanted);
    if found.is_empty() {
        return;
    }
    let mut moves: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for one in &found {
        moves.entry(one.taker.clone()).or_default().insert(one.giver.clone());
    }
    let depends = waves::depends(builder, wanted.values().map(|one| (one.stack, one.key)));
    let mut all = moves.clone();
    for (address, needs) in depends {
        all.entry(address).or_default().extend(needs);
    }
    for one in found {
        if !reaches(&all, &one.giver, &one.taker) {
            builder.handed.entry(one.taker).or_default().insert(one.giver);
        } else if one.host && reaches(&moves, &one.giver, &one.taker) {
            // Tasks that wait for each other's ports start as soon as the old ones have stopped.
            builder.warn(format!(
                "`{}` and `{}` exchange host ports: neither has a task until those of both have stopped, and with \
                 `order: start-first` they never do",
                one.giver, one.taker
            ));
        } else {
            builder.refuse(Refusal {
                address: one.taker.clone(),
                reason: format!(
                    "it takes port {} from `{}`, which waits for it in turn: neither can go first",
                    one.words, one.giver
                ),
                fix: format!(
                    "apply once with `{}` on a port that is free, then with the one it shall have",
                    one.taker
                ),
                exit: Exit::BadConfig,
            });
        }
    }
}

fn find(builder: &Builder<'_>, wanted: &BTreeMap<&str, Publisher<'_>>) -> Vec<Handover> {
    let held = |name: &str| -> Ports<'_> {
        let service = builder.observed.services.get(name);
        service.map(|service| ports(at(&service.raw, "/Spec/EndpointSpec/Ports"))).unwrap_or_default()
    };
    let mut found = Vec::new();
    for (name, giver) in wanted {
        let given = held(name).into_iter().filter(|(port, _)| !giver.ports.contains_key(port));
        for (port, was_host) in given {
            let takers = wanted
                .iter()
                .filter(|(taker, one)| one.ports.contains_key(&port) && !held(taker).contains_key(&port));
            found.extend(takers.map(|(_, taker)| {
                let (number, protocol) = port;
                let place = taker.stack.places.get(&format!("port.{number}/{protocol}"));
                let place = place.map_or_else(String::new, |place| format!(" (published at {place})"));
                Handover {
                    giver: giver.address(),
                    taker: taker.address(),
                    words: format!("{number}/{protocol}{place}"),
                    host: was_host && taker.ports.get(&port).copied().unwrap_or_default(),
                }
            }));
        }
    }
    found
}

/// True when `from` needs `to`, directly or through others.
fn reaches(edges: &BTreeMap<Address, BTreeSet<Address>>, from: &Address, to: &Address) -> bool {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(at) = todo.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            todo.extend(edges.get(at).into_iter().flatten());
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{compiled, desired, manager, object, web};
    use super::super::{Plan, Step, Verb, plan};
    use crate::desired::{Condition, Dependency, StackSpec};
    use crate::observed::Observed;

    fn publishing(ports: &[u64], mode: &str) -> Value {
        let port = |port: &u64| json!({ "Protocol": "tcp", "TargetPort": 80, "PublishedPort": port, "PublishMode": mode });
        json!({ "Ports": ports.iter().map(port).collect::<Vec<_>>() })
    }

    /// A stack whose services publish these ports, and what an engine shows where they published others.
    fn stack(services: &[(&str, &[u64], &[u64])], mode: &str) -> (StackSpec, Observed) {
        let mut stack = web();
        let app = stack.services.remove("app").unwrap();
        (stack.configs, stack.secrets) = Default::default();
        let mut observed = manager();
        for (key, was, is) in services {
            let mut service = app.clone();
            service.name = format!("web_{key}");
            (service.configs, service.secrets) = (Vec::new(), Vec::new());
            service.body["Name"] = json!(service.name);
            service.body["EndpointSpec"] = publishing(was, mode);
            observed.services.insert(service.name.clone(), object(&service.name, service.body.clone()));
            service.body["EndpointSpec"] = publishing(is, mode);
            stack.services.insert((*key).to_owned(), service);
        }
        (stack, observed)
    }

    fn planned((stack, observed): (StackSpec, Observed)) -> Result<Plan, String> {
        let compiled = compiled(&json!({}), &[stack]);
        plan(&desired(&compiled), &observed, None)
            .map_err(|refusals| refusals.iter().map(|one| one.reason.clone()).collect::<Vec<_>>().join("\n"))
    }

    fn updates(plan: &Plan) -> Vec<(String, bool)> {
        let updates = plan.steps.iter().filter(|step| step.verb == Verb::Update);
        let waits = |step: &Step| step.needs.iter().any(|need| plan.steps[*need].verb == Verb::Await);
        updates.map(|step| (step.address.leaf().name.clone(), !waits(step))).collect()
    }

    #[test]
    fn whoever_gives_a_port_up_goes_first_whatever_the_names() {
        for mode in ["host", "ingress"] {
            // `c` gives to `b`, which gives to `a`.
            let chain: [(&str, &[u64], &[u64]); 3] = [("a", &[1], &[2]), ("b", &[2], &[3]), ("c", &[3], &[])];
            let plan = planned(stack(&chain, mode)).unwrap();
            let order = [("c", true), ("b", false), ("a", false)];
            assert_eq!(updates(&plan), order.map(|(name, first)| (name.to_owned(), first)), "{mode}");
            let a = plan.steps.iter().rfind(|step| step.verb == Verb::Update).unwrap();
            let wait = &plan.steps[a.needs[0]];
            assert!(
                wait.verb == Verb::Await && wait.address.to_string() == "stack.web/service.b",
                "{wait:#?}"
            );
            assert_eq!(a.reason, "once stack.web/service.b has given up its port");
        }
    }

    #[test]
    fn an_exchange_goes_side_by_side_on_hosts_and_is_refused_in_the_ingress() {
        let swap: [(&str, &[u64], &[u64]); 2] = [("a", &[1], &[2]), ("b", &[2], &[1])];
        let plan = planned(stack(&swap, "host")).unwrap();
        assert_eq!(updates(&plan), [("a".to_owned(), true), ("b".to_owned(), true)]);
        assert!(
            plan.warnings.iter().any(|warning| warning.contains("exchange host ports")),
            "{:?}",
            plan.warnings
        );
        let refused = planned(stack(&swap, "ingress")).unwrap_err();
        assert!(refused.contains("takes port 1/tcp from `stack.web/service.a`"), "{refused}");

        // The one that gives waits for the one that takes.
        let moved: [(&str, &[u64], &[u64]); 2] = [("a", &[1], &[]), ("b", &[], &[1])];
        let (mut waits, observed) = stack(&moved, "host");
        waits.services.get_mut("a").unwrap().depends_on =
            vec![Dependency { service: "b".to_owned(), condition: Condition::Started }];
        let refused = planned((waits, observed)).unwrap_err();
        assert!(refused.contains("neither can go first"), "{refused}");
    }

    #[test]
    fn a_port_that_stays_moves_nobody() {
        let both: [(&str, &[u64], &[u64]); 2] = [("a", &[1, 2], &[1]), ("b", &[1], &[1, 3])];
        let plan = planned(stack(&both, "host")).unwrap();
        assert!(updates(&plan).iter().all(|(_, first)| *first), "{:?}", updates(&plan));
    }
}
