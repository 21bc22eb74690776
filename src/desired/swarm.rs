//! What the manifest's `swarm` and `networks` sections are in the engine's own words.

use serde_json::{Map, Value, json};

use crate::manifest;
use crate::observed::{ManagerState, Observed, SwarmState, at};

/// The engine's defaults for what is fixed when a swarm is made.
const DATA_PATH_PORT: u64 = 4789;
const SUBNET_SIZE: u64 = 24;

/// The body of `POST /swarm/init`.
#[must_use]
pub fn init_body(swarm: &manifest::Swarm) -> Value {
    let mut spec = Map::new();
    spec.insert("Name".into(), "default".into());
    spec.insert("Labels".into(), json!(swarm.labels));
    if let Some(limit) = swarm.task_history {
        spec.insert("Orchestration".into(), json!({ "TaskHistoryRetentionLimit": limit }));
    }
    json!({
        "ListenAddr": swarm.listen,
        "AdvertiseAddr": swarm.advertise,
        "DataPathAddr": swarm.data_path.as_deref().unwrap_or_default(),
        "DataPathPort": swarm.data_path_port.unwrap_or_default(),
        "DefaultAddrPool": swarm.address_pools,
        "SubnetSize": swarm.subnet_size.unwrap_or_default(),
        "ForceNewCluster": false,
        "AutoLockManagers": false,
        "Availability": "active",
        "Spec": spec,
    })
}

/// The spec that the swarm shall have: the stored one with the labels and the task history of the manifest. Labels are
/// exactly those of the manifest; a task history that it does not name is left alone. `current` is the raw swarm object.
#[must_use]
pub fn wanted_swarm_spec(current: &Value, swarm: &manifest::Swarm) -> Value {
    let mut spec = at(current, "/Spec").as_object().cloned().unwrap_or_default();
    spec.insert("Labels".into(), json!(swarm.labels));
    if let Some(limit) = swarm.task_history {
        let orchestration = spec.entry("Orchestration").or_insert_with(|| Map::new().into());
        if let Some(fields) = orchestration.as_object_mut() {
            fields.insert("TaskHistoryRetentionLimit".into(), limit.into());
        }
    }
    spec.into()
}

/// The spec that a node shall have: the stored one with the manifest's labels added.
#[must_use]
pub fn wanted_node_spec(current: &Value, node: &manifest::Node) -> Value {
    let mut spec = at(current, "/Spec").as_object().cloned().unwrap_or_default();
    let labels = spec.entry("Labels").or_insert_with(|| Map::new().into());
    if labels.is_null() {
        *labels = Map::new().into();
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.extend(node.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    }
    spec.into()
}

/// A setting of a swarm that is there already and cannot be made what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmRefusal {
    /// The manifest's field, `swarm.data_path_port`.
    pub field: &'static str,
    /// What the swarm has.
    pub is: String,
    /// What the manifest says.
    pub wanted: String,
    /// What it means, and what can be done.
    pub explanation: &'static str,
    /// True where it can be lived with: said, not refused.
    pub warning: bool,
}

/// What of an existing swarm differs from the manifest and is fixed. Nothing where there is no swarm yet.
#[must_use]
pub fn swarm_refusals(observed: &Observed, wanted: &manifest::Swarm) -> Vec<SwarmRefusal> {
    let SwarmState::Manager(manager) = &observed.swarm else { return Vec::new() };
    let mut found = fixed_at_init(manager, wanted);
    found.extend(advertised(manager, wanted, observed.nodes.len()));
    found
}

const MADE_ANEW: &str = "it is fixed when a swarm is made; make the manifest say what the swarm has, or take the \
     stacks down, leave the swarm (`docker swarm leave --force`) and apply again";

