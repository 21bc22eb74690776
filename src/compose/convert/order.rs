//! The order in which services come up: `depends_on`.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Condition, Dependency};

use super::super::model::{Depends, File, Service, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::super::service::first_place;
use super::undefined;

/// What `service` waits for, each service once. A later file's condition takes the place of an earlier one's.
pub(super) fn dependencies(file: &File, service: &Service, log: &mut Log) -> Vec<Dependency> {
    let mut out = BTreeMap::new();
    for at in &service.depends_on {
        let name = &at.value.service;
        match file.services.get(name) {
            Some(other) => {
                check_condition(at, other, log);
                out.insert(name.clone(), at.value.condition);
            }
            None if at.value.required => {
                undefined("service", &At::new(name.clone(), at.place), &file.services, log);
            }
            None => {
                let message = format!("no file has the service `{name}`, which is not required");
                log.rule(
                    Rule::Unused,
                    at.place,
                    message,
                    "remove it, or name the file that has the service in `compose`",
                );
            }
        }
    }
    out.into_iter().map(|(service, condition)| Dependency { service, condition }).collect()
}

/// A condition that could never come true.
fn check_condition(at: &At<Depends>, other: &Service, log: &mut Log) {
    let name = &at.value.service;
    match at.value.condition {
        Condition::Started => {}
        Condition::Healthy => {
            let off = |word: &String| word == "NONE";
            let disabled = other.healthcheck.as_ref().is_some_and(|health| {
                let first = health.test.as_ref().and_then(|test| test.value.first());
                is_true(&health.disable) || first.is_some_and(off)
            });
            if disabled {
                let message = format!("`{name}` can never be healthy: its health check is disabled");
                log.rule(
                    Rule::DependsOnCondition,
                    at.place,
                    message,
                    format!("give `{name}` a `healthcheck`, or write `service_started`"),
                );
            }
        }
        Condition::Completed => {
            let deploy = &other.deploy;
            let job = deploy.mode.as_ref().is_some_and(|mode| mode.value.ends_with("-job"));
            let policy = deploy.restart_policy.as_ref().and_then(|restart| restart.condition.as_ref());
            let ends = policy.is_some_and(|at| matches!(at.value.as_str(), "none" | "on-failure"));
            if !job && !ends {
                let message = format!("`{name}` can never complete: a swarm starts it again when it ends");
                let fix = format!("write `deploy: {{mode: replicated-job}}` into `{name}`");
                log.rule(Rule::DependsOnCondition, at.place, message, fix);
            }
        }
    }
}

/// `depends_on` must not run in a circle.
pub(super) fn check(file: &File, log: &mut Log) {
    // Peel off services whose dependencies are done, then those that none of the rest waits for: what is left
    // runs in a circle.
    let mut rest: BTreeSet<&str> = file.services.keys().map(String::as_str).collect();
    let waits = |key: &str, rest: &BTreeSet<&str>| {
        let service = file.services.get(key);
        service.is_some_and(|service| {
            service.depends_on.iter().any(|at| rest.contains(at.value.service.as_str()))
        })
    };
    let awaited = |key: &str, rest: &BTreeSet<&str>| {
        let mut services = rest.iter().filter_map(|other| file.services.get(*other));
        services.any(|service| service.depends_on.iter().any(|at| at.value.service == key))
    };
    peel(&mut rest, &waits);
    peel(&mut rest, &awaited);
    if let Some((first, service)) = rest.first().and_then(|key| file.services.get_key_value(*key)) {
        let place = first_place(&service.depends_on, service.place);
        let names: Vec<&str> = rest.iter().copied().collect();
        let message = format!("`depends_on` runs in a circle: {} wait for each other", names.join(", "));
        log.rule(Rule::DependsOnCircle, place, message, format!("let `{first}` depend on none of them"));
    }
}

/// Takes out every name that `held` does not hold back, until nothing moves.
fn peel<'n>(rest: &mut BTreeSet<&'n str>, held: &dyn Fn(&str, &BTreeSet<&'n str>) -> bool) {
    loop {
        let free: Vec<&str> = rest.iter().copied().filter(|name| !held(name, rest)).collect();
        if free.is_empty() {
            return;
        }
        rest.retain(|name| !free.contains(name));
    }
}
