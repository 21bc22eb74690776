//! Canonical forms: two specs are equal exactly when an update from one to the other would change nothing.
//!
//! Both sides go through the same function, what is wanted and what the engine gave back. Every line of the tables was
//! checked against an engine: what it adds, what it forgets, and which empty values it keeps apart.

mod shape;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Change, diff};
use crate::observed::{Observed, at};
use shape::Shape::{Forgotten, Message, Messages, Or, Pointer, Ratio, Zero};
use shape::{Fields, message};

/// Names of networks, by id.
pub type NetworkNames = BTreeMap<String, String>;

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
    ("Mode", Message(MODE)),
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
const ATTACHMENT: Fields = &[];
const CONTAINER: Fields = &[
    ("Privileges", Message(PRIVILEGES)),
    ("Init", Pointer),
    ("StopGracePeriod", Pointer),
    ("Healthcheck", Message(&[])),
    ("DNSConfig", Message(&[])),
    ("Isolation", Or("default")),
    ("Mounts", Messages(MOUNT)),
    ("Ulimits", Messages(&[])),
    ("Secrets", Messages(&[("File", Message(&[])), ("SecretID", Forgotten)])),
    ("Configs", Messages(&[("File", Message(&[])), ("Runtime", Message(&[])), ("ConfigID", Forgotten)])),
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
    ("VolumeOptions", Message(&[("DriverConfig", Message(&[]))])),
    ("TmpfsOptions", Message(&[])),
];
const UPDATE: Fields =
    &[("FailureAction", Or("pause")), ("Order", Or("stop-first")), ("MaxFailureRatio", Ratio)];
const ENDPOINT: Fields =
    &[("Mode", Or("vip")), ("Ports", Messages(&[("Protocol", Or("tcp")), ("PublishMode", Or("ingress"))]))];

/// The canonical form of a service spec. Networks become names; secrets and configs are known by object name and
/// target, not by id; ports, secrets and configs, whose order means nothing, are sorted.
#[must_use]
pub fn service(spec: &Value, names: &NetworkNames) -> Value {
    let mut spec = Value::from(message(spec, SERVICE));
    mode(&mut spec);
    for list in ["/TaskTemplate/Networks", "/Networks"] {
        for network in list_mut(&mut spec, list) {
            let target = network.get_mut("Target");
            if let Some((target, name)) = target.and_then(|t| Some((names.get(t.as_str()?)?.clone(), t))) {
                *name = target.into();
            }
        }
    }
    for mount in list_mut(&mut spec, "/TaskTemplate/ContainerSpec/Mounts") {
        bind_options(mount);
    }
    for list in
        ["/TaskTemplate/ContainerSpec/Secrets", "/TaskTemplate/ContainerSpec/Configs", "/EndpointSpec/Ports"]
    {
        // Objects keep their keys sorted, so that their text orders them.
        list_mut(&mut spec, list).sort_by_cached_key(ToString::to_string);
    }
    spec
}

fn list_mut<'a>(value: &'a mut Value, pointer: &str) -> &'a mut [Value] {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// A service without a mode is replicated, once; a job without numbers runs once.
fn mode(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    let mode = spec.entry("Mode").or_insert_with(|| Map::new().into());
    let Some(mode) = mode.as_object_mut() else { return };
    if mode.is_empty() {
        mode.insert("Replicated".into(), Map::new().into());
    }
    let one = || Value::from(1);
    if let Some(replicated) = mode.get_mut("Replicated").and_then(Value::as_object_mut) {
        replicated.entry("Replicas").or_insert_with(one);
    }
    if let Some(job) = mode.get_mut("ReplicatedJob").and_then(Value::as_object_mut) {
        let concurrent = job.entry("MaxConcurrent").or_insert_with(one).clone();
        job.entry("TotalCompletions").or_insert(concurrent);
    }
}

/// Options of a bind that say nothing are forgotten; where they say something the propagation is filled in.
fn bind_options(mount: &mut Value) {
    let Some(mount) = mount.as_object_mut() else { return };
    let Some(options) = mount.remove("BindOptions") else { return };
    let mut options = message(&options, &[]);
    if options.is_empty() {
        return;
    }
    let propagation = options.entry("Propagation").or_insert_with(|| "rprivate".into());
    *propagation = propagation.as_str().unwrap_or_default().to_ascii_lowercase().into();
    mount.insert("BindOptions".into(), options.into());
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
    message(spec, FIELDS).into()
}

/// The canonical form of a node's spec.
#[must_use]
pub fn node_spec(spec: &Value) -> Value {
    message(spec, &[]).into()
}

/// What the overlay driver writes into a network's options.
const VXLAN_IDS: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// The fields in which a network that is there differs from the body that would create it. The engine cannot change
/// a network, so anything in here means making it anew. Subnets and gateways that are not asked for may be any.
#[must_use]
pub fn network_diff(stored: &Value, wanted: &Value) -> Vec<Change> {
    let (mut before, after) = (network(stored), network(wanted));
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
    message(&chosen, FIELDS).into()
}

#[cfg(test)]
mod tests;
