//! Canonical forms: two specs are equal exactly when an update from one to the other would change nothing.
//!
//! Both sides go through the same function, what is wanted and what the engine gave back. Every line of the tables was
//! checked against an engine: what it adds, what it forgets, and which empty values it keeps apart.

mod shape;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Change, diff};
use crate::observed::{Observed, at};
use shape::Shape::{
    BindOptions, Forgotten, Message, Messages, Mode, Network, Or, Pointer, Ratio, Unordered, Zero,
};
use shape::{Fields, message, same_message};

/// Names of networks, by id.
pub type NetworkNames = BTreeMap<String, String>;

/// For what is attached to none.
static NO_NETWORKS: NetworkNames = NetworkNames::new();

/// The names by which [`service`] knows the networks that the engine stores as ids.
#[must_use]
pub fn network_names(observed: &Observed) -> NetworkNames {
    observed.networks.iter().map(|(name, network)| (network.id.clone(), name.clone())).collect()
}

const SERVICE: Fields = &[
    ("TaskTemplate", Message(TASK)),
    ("UpdateConfig", Message(UPDATE)),
    ("RollbackConfig", Message(UPDATE)),
    ("EndpointSpec", Message(ENDPOINT)),
    ("Networks", Messages(ATTACHMENT)),
    ("Mode", Mode(MODE)),
];
const MODE: Fields = &[
    ("Replicated", Message(&[("Replicas", Pointer)])),
    ("Global", Message(&[])),
    ("ReplicatedJob", Message(&[("MaxConcurrent", Pointer), ("TotalCompletions", Pointer)])),
    ("GlobalJob", Message(&[])),
];
const TASK: Fields = &[
    ("ContainerSpec", Message(CONTAINER)),
    ("Resources", Message(&[("Limits", Message(&[])), ("Reservations", Message(&[]))])),
    ("RestartPolicy", Message(&[("Condition", Or("any")), ("Delay", Pointer), ("Window", Pointer)])),
    ("Placement", Message(&[("Preferences", Zero), ("Platforms", Messages(&[]))])),
    ("LogDriver", Message(&[])),
    ("Networks", Messages(ATTACHMENT)),
    ("Runtime", Or("container")),
];
const ATTACHMENT: Fields = &[("Target", Network)];
const CONTAINER: Fields = &[
    ("Privileges", Message(PRIVILEGES)),
    ("Init", Pointer),
    ("StopGracePeriod", Pointer),
    ("Healthcheck", Message(&[])),
    ("DNSConfig", Message(&[])),
    ("Isolation", Or("default")),
    ("Mounts", Messages(MOUNT)),
    ("Ulimits", Messages(&[])),
    ("Secrets", Unordered(&[("File", Message(&[])), ("SecretID", Forgotten)])),
    ("Configs", Unordered(&[("File", Message(&[])), ("Runtime", Message(&[])), ("ConfigID", Forgotten)])),
];
const PRIVILEGES: Fields = &[
    ("CredentialSpec", Message(&[])),
    ("SELinuxContext", Message(&[])),
    ("Seccomp", Message(&[])),
    ("AppArmor", Message(&[])),
];
const MOUNT: Fields = &[
    ("Type", Or("bind")),
    ("Consistency", Forgotten),
    ("BindOptions", BindOptions),
    ("VolumeOptions", Message(&[("DriverConfig", Message(&[]))])),
    ("TmpfsOptions", Message(&[])),
];
const UPDATE: Fields =
    &[("FailureAction", Or("pause")), ("Order", Or("stop-first")), ("MaxFailureRatio", Ratio)];
const ENDPOINT: Fields =
    &[("Mode", Or("vip")), ("Ports", Unordered(&[("Protocol", Or("tcp")), ("PublishMode", Or("ingress"))]))];

/// The canonical form of a service spec. Networks become names; secrets and configs are known by object name and
/// target, not by id; ports, secrets and configs, whose order means nothing, are sorted.
#[must_use]
pub fn service(spec: &Value, names: &NetworkNames) -> Value {
    message(spec, SERVICE, names).into()
}

