//! `TaskTemplate.ContainerSpec`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::model::{Health, Service, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::image::Image;
use super::{Scope, object_of, put, put_text, strings, volume, words};

/// The container of a service, without secrets and configs.
pub(super) fn convert(scope: &Scope<'_>, service: &Service, image: &Image, log: &mut Log) -> Value {
    let mut map = Map::new();
    put(&mut map, "Image", image.reference.clone());
    map.insert("Labels".to_owned(), json!(scope.labels(&service.labels)));
    put(&mut map, "Command", list(service.entrypoint.as_ref()));
    put(&mut map, "Args", list(service.command.as_ref()));
    put_text(&mut map, "Hostname", service.hostname.as_ref());
    let mut env: Vec<String> =
        service.environment.iter().map(|(key, at)| format!("{key}={}", at.value)).collect();
    env.extend(service.bare.keys().cloned());
    env.sort();
    put(&mut map, "Env", env);
    put_text(&mut map, "Dir", service.working_dir.as_ref());
    put_text(&mut map, "User", service.user.as_ref());
    put(&mut map, "Groups", words(&service.groups));
    map.insert("Privileges".to_owned(), privileges(service, log));
    if let Some(init) = &service.init {
        map.insert("Init".to_owned(), json!(init.value));
    }
    put_text(&mut map, "StopSignal", service.stop_signal.as_ref());
    put(&mut map, "TTY", is_true(&service.tty));
    put(&mut map, "OpenStdin", is_true(&service.stdin_open));
    put(&mut map, "ReadOnly", is_true(&service.read_only));
    put(&mut map, "Mounts", volume::mounts(scope, service, log));
    if let Some(period) = &service.stop_grace_period {
        map.insert("StopGracePeriod".to_owned(), json!(period.value));
    }
    if let Some(health) = &service.healthcheck {
        map.insert("Healthcheck".to_owned(), healthcheck(health, log));
    }
    let hosts: Vec<String> = service.extra_hosts.iter().filter_map(|at| host(&at.value)).collect();
    put(&mut map, "Hosts", hosts);
    if let Some(dns) = dns(service) {
        map.insert("DNSConfig".to_owned(), dns);
    }
    put_text(&mut map, "Isolation", service.isolation.as_ref());
    put(&mut map, "Sysctls", object_of(strings(&service.sysctls)));
    let (add, drop) = capabilities(&service.cap_add, &service.cap_drop);
    put(&mut map, "CapabilityAdd", add);
    put(&mut map, "CapabilityDrop", drop);
    put(&mut map, "Ulimits", ulimits(service));
    Value::Object(map)
}

fn list(words: Option<&At<Vec<String>>>) -> Vec<String> {
    words.map(|at| at.value.clone()).unwrap_or_default()
}

fn privileges(service: &Service, log: &mut Log) -> Value {
    let spec = service.credential_spec.as_ref().map(|at| &at.value);
    let text = |at: Option<&At<String>>| at.map(|at| at.value.clone()).unwrap_or_default();
    let (file, registry) =
        spec.map(|spec| (text(spec.file.as_ref()), text(spec.registry.as_ref()))).unwrap_or_default();
    if let Some(at) = service.credential_spec.as_ref().filter(|_| !file.is_empty() && !registry.is_empty()) {
        let message = "`credential_spec` takes one of `file` and `registry`";
        log.rule(Rule::CredentialSpecTwo, at.place, message, "remove one");
    }
    let credential = if file.is_empty() && registry.is_empty() {
        Value::Null
    } else {
        json!({ "Config": "", "File": file, "Registry": registry })
    };
    json!({ "CredentialSpec": credential, "SELinuxContext": null, "NoNewPrivileges": false })
}

fn healthcheck(health: &Health, log: &mut Log) -> Value {
    if is_true(&health.disable) {
        if let Some(test) = health.test.as_ref().filter(|test| !test.value.is_empty()) {
            log.rule(
                Rule::HealthcheckDisabled,
                test.place,
                "the check has a `test` and is disabled",
                "remove one of the two",
            );
        }
        return json!({ "Test": ["NONE"] });
    }
    let nanos = |at: &Option<At<i64>>| at.as_ref().map(|at| at.value).unwrap_or_default();
    let mut map = Map::new();
    put(&mut map, "Test", list(health.test.as_ref()));
    put(&mut map, "Interval", nanos(&health.interval));
    put(&mut map, "Timeout", nanos(&health.timeout));
    put(&mut map, "StartPeriod", nanos(&health.start_period));
    put(&mut map, "StartInterval", nanos(&health.start_interval));
    put(&mut map, "Retries", health.retries.as_ref().map(|at| at.value).unwrap_or_default());
    Value::Object(map)
}

/// `HOST:ADDRESS` → `ADDRESS HOST`, the order of a hosts file.
fn host(pair: &str) -> Option<String> {
    let (host, address) = pair.split_once(':')?;
    Some(format!("{address} {host}"))
}

fn dns(service: &Service) -> Option<Value> {
    let lists = [&service.dns, &service.dns_search, &service.dns_options];
    if !service.dns_named && lists.iter().all(|list| list.is_empty()) {
        return None;
    }
    let mut map = Map::new();
    put(&mut map, "Nameservers", words(&service.dns));
    put(&mut map, "Search", words(&service.dns_search));
    put(&mut map, "Options", words(&service.dns_options));
    Some(Value::Object(map))
}

/// What is added and dropped in the end: `ALL` swallows the rest, adding beats dropping.
fn capabilities(add: &[At<String>], drop: &[At<String>]) -> (Vec<String>, Vec<String>) {
    let normal = |items: &[At<String>]| -> BTreeSet<String> {
        let names: BTreeSet<String> = items
            .iter()
            .map(|at| at.value.trim().to_uppercase())
            .map(|name| match name.as_str() {
                "ALL" | "RESET" => name,
                _ if name.starts_with("CAP_") => name,
                _ => format!("CAP_{name}"),
            })
            .collect();
        if names.contains("ALL") { BTreeSet::from(["ALL".to_owned()]) } else { names }
    };
    let (add, drop) = (normal(add), normal(drop));
    let kept = |name: &&String| name.as_str() != "RESET";
    let dropped = drop.iter().filter(|name| !add.contains(*name)).filter(kept).cloned().collect();
    (add.iter().filter(kept).cloned().collect(), dropped)
}

fn ulimits(service: &Service) -> Vec<Value> {
    service
        .ulimits
        .iter()
        .map(|(name, at)| json!({ "Name": name, "Hard": at.value.hard, "Soft": at.value.soft }))
        .collect()
}
