//! What docker sends and the engine refuses: when a service or network is created, or when a node makes a container.
//!
//! Judged after the merge, as only then it is known what is sent. The rules of single values that a reader knows of,
//! such as words and negative lengths of time, are judged where they are read.

mod container;
mod template;

use std::collections::BTreeMap;

use super::model::{Deploy, File, Port, Service};
use super::place::{At, Log};
use super::published::protocol;
use super::rules::Rule;
use super::units;

/// The smallest share of a processor, in billionths.
const LEAST_CPUS: i64 = 1_000_000;

/// The least memory of a service, and the least memory of a container, in bytes.
const LEAST_MEMORY: (i64, i64) = (4 << 20, 6 << 20);

/// The shortest time of a health check, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// Judges the merged file.
pub(super) fn check(file: &File, log: &mut Log) {
    for service in file.services.values() {
        deploy(&service.deploy, log);
        health(service, log);
        container::check(service, log);
        template::check(service, file, log);
    }
    ports(file, log);
    networks(file, log);
}

fn deploy(deploy: &Deploy, log: &mut Log) {
    for resources in [&deploy.limits, &deploy.reservations].into_iter().flatten() {
        let small =
            |at: &&At<String>| units::cpus(&at.value).is_ok_and(|nanos| nanos > 0 && nanos < LEAST_CPUS);
        if let Some(cpus) = resources.cpus.as_ref().filter(small) {
            let message = format!("`cpus: {}` is less than the engine takes", cpus.value);
            log.rule(Rule::CpusSmall, cpus.place, message, "write at least `\"0.001\"`");
        }
        if let Some(memory) = resources.memory.as_ref().filter(|at| at.value > 0 && at.value < LEAST_MEMORY.1)
        {
            let taker = if memory.value < LEAST_MEMORY.0 { "a service" } else { "a container" };
            let message =
                format!("{} bytes of `memory` are less than the engine gives {taker}", memory.value);
            log.rule(Rule::MemorySmall, memory.place, message, "write at least `6M`");
        }
    }
    let memory = |resources: &Option<super::model::Resources>| {
        resources.as_ref().and_then(|resources| resources.memory.as_ref()).filter(|at| at.value > 0).cloned()
    };
    if let (Some(limit), Some(reserved)) = (memory(&deploy.limits), memory(&deploy.reservations))
        && limit.value < reserved.value
    {
        let message = "more memory is reserved than the limit lets the container have";
        log.rule(Rule::MemoryReserved, reserved.place, message, "reserve at most the limit");
    }
    for at in &deploy.constraints {
        if let Err(reason) = constraint(&at.value) {
            let message = format!("the constraint `{}` {reason}", at.value);
            log.rule(Rule::ConstraintInvalid, at.place, message, "write it like `node.role == manager`");
        }
    }
    if let Some(replicas) = deploy.replicas.as_ref().filter(|at| i64::try_from(at.value).is_err()) {
        let message = format!("{} replicas are a negative number to the engine", replicas.value);
        log.rule(Rule::NumberLarge, replicas.place, message, "write a smaller number");
    }
}

/// `KEY == VALUE` or `KEY != VALUE`, in the characters that the engine takes.
fn constraint(text: &str) -> Result<(), &'static str> {
    let pair = text.split_once("==").or_else(|| text.split_once("!="));
    let (key, value) = pair.ok_or("has neither `==` nor `!=`")?;
    let (key, value) = (key.trim(), value.trim());
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.len() < 2 || !key.starts_with(first) || !key.chars().all(inner) {
        return Err("has a key that the engine does not take");
    }
    let fine =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || r":-_.*()?+[]\^$|/".contains(c);
    if value.is_empty() || !value.chars().all(fine) {
        return Err("has a value that the engine does not take");
    }
    Ok(())
}

