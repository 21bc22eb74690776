//! Ports that a service wants and another one holds. The engine refuses the second one, so what left goes first, what
//! stays and gives one up goes before whoever takes it, and what is not ours is in the way.

use std::collections::BTreeMap;

use serde_json::Value;

use super::builder::{Builder, Draft};
use super::collect::{key_of, stack_names, taken_over};
use super::{Action, Consequence, Group, Refusal, SwarmAction, Verb, handover};
use crate::address::{Address, Kind};
use crate::desired::StackSpec;
use crate::observed::{Object, at};
use crate::report::Exit;

/// Number and protocol of a published port → whether only nodes that run a task open it.
pub(super) type Ports<'a> = BTreeMap<(u64, &'a str), bool>;

/// A service of the manifest, and what it shall publish.
pub(super) struct Publisher<'a> {
    pub(super) stack: &'a StackSpec,
    pub(super) key: &'a str,
    pub(super) ports: Ports<'a>,
}

impl Publisher<'_> {
    pub(super) fn address(&self) -> Address {
        Address::in_stack(&self.stack.name, Kind::Service, self.key)
    }
}

/// Makes room for the ports of every service, or refuses them.
pub(super) fn plan(builder: &mut Builder<'_>) {
    if builder.manager().is_none() {
        return;
    }
    let (desired, observed) = (builder.desired, builder.observed);
    let stacks = desired.compiled.stacks.iter();
    let wanted: BTreeMap<&str, Publisher<'_>> = stacks
        .flat_map(|(_, stack)| stack.services.iter().map(move |(key, one)| (stack, key, one)))
        .map(|(stack, key, one)| {
            let ports = ports(at(&one.body, "/EndpointSpec/Ports"));
            (one.name.as_str(), Publisher { stack, key, ports })
        })
        .collect();
    if wanted.values().all(|one| one.ports.is_empty()) {
        return;
    }
    handover::plan(builder, &wanted);
    for holder in observed.services.values().filter(|service| !wanted.contains_key(service.name.as_str())) {
        let mut held = ports(at(&holder.raw, "/Spec/EndpointSpec/Ports"));
        // What the engine chose itself stands only here.
        held.extend(ports(at(&holder.raw, "/Endpoint/Ports")));
        if held.is_empty() {
            continue;
        }
        for publisher in wanted.values() {
            let both = publisher
                .ports
                .iter()
                .find(|(port, host)| held.get(port).is_some_and(|other| !(*other && **host)));
            if let Some((port, _)) = both {
                resolve(builder, publisher, *port, holder);
            }
        }
    }
}

/// The published ports of a list, as a spec or an endpoint has it.
pub(super) fn ports(list: &Value) -> Ports<'_> {
    let ports = list.as_array().into_iter().flatten();
    ports
        .filter_map(|port| {
            let number = port.get("PublishedPort")?.as_u64().filter(|number| *number > 0)?;
            let protocol = port.get("Protocol").and_then(Value::as_str).unwrap_or("tcp");
            Some(((number, protocol), port.get("PublishMode").and_then(Value::as_str) == Some("host")))
        })
        .collect()
}

