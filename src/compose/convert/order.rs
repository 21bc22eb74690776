//! The order in which services come up: `depends_on`.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Condition, Dependency, StackSpec};

use super::super::model::{Depends, File, Service, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::super::service::first_place;
use super::undefined;

/// What `service` waits for, each service once. A later file's condition takes the place of an earlier one's.
pub(super) fn dependencies(file: &File, service: &Service, log: &mut Log) -> Vec<Dependency> {
    let mut out = BTreeMap::new();
    // Docker looks at none of them.
    if log.exact() {
        return Vec::new();
    }
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

/// What each service waits for, or what waits for it.
type Edges<'f> = BTreeMap<&'f str, BTreeSet<&'f str>>;

/// `depends_on` must not run in a circle. In compat mode, as docker has no order at all, those in the circle lose theirs.
pub(super) fn check(file: &File, out: &mut StackSpec, log: &mut Log) {
    let mut waits = Edges::new();
    let mut awaited = Edges::new();
    for (key, service) in &file.services {
        for at in &service.depends_on {
            if let Some((name, _)) = file.services.get_key_value(&at.value.service) {
                waits.entry(key).or_default().insert(name);
                awaited.entry(name).or_default().insert(key);
            }
        }
    }
    // Peel off services whose dependencies are done, then those that none of the rest waits for: what is left
    // runs in a circle.
    let mut rest: BTreeSet<&str> = file.services.keys().map(String::as_str).collect();
    peel(&mut rest, &waits, &awaited);
    peel(&mut rest, &awaited, &waits);
    if let Some((first, service)) = rest.first().and_then(|key| file.services.get_key_value(*key)) {
        let place = first_place(&service.depends_on, service.place);
        let names: Vec<&str> = rest.iter().copied().collect();
        let message = format!("`depends_on` runs in a circle: {} wait for each other", names.join(", "));
        log.rule(Rule::DependsOnCircle, place, message, format!("let `{first}` depend on none of them"));
        for (key, service) in &mut out.services {
            if rest.contains(key.as_str()) {
                service.depends_on.retain(|other| !rest.contains(other.service.as_str()));
            }
        }
    }
}

/// The keys of all services, each behind those that it waits for; where they wait in a circle, in any order.
pub(super) fn starts<'f>(file: &'f File, log: &Log) -> Vec<&'f String> {
    let mut left: BTreeMap<&String, usize> = file.services.keys().map(|key| (key, 0)).collect();
    let mut awaited: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    // Docker looks at none of them.
    for (key, service) in file.services.iter().filter(|_| !log.exact()) {
        let others: BTreeSet<&str> = service.depends_on.iter().map(|at| at.value.service.as_str()).collect();
        for other in others.into_iter().filter(|other| file.services.contains_key(*other)) {
            awaited.entry(other).or_default().insert(key);
            *left.entry(key).or_default() += 1;
        }
    }
    let mut out: Vec<&String> = left.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    let mut at = 0;
    while let Some(key) = out.get(at) {
        for other in awaited.get(key.as_str()).into_iter().flatten() {
            let count = left.entry(other).or_default();
            *count -= 1;
            if *count == 0 {
                out.push(other);
            }
        }
        at += 1;
    }
    out.extend(left.into_iter().filter(|(_, count)| *count > 0).map(|(key, _)| key));
    out
}

/// Takes out every service that none of the rest holds back, each with the work of its own edges.
fn peel<'f>(rest: &mut BTreeSet<&'f str>, holds: &Edges<'f>, held: &Edges<'f>) {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for key in &*rest {
        let holding = holds.get(key).map_or(0, |others| others.intersection(rest).count());
        left.insert(key, holding);
    }
    let mut free: Vec<&str> = left.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    while let Some(key) = free.pop() {
        rest.remove(key);
        for other in held.get(key).into_iter().flatten() {
            if let Some(count) = left.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    free.push(other);
                }
            }
        }
    }
}