fn health(service: &Service, log: &mut Log) {
    let Some(health) = service.healthcheck.as_ref().filter(|health| !super::model::is_true(&health.disable))
    else {
        return;
    };
    let times = [
        ("interval", &health.interval),
        ("timeout", &health.timeout),
        ("start_period", &health.start_period),
        ("start_interval", &health.start_interval),
    ];
    for (key, time) in times {
        if let Some(at) = time.as_ref().filter(|at| at.value > 0 && at.value < SHORTEST) {
            let message = format!("`{key}` of a health check is shorter than a millisecond");
            log.rule(
                Rule::DurationShort,
                at.place,
                message,
                "write at least `1ms`, or `0s` for the engine's own",
            );
        }
    }
    if let Some(retries) = health.retries.as_ref().filter(|at| i32::try_from(at.value).is_err()) {
        let message = format!("{} retries are more than the engine can count", retries.value);
        log.rule(Rule::NumberLarge, retries.place, message, "write a smaller number");
    }
    if let Some(test) = &health.test
        && let Some(first) = test.value.first().filter(|word| !word.is_empty())
        && !matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE")
    {
        let message = format!("the health check begins with `{first}`, so that the engine never runs it");
        let fix = "put `CMD` before the words, or write the command as one text";
        log.rule(Rule::HealthcheckTest, test.place, message, fix);
    }
}

/// True for a port that every node opens.
fn ingress(port: &Port) -> bool {
    port.mode.as_deref().is_none_or(|mode| matches!(mode, "ingress" | ""))
}

/// One port twice in a service, or one that a service opens on every node in another one; and ingress ports of a
/// service without a virtual address.
fn ports(file: &File, log: &mut Log) {
    let mut taken: BTreeMap<(u32, &str), Vec<(&str, bool)>> = BTreeMap::new();
    for (key, service) in &file.services {
        let mode = service.deploy.endpoint_mode.as_ref().filter(|at| at.value == "dnsrr");
        if let Some((mode, port)) = mode.zip(service.ports.iter().find(|at| ingress(&at.value))) {
            let port = port.value.published.max(port.value.target);
            let message = format!("port {port} opens on every node, which takes `endpoint_mode: vip`");
            let fix = "publish it with `mode: host`, or remove `endpoint_mode`";
            log.rule(Rule::IngressDnsrr, mode.place, message, fix);
        }
        for at in service.ports.iter().filter(|at| at.value.published > 0) {
            let (port, mine) = (&at.value, ingress(&at.value));
            let others = taken.entry((port.published, protocol(port))).or_default();
            let clash = others.iter().find(|(other, theirs)| *other == key || mine || *theirs);
            if let Some((other, _)) = clash {
                let message =
                    format!("port {}/{} is published by `{other}` already", port.published, protocol(port));
                let fix = match (*other == key, mine) {
                    (true, _) => "remove one of the two: the engine takes a port once in a service",
                    (false, true) => "publish another port, or use `mode: host` on other nodes",
                    (false, false) => "publish another port: an ingress port is open on every node",
                };
                log.rule(Rule::PortClash, at.place, message, fix);
            }
            others.push((key, mine));
        }
    }
}

fn networks(file: &File, log: &mut Log) {
    for (key, at) in &file.networks {
        let network = &at.value;
        let name = network.name.as_ref().map_or(key.as_str(), |name| name.value.as_str());
        let own = matches!(name, "ingress" | "none" | "default") || name.starts_with("container:");
        if own && super::model::is_true(&network.external) {
            let message = format!("the engine has no network `{name}` that services can join");
            let fix = "use a network of the stack, or one that was made for it";
            log.rule(Rule::NetworkIngress, at.place, message, fix);
        }
        if let Some(label) = network.labels.get("com.docker.swarm.predefined") {
            let message = "the label `com.docker.swarm.predefined` is the engine's own";
            log.rule(Rule::LabelPredefined, label.place, message, "remove it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::constraint;

    #[test]
    fn constraints_are_read_as_the_engine_does() {
        for text in [
            "node.role==manager",
            " node.labels.a != b c ",
            "node.ip == 198.51.100.0/24",
            "node.labels.a==[b]*",
        ] {
            assert_eq!(constraint(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "node.role",
            "node.role=manager",
            "==a",
            "n==a",
            "1a==b",
            "a b==c",
            "ab==",
            "ab==c=d",
            "ab==ü",
        ] {
            assert!(constraint(text).is_err(), "{text}");
        }
    }
}