fn fixed_at_init(manager: &ManagerState, wanted: &manifest::Swarm) -> Vec<SwarmRefusal> {
    let number = |field: &str, default: u64| match at(&manager.raw, field).as_u64() {
        // Engines before 19.03 store no port; 0 stands for the default.
        None | Some(0) => default,
        Some(number) => number,
    };
    let pools = at(&manager.raw, "/DefaultAddrPool").as_array();
    let pools: Vec<&str> = pools.into_iter().flatten().filter_map(Value::as_str).collect();
    let port = |port: u16| (number("/DataPathPort", DATA_PATH_PORT), u64::from(port));
    let size = |size: u8| (number("/SubnetSize", SUBNET_SIZE), u64::from(size));
    let mut fields: Vec<(&'static str, String, String)> = Vec::new();
    // What the manifest does not say is left as it is: an engine that restarts writes its own defaults there.
    if let Some((is, wanted)) = wanted.data_path_port.map(port) {
        fields.push(("swarm.data_path_port", is.to_string(), wanted.to_string()));
    }
    if let Some((is, wanted)) = wanted.subnet_size.map(size) {
        fields.push(("swarm.subnet_size", is.to_string(), wanted.to_string()));
    }
    if !wanted.address_pools.is_empty() {
        fields.push(("swarm.address_pools", listed(&pools), listed(&wanted.address_pools)));
    }
    let different = fields.into_iter().filter(|(_, is, wanted)| is != wanted);
    different
        .map(|(field, is, wanted)| SwarmRefusal { field, is, wanted, explanation: MADE_ANEW, warning: false })
        .collect()
}

fn listed<T: AsRef<str>>(pools: &[T]) -> String {
    if pools.is_empty() {
        return "the engine's own pools".to_owned();
    }
    pools.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// The address that the node goes by. An interface's name in the manifest cannot be compared from here.
fn advertised(manager: &ManagerState, wanted: &manifest::Swarm, nodes: usize) -> Option<SwarmRefusal> {
    let asked = host_of(&wanted.advertise);
    let is_address = asked.parse::<std::net::IpAddr>().is_ok();
    if !is_address || asked == manager.node_addr || manager.node_addr.is_empty() {
        return None;
    }
    let loopback = manager.node_addr.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let (explanation, warning) = match (loopback, nodes) {
        (true, 0 | 1) => (
            "the swarm is advertised on loopback, so that no second node can join; it works as long as there is one \
             node, and is left as it is",
            true,
        ),
        (true, _) => (
            "the swarm is advertised on loopback and has several nodes, which cannot reach this one; leave the swarm \
             on this node (`docker swarm leave --force`) and join again with an address that they reach",
            false,
        ),
        (false, _) => (
            "a manager's address is fixed when it makes or joins a swarm; make the manifest say what it is, or leave \
             the swarm on this node (`docker swarm leave --force`) and apply again",
            false,
        ),
    };
    let (is, wanted) = (manager.node_addr.clone(), asked.to_owned());
    Some(SwarmRefusal { field: "swarm.advertise", is, wanted, explanation, warning })
}

/// The address of `address`, `address:port` or `[address]:port`.
fn host_of(text: &str) -> &str {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split(']').next().unwrap_or_default();
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => text,
    }
}

/// The body of `POST /networks/create`, as the docker CLI sends it.
#[must_use]
pub fn network_body(name: &str, network: &manifest::Network) -> Value {
    let ipam = network.ipam.as_ref();
    let subnets = ipam.into_iter().flat_map(|ipam| &ipam.subnets).map(|subnet| {
        let mut config = Map::new();
        config.insert("Subnet".into(), subnet.subnet.as_str().into());
        let more = [("Gateway", &subnet.gateway), ("IPRange", &subnet.ip_range)];
        let more =
            more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.into())));
        config.extend(more);
        Value::from(config)
    });
    json!({
        "Name": name,
        "CheckDuplicate": true,
        "Driver": network.driver.as_deref().unwrap_or("overlay"),
        "Scope": "swarm",
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": ipam.and_then(|ipam| ipam.driver.as_deref()).unwrap_or("default"),
            "Options": ipam.map(|ipam| &ipam.options).cloned().unwrap_or_default(),
            "Config": subnets.collect::<Vec<_>>(),
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "ConfigOnly": false,
        "ConfigFrom": null,
        "Options": network.driver_opts,
        "Labels": network.labels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Object;

    fn swarm() -> manifest::Swarm {
        serde_json::from_value(json!({"advertise": "198.51.100.7"})).unwrap()
    }

    fn observed(address: &str, nodes: usize) -> Observed {
        let raw = json!({"Spec": {"Name": "default", "Labels": {"old": "1"}, "Orchestration": {"TaskHistoryRetentionLimit": 5}},
            "DefaultAddrPool": null, "SubnetSize": 24, "DataPathPort": 4789});
        let manager = ManagerState { node_addr: address.into(), raw, ..ManagerState::default() };
        let nodes = (0..nodes).map(|n| (n.to_string(), Object::default())).collect();
        Observed { swarm: SwarmState::Manager(Box::new(manager)), nodes, ..Observed::default() }
    }

    fn refused(observed: &Observed, wanted: &manifest::Swarm) -> Vec<(&'static str, bool)> {
        swarm_refusals(observed, wanted).into_iter().map(|r| (r.field, r.warning)).collect()
    }

    #[test]
    fn what_is_fixed_and_differs_is_refused_by_its_field() {
        let here = observed("198.51.100.7", 1);
        assert_eq!(refused(&here, &swarm()), []);
        let changed = |change: fn(&mut manifest::Swarm)| {
            let mut wanted = swarm();
            change(&mut wanted);
            refused(&here, &wanted)
        };
        assert_eq!(changed(|s| s.data_path_port = Some(4790)), [("swarm.data_path_port", false)]);
        assert_eq!(changed(|s| s.data_path_port = Some(4789)), []);
        assert_eq!(changed(|s| s.subnet_size = Some(26)), [("swarm.subnet_size", false)]);
        assert_eq!(
            changed(|s| s.address_pools = vec!["10.9.0.0/16".into()]),
            [("swarm.address_pools", false)]
        );
        assert_eq!(changed(|s| s.advertise = "198.51.100.8:2377".into()), [("swarm.advertise", false)]);
        assert_eq!(changed(|s| s.advertise = "198.51.100.7:2377".into()), []);
        assert_eq!(changed(|s| s.advertise = "eth0".into()), []);
    }

    #[test]
    fn loopback_is_a_warning_on_one_node_and_refused_with_several() {
        assert_eq!(refused(&observed("127.0.0.1", 1), &swarm()), [("swarm.advertise", true)]);
        assert_eq!(refused(&observed("127.0.0.1", 2), &swarm()), [("swarm.advertise", false)]);
    }

    #[test]
    fn a_wanted_spec_keeps_what_the_manifest_does_not_name() {
        let raw = json!({"Spec": {"Labels": {"old": "1"}, "Raft": {"SnapshotInterval": 7}}});
        let mut wanted = swarm();
        wanted.labels.insert("env".into(), "lab".into());
        wanted.task_history = Some(2);
        let spec = wanted_swarm_spec(&raw, &wanted);
        assert_eq!(
            spec,
            json!({"Labels": {"env": "lab"}, "Raft": {"SnapshotInterval": 7}, "Orchestration": {"TaskHistoryRetentionLimit": 2}})
        );
        let node = manifest::Node { labels: [("a".to_owned(), "b".to_owned())].into() };
        let spec = wanted_node_spec(&json!({"Spec": {"Role": "manager", "Labels": {"theirs": "1"}}}), &node);
        assert_eq!(spec, json!({"Role": "manager", "Labels": {"theirs": "1", "a": "b"}}));
    }
}