/// Takes the holder down, where it left and is ours.
fn resolve(
    builder: &mut Builder<'_>,
    publisher: &Publisher<'_>,
    (number, protocol): (u64, &str),
    holder: &Object,
) {
    let service = publisher.address();
    let Some(owner) = holder.stack().filter(|stack| stack_names(builder).contains(stack)) else {
        let place = publisher.stack.places.get(&format!("port.{number}/{protocol}"));
        let named = place.map_or_else(String::new, |place| format!(" (published at {place})"));
        return builder.refuse(Refusal {
            address: service,
            reason: format!(
                "port {number}/{protocol}{named} is taken by the service `{}`, which is not ours",
                holder.name
            ),
            fix: format!("publish another port, or remove that service: `docker service rm {}`", holder.name),
            exit: Exit::BadConfig,
        });
    };
    let address = Address::in_stack(owner, Kind::Service, key_of(holder, owner));
    let there = builder.steps().iter().find(|step| step.address == address && step.group == Group::Teardown);
    let step = if let Some(step) = there {
        step.id
    } else {
        if !builder.desired.recorded.stacks.contains(owner) {
            builder.warn(taken_over(&address, owner, &holder.name));
        }
        builder.gone.insert(holder.name.clone());
        let action = Action::Swarm(SwarmAction::RemoveService(holder.id.clone()));
        let reason =
            format!("is not in the manifest and holds port {number}/{protocol}, which `{service}` publishes");
        let draft = Draft::new(address, Verb::Delete, Group::Teardown, action).because(reason);
        builder.add(draft.changing(Vec::new(), Consequence::Removed))
    };
    builder.freed.entry(service).or_default().push(step);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{compiled, desired, manager, object, web};
    use super::super::{Plan, plan};
    use super::*;

    fn publishing(port: u64, mode: &str) -> Value {
        json!([{ "Protocol": "tcp", "TargetPort": 80, "PublishedPort": port, "PublishMode": mode }])
    }

    /// The plan for `web_app`, which publishes port 80 in `mode`, beside a service that is there.
    fn planned(mode: &str, there: Object) -> Result<Plan, String> {
        let mut stack = web();
        stack.places.insert("port.80/tcp".to_owned(), "web.yml:7:9".to_owned());
        if let Some(service) = stack.services.get_mut("app") {
            service.body["EndpointSpec"] = json!({ "Ports": publishing(80, mode) });
        }
        let compiled = compiled(&json!({}), &[stack]);
        let mut observed = manager();
        observed.services.insert(there.name.clone(), there);
        plan(&desired(&compiled), &observed, None).map_err(|refusals| {
            let lines: Vec<String> =
                refusals.iter().map(|one| format!("{}: {}", one.address, one.reason)).collect();
            lines.join("\n")
        })
    }

    fn there(name: &str, port: u64, mode: &str) -> Object {
        object(name, json!({ "Name": name, "EndpointSpec": { "Ports": publishing(port, mode) } }))
    }

    #[test]
    fn a_port_of_somebody_elses_service_is_refused_at_its_place() {
        let refused = "stack.web/service.app: port 80/tcp (published at web.yml:7:9) is taken by the service \
                       `other_app`, which is not ours";
        for (mode, other) in [("ingress", "ingress"), ("ingress", "host"), ("host", "ingress")] {
            assert_eq!(planned(mode, there("other_app", 80, other)).unwrap_err(), refused, "{mode} {other}");
        }
        // Host ports may meet on different nodes; another number is another port.
        assert!(planned("host", there("other_app", 80, "host")).is_ok());
        assert!(planned("ingress", there("other_app", 81, "ingress")).is_ok());
        let mut chosen = there("other_app", 0, "ingress");
        chosen.raw["Endpoint"] = json!({ "Ports": publishing(80, "ingress") });
        assert_eq!(planned("ingress", chosen).unwrap_err(), refused);
    }

    #[test]
    fn a_service_that_left_gives_its_port_before_another_takes_it() {
        let plan = planned("ingress", there("web_old", 80, "ingress")).unwrap();
        let deletes: Vec<_> = plan.steps.iter().filter(|step| step.verb == Verb::Delete).collect();
        assert_eq!(deletes.len(), 1, "{deletes:#?}");
        let made =
            plan.steps.iter().find(|step| step.address.to_string() == "stack.web/service.app").unwrap();
        assert_eq!(
            (deletes[0].group, deletes[0].address.to_string()),
            (Group::Teardown, "stack.web/service.old".into())
        );
        assert!(made.verb == Verb::Create && made.needs.contains(&deletes[0].id), "{made:#?}");
        assert!(plan.warnings[0].contains("stack.web/service.old"), "{:?}", plan.warnings);
        // Without the port in common it goes last, as everything that left.
        let plan = planned("ingress", there("web_old", 81, "ingress")).unwrap();
        assert!(plan.steps.iter().any(|step| step.group == Group::Removal));
    }
}
