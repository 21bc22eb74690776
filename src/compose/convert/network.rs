//! Networks of the stack and of its services.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::desired::{ExternalObject, NetworkSpec, StackSpec};

use super::super::Input;
use super::super::model::{Network, Pool, Service, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::{Scope, object_of, put, put_text, strings, undefined, words};

/// The network of a service that names none.
const DEFAULT: &str = "default";

/// Networks that services use: created ones and external ones.
pub(super) fn convert(scope: &Scope<'_>, input: &Input<'_>, out: &mut StackSpec, log: &mut Log) {
    let used: BTreeSet<&str> = scope.file.services.values().flat_map(names).collect();
    for (key, at) in &scope.file.networks {
        if !used.contains(key.as_str()) {
            let message = format!("no service uses the network `{key}`; it is not created");
            log.rule(Rule::Unused, at.place, message, "remove it, or name it in `networks` of a service");
        }
    }
    let mut external = BTreeSet::new();
    for key in used {
        let network = scope.file.networks.get(key).map(|at| &at.value);
        let name = real_name(scope, key);
        if network.is_some_and(|network| is_true(&network.external)) {
            if !input.networks.contains(&name) && is_user_defined(&name) {
                external.insert(name);
            }
            continue;
        }
        let network = network.cloned().unwrap_or_default();
        let body = body(scope, &name, &network);
        out.networks.insert(key.to_owned(), NetworkSpec { name, body });
    }
    out.external_networks = external.into_iter().map(|name| ExternalObject { name }).collect();
}

fn names(service: &Service) -> Vec<&str> {
    if service.networks.is_empty() {
        return vec![DEFAULT];
    }
    service.networks.keys().map(String::as_str).collect()
}

/// The name in the engine.
fn real_name(scope: &Scope<'_>, key: &str) -> String {
    let network = scope.file.networks.get(key).map(|at| &at.value);
    let written = network.and_then(|network| network.name.as_ref()).filter(|name| !name.value.is_empty());
    match (written, network) {
        (Some(name), _) => name.value.clone(),
        (None, Some(network)) if is_true(&network.external) => key.to_owned(),
        _ => scope.full(key),
    }
}

/// Names that the engine gives a meaning of its own.
fn is_user_defined(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:")
}

fn body(scope: &Scope<'_>, name: &str, network: &Network) -> Value {
    let driver = network.driver.as_ref().map(|at| at.value.as_str()).filter(|driver| !driver.is_empty());
    let ipam_driver = network.ipam_driver.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let ipam = if ipam_driver.is_empty() && network.pools.is_empty() {
        Value::Null
    } else {
        let pools: Vec<Value> = network.pools.iter().map(pool).collect();
        let pools = if pools.is_empty() { Value::Null } else { Value::Array(pools) };
        json!({ "Driver": ipam_driver, "Options": null, "Config": pools })
    };
    let mut body = json!({
        "Name": name,
        "Driver": driver.unwrap_or("overlay"),
        "Scope": "",
        "IPAM": ipam,
        "Internal": is_true(&network.internal),
        "Attachable": is_true(&network.attachable),
        "Ingress": false,
        "ConfigOnly": false,
        "ConfigFrom": null,
        "Options": network.driver_opts.as_ref().map(|options| object_of(strings(options))),
        "Labels": scope.labels(&network.labels),
    });
    if let Some(map) = body.as_object_mut().filter(|_| is_true(&network.ipv6)) {
        map.insert("EnableIPv6".to_owned(), json!(true));
    }
    body
}

fn pool(pool: &Pool) -> Value {
    let mut map = Map::new();
    put_text(&mut map, "Subnet", pool.subnet.as_ref());
    put_text(&mut map, "IPRange", pool.range.as_ref());
    put_text(&mut map, "Gateway", pool.gateway.as_ref());
    Value::Object(map)
}

/// `TaskTemplate.Networks`: sorted by target, the service's own name behind its aliases.
pub(super) fn attachments(scope: &Scope<'_>, key: &str, service: &Service, log: &mut Log) -> Vec<Value> {
    let mut targets: Vec<(String, Value)> = Vec::new();
    for network in names(service) {
        let attachment = service.networks.get(network);
        if network != DEFAULT && !scope.file.networks.contains_key(network) {
            let place = attachment.map_or(service.place, |at| at.place);
            undefined("network", &At::new(network.to_owned(), place), &scope.file.networks, log);
            continue;
        }
        let target = real_name(scope, network);
        let mut map = Map::new();
        let mut aliases = attachment.map(|at| words(&at.value.aliases)).unwrap_or_default();
        if is_user_defined(&target) {
            aliases.push(key.to_owned());
        }
        put(&mut map, "Target", target.clone());
        put(&mut map, "Aliases", aliases);
        if let Some(options) = attachment.and_then(|at| at.value.driver_opts.as_ref()) {
            put(&mut map, "DriverOpts", object_of(strings(options)));
        }
        targets.push((target, Value::Object(map)));
    }
    targets.sort_by(|left, right| left.0.cmp(&right.0));
    targets.into_iter().map(|(_, value)| value).collect()
}
