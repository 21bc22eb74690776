//! The service spec around the container: mode, endpoint, placement, resources, update policy.

use serde_json::{Map, Number, Value, json};

use crate::desired::ServiceSpec;

use super::super::fields;
use super::super::model::{Deploy, Port, Resources, Restart, Service, Update};
use super::super::place::{At, Log, Place};
use super::super::ports::word;
use super::super::rules::Rule;
use super::super::units;
use super::image::Image;
use super::{Scope, container, network, object, object_of, order, put, put_text, strings, words};

/// One service, in full.
pub(super) fn convert(
    scope: &Scope<'_>,
    key: &str,
    service: &Service,
    image: Image,
    log: &mut Log,
) -> ServiceSpec {
    let deploy = &service.deploy;
    let mut labels = scope.labels(&deploy.labels);
    labels.insert("com.docker.stack.image".to_owned(), image.written.clone());
    let mut task = Map::new();
    task.insert("ContainerSpec".to_owned(), container::convert(scope, service, &image, log));
    task.insert("Resources".to_owned(), resources(deploy, log));
    task.insert("Placement".to_owned(), placement(service, image.platforms.clone(), log));
    task.insert("ForceUpdate".to_owned(), json!(0));
    put(&mut task, "Networks", network::attachments(scope, key, service, log));
    if let Some(restart) = &deploy.restart_policy {
        task.insert("RestartPolicy".to_owned(), restart_policy(restart));
    } else if let Some(policy) = old_restart(service, log) {
        task.insert("RestartPolicy".to_owned(), policy);
    }
    if let Some(logging) = &service.logging {
        let mut driver = Map::new();
        put_text(&mut driver, "Name", logging.value.driver.as_ref());
        if let Some(options) = &logging.value.options {
            put(&mut driver, "Options", object_of(strings(options)));
        }
        task.insert("LogDriver".to_owned(), Value::Object(driver));
    }
    let name = scope.full(key);
    let mut body = Map::new();
    body.insert("Name".to_owned(), json!(name));
    body.insert("Labels".to_owned(), json!(labels));
    body.insert("TaskTemplate".to_owned(), Value::Object(task));
    body.insert("Mode".to_owned(), mode(service, log));
    body.insert("EndpointSpec".to_owned(), endpoint(service));
    for (field, update) in
        [("UpdateConfig", &deploy.update_config), ("RollbackConfig", &deploy.rollback_config)]
    {
        if let Some(update) = update {
            body.insert(field.to_owned(), update_config(update));
        }
    }
    ServiceSpec {
        name,
        body: Value::Object(body),
        secrets: object::secret_refs(scope, service, log),
        configs: object::config_refs(scope, service, log),
        image: image.name,
        depends_on: order::dependencies(scope.file, service, log),
    }
}

fn mode(service: &Service, log: &mut Log) -> Value {
    const MODES: [&str; 4] = ["replicated", "global", "replicated-job", "global-job"];
    let deploy = &service.deploy;
    // Not before all files are merged: a later one may put another word in its place.
    word(Rule::ModeUnknown, deploy.mode.as_ref(), "mode", &MODES, log);
    let mode = deploy.mode.as_ref().map(|at| at.value.as_str()).unwrap_or_default();
    let replicas = deploy.replicas.as_ref();
    if let (Some(replicas), "global" | "global-job") = (replicas, mode) {
        let message = format!("`replicas` means nothing in mode `{mode}`: one task runs on every node");
        log.rule(Rule::ReplicasOfGlobal, replicas.place, message, "remove `replicas`");
    }
    if let (Some(update), Some(job)) =
        (&deploy.update_config, deploy.mode.as_ref().filter(|at| at.value.ends_with("-job")))
    {
        let message = "the engine takes no `update_config` of a job: it runs once, and anew when it changes";
        let place = update_place(update).unwrap_or(job.place);
        log.rule(Rule::JobUpdate, place, message, "remove `update_config`");
    }
    let mut map = Map::new();
    let count = replicas.map(|at| at.value);
    match mode {
        "global" => json!({ "Global": {} }),
        "global-job" => json!({ "GlobalJob": {} }),
        "replicated-job" => {
            if let Some(count) = count {
                map.insert("MaxConcurrent".to_owned(), json!(count));
                map.insert("TotalCompletions".to_owned(), json!(count));
            }
            json!({ "ReplicatedJob": map })
        }
        _ => {
            if let Some(count) = count {
                map.insert("Replicas".to_owned(), json!(count));
            }
            json!({ "Replicated": map })
        }
    }
}

/// Where the first field of an update policy stands; an empty one has none.
fn update_place(update: &Update) -> Option<Place> {
    let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.place);
    let nanos = |at: &Option<At<i64>>| at.as_ref().map(|at| at.place);
    let count = update.parallelism.as_ref().map(|at| at.place);
    let ratio = update.max_failure_ratio.as_ref().map(|at| at.place);
    let texts = [text(&update.failure_action), text(&update.order)];
    let places = [count, ratio, nanos(&update.delay), nanos(&update.monitor)];
    places.into_iter().chain(texts).flatten().min_by_key(|place| (place.file, place.span.start))
}

fn endpoint(service: &Service) -> Value {
    let mut ports: Vec<&Port> = service.ports.iter().map(|at| &at.value).collect();
    ports.sort_by_key(|port| port.published);
    let ports: Vec<Value> = ports
        .into_iter()
        .map(|port| {
            let mut map = Map::new();
            put(&mut map, "Name", port.name.clone().unwrap_or_default());
            put(&mut map, "Protocol", port.protocol.clone().unwrap_or_default());
            put(&mut map, "TargetPort", port.target);
            put(&mut map, "PublishedPort", port.published);
            put(&mut map, "PublishMode", port.mode.clone().unwrap_or_default());
            Value::Object(map)
        })
        .collect();
    let mut map = Map::new();
    put_text(&mut map, "Mode", service.deploy.endpoint_mode.as_ref());
    put(&mut map, "Ports", ports);
    Value::Object(map)
}