/// True exactly when [`service`] is the same for both; many times quicker than to ask for both.
#[must_use]
pub fn same_service(one: &Value, other: &Value, names: &NetworkNames) -> bool {
    same_message(one, other, SERVICE, names)
}

fn list_mut<'a>(value: &'a mut Value, pointer: &str) -> &'a mut [Value] {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// The canonical form of a swarm's spec.
#[must_use]
pub fn swarm_spec(spec: &Value) -> Value {
    const FIELDS: Fields = &[
        ("Orchestration", Message(&[])),
        ("Raft", Message(&[])),
        ("Dispatcher", Message(&[])),
        ("CAConfig", Message(&[])),
        ("TaskDefaults", Message(&[])),
        ("EncryptionConfig", Message(&[])),
    ];
    message(spec, FIELDS, &NO_NETWORKS).into()
}

/// The canonical form of a node's spec.
#[must_use]
pub fn node_spec(spec: &Value) -> Value {
    message(spec, &[], &NO_NETWORKS).into()
}

/// What the overlay driver writes into a network's options.
const VXLAN_IDS: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// The fields in which a network that is there differs from the body that would create it. The engine cannot change
/// a network, so anything in here means making it anew. Subnets and gateways that are not asked for may be any; of one
/// that was made a moment ago the engine does not say yet what it was made with.
#[must_use]
pub fn network_diff(stored: &Value, wanted: &Value) -> Vec<Change> {
    let (mut before, after) = (network(stored), network(wanted));
    let driver = at(stored, "/Driver").as_str().unwrap_or_default();
    if driver.is_empty() && at(stored, "/Scope").as_str() == Some("swarm") {
        for key in ["Driver", "IPAM", "Options"] {
            remove(&mut before, "", key);
            let asked = after.get(key).map(|asked| (key.to_owned(), asked.clone()));
            if let Some(fields) = before.as_object_mut() {
                fields.extend(asked);
            }
        }
    }
    match after.pointer("/IPAM/Config").and_then(Value::as_array) {
        None => remove(&mut before, "/IPAM", "Config"),
        Some(asked) => {
            for (subnet, asked) in list_mut(&mut before, "/IPAM/Config").iter_mut().zip(asked) {
                if at(asked, "/Gateway").is_null() {
                    remove(subnet, "", "Gateway");
                }
            }
        }
    }
    diff(&before, &after)
}

fn remove(value: &mut Value, of: &str, key: &str) {
    if let Some(fields) = value.pointer_mut(of).and_then(Value::as_object_mut) {
        fields.remove(key);
    }
}

/// The fields of a network that are chosen when it is made, from a create body or from what the engine says.
fn network(given: &Value) -> Value {
    const FIELDS: Fields = &[
        ("Driver", Or("overlay")),
        ("IPAM", Message(&[("Driver", Or("default")), ("Config", Messages(&[]))])),
    ];
    const CHOSEN: [&str; 9] = [
        "Attachable",
        "ConfigOnly",
        "Driver",
        "EnableIPv6",
        "IPAM",
        "Ingress",
        "Internal",
        "Labels",
        "Options",
    ];
    let chosen = CHOSEN.into_iter().map(|key| (key.to_owned(), at(given, &format!("/{key}")).clone()));
    let mut chosen: Value = chosen.collect();
    remove(&mut chosen, "/Options", VXLAN_IDS);
    if let Some(ipam) = chosen.pointer_mut("/IPAM").filter(|ipam| ipam.is_null()) {
        *ipam = Map::new().into();
    }
    // Engines report more with a network than can be asked for, and newer ones more still.
    only(&mut chosen, "/IPAM", &["Config", "Driver", "Options"]);
    for subnet in list_mut(&mut chosen, "/IPAM/Config") {
        only(subnet, "", &["AuxiliaryAddresses", "Gateway", "IPRange", "Subnet"]);
    }
    message(&chosen, FIELDS, &NO_NETWORKS).into()
}

fn only(value: &mut Value, of: &str, keys: &[&str]) {
    if let Some(fields) = value.pointer_mut(of).and_then(Value::as_object_mut) {
        fields.retain(|key, _| keys.contains(&key.as_str()));
    }
}

#[cfg(test)]
mod tests;