fn resources(deploy: &Deploy, log: &mut Log) -> Value {
    let mut out = Map::new();
    for (field, resources) in [("Limits", &deploy.limits), ("Reservations", &deploy.reservations)] {
        if let Some(resources) = resources {
            out.insert(field.to_owned(), resource(resources, log));
        }
    }
    Value::Object(out)
}

fn resource(resources: &Resources, log: &mut Log) -> Value {
    let mut map = Map::new();
    let number = |at: &Option<At<i64>>| at.as_ref().map(|at| at.value).unwrap_or_default();
    let cpus = resources.cpus.as_ref().filter(|cpus| !cpus.value.is_empty());
    put(
        &mut map,
        "NanoCPUs",
        number(&cpus.and_then(|cpus| fields::converted(cpus, "cpus", log, units::cpus))),
    );
    put(&mut map, "MemoryBytes", number(&resources.memory));
    put(&mut map, "Pids", number(&resources.pids));
    let generic: Vec<Value> = resources
        .generic
        .iter()
        .map(|at| {
            let mut spec = Map::new();
            put(&mut spec, "Kind", at.value.kind.clone());
            put(&mut spec, "Value", at.value.value);
            json!({ "DiscreteResourceSpec": spec })
        })
        .collect();
    put(&mut map, "GenericResources", generic);
    Value::Object(map)
}

fn placement(service: &Service, mut platforms: Vec<Value>, log: &mut Log) -> Value {
    let deploy = &service.deploy;
    let mut map = Map::new();
    put(&mut map, "Constraints", words(&deploy.constraints));
    let preferences: Vec<Value> =
        deploy.preferences.iter().map(|at| json!({ "Spread": { "SpreadDescriptor": at.value } })).collect();
    put(&mut map, "Preferences", preferences);
    put(&mut map, "MaxReplicas", deploy.max_replicas.as_ref().map(|at| at.value).unwrap_or_default());
    if let Some(At { value: platform, place }) = &service.platform {
        let wanted = json!({ "Architecture": platform.architecture, "OS": platform.os });
        if !platforms.is_empty() && !platforms.contains(&wanted) {
            let message = format!("the image has no `{}/{}`", platform.os, platform.architecture);
            let fix = "name a platform of the image, or remove the line";
            log.rule(Rule::NewerSpelling, *place, message, fix);
        }
        platforms = vec![wanted];
    }
    put(&mut map, "Platforms", platforms);
    Value::Object(map)
}

/// A pointer of Go's: there even when zero.
fn put_some<T: Into<Value> + Copy>(map: &mut Map<String, Value>, key: &str, at: Option<&At<T>>) {
    if let Some(at) = at {
        map.insert(key.to_owned(), at.value.into());
    }
}

fn restart_policy(restart: &Restart) -> Value {
    let mut map = Map::new();
    put_text(&mut map, "Condition", restart.condition.as_ref());
    put_some(&mut map, "Delay", restart.delay.as_ref());
    put_some(&mut map, "MaxAttempts", restart.max_attempts.as_ref());
    put_some(&mut map, "Window", restart.window.as_ref());
    Value::Object(map)
}

/// What docker makes of `restart`, of which it says that it ignores it.
fn old_restart(service: &Service, log: &mut Log) -> Option<Value> {
    let at = service.restart.as_ref()?;
    let (word, count) = at.value.split_once(':').unwrap_or((at.value.as_str(), ""));
    // A sign is read and then lost, as the count is unsigned.
    let count = if count.is_empty() { Some(0) } else { count.parse::<i64>().ok().map(i64::cast_unsigned) };
    match (word, count) {
        ("no", Some(_)) => return None,
        ("", Some(0)) if !at.value.starts_with(':') => return None,
        ("always" | "unless-stopped", Some(_)) => return Some(json!({ "Condition": "any" })),
        ("on-failure", Some(count)) => {
            return Some(json!({ "Condition": "on-failure", "MaxAttempts": count }));
        }
        _ => {}
    }
    let message = format!("`restart: {}` is no restart policy", at.value);
    let fix = "write `deploy.restart_policy` with a `condition`";
    log.rule(Rule::RestartInvalid, at.place, message, fix);
    None
}

fn update_config(update: &Update) -> Value {
    let mut map = Map::new();
    let nanos = |at: &Option<At<i64>>| at.as_ref().map(|at| at.value).unwrap_or_default();
    map.insert("Parallelism".to_owned(), json!(update.parallelism.as_ref().map_or(1, |at| at.value)));
    put(&mut map, "Delay", nanos(&update.delay));
    put_text(&mut map, "FailureAction", update.failure_action.as_ref());
    put(&mut map, "Monitor", nanos(&update.monitor));
    let ratio = update.max_failure_ratio.as_ref().map(|at| at.value).unwrap_or_default();
    map.insert("MaxFailureRatio".to_owned(), go_float32(ratio));
    let order = update.order.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    map.insert("Order".to_owned(), json!(order));
    Value::Object(map)
}

/// A 32-bit float in its shortest digits, as Go encodes it: 0.1, not 0.10000000149.
fn go_float32(value: f32) -> Value {
    let short = value.to_string();
    if let Ok(whole) = short.parse::<u64>() {
        return json!(whole);
    }
    short.parse::<f64>().ok().and_then(Number::from_f64).map_or(json!(0), Value::Number)
}
