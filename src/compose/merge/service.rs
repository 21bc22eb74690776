//! One service that stands in two files.

use super::super::model::{Attachment, Deploy, Health, Logging, Port, Resources, Restart, Service, Update};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::field::{block, keyed, over, replace, texts};

/// Merges `later` into `base`.
pub(super) fn merge(base: &mut Service, later: Service, log: &mut Log) {
    base.broken |= later.broken;
    over(&mut base.image, later.image, "image", log);
    replace(&mut base.platform, later.platform);
    base.groups.extend(later.groups);
    over(&mut base.hostname, later.hostname, "hostname", log);
    over(&mut base.user, later.user, "user", log);
    over(&mut base.working_dir, later.working_dir, "working_dir", log);
    over(&mut base.isolation, later.isolation, "isolation", log);
    over(&mut base.stop_signal, later.stop_signal, "stop_signal", log);
    over(&mut base.stop_grace_period, later.stop_grace_period, "stop_grace_period", log);
    over(&mut base.init, later.init, "init", log);
    over(&mut base.read_only, later.read_only, "read_only", log);
    over(&mut base.tty, later.tty, "tty", log);
    over(&mut base.stdin_open, later.stdin_open, "stdin_open", log);
    over(&mut base.command, later.command, "command", log);
    over(&mut base.entrypoint, later.entrypoint, "entrypoint", log);
    base.cap_add.extend(later.cap_add);
    base.cap_drop.extend(later.cap_drop);
    base.dns.extend(later.dns);
    base.dns_search.extend(later.dns_search);
    base.dns_options.extend(later.dns_options);
    base.extra_hosts.extend(later.extra_hosts);
    base.depends_on.extend(later.depends_on);
    // A name without a value overrides none but an empty one, which docker's merge takes for nothing.
    base.environment.retain(|key, before| !(before.value.is_empty() && later.bare.contains_key(key)));
    let known = |key: &String| base.environment.contains_key(key) || later.environment.contains_key(key);
    base.bare.extend(later.bare);
    base.bare.retain(|key, _| !known(key));
    texts(&mut base.environment, later.environment, "environment", true, log);
    over(&mut base.restart, later.restart, "restart", log);
    texts(&mut base.labels, later.labels, "labels", false, log);
    texts(&mut base.sysctls, later.sysctls, "sysctls", false, log);
    block(&mut base.logging, later.logging, |base, later| logging(base, later, log));
    for (key, at) in later.networks {
        match base.networks.get_mut(&key) {
            Some(before) => attachment(before, at, &key, log),
            None => {
                base.networks.insert(key, at);
            }
        }
    }
    refuse_other_protocol(&base.ports, &later.ports, log);
    keyed(&mut base.ports, later.ports, |port| port.published, "ports with one published number", log);
    keyed(&mut base.volumes, later.volumes, |mount| mount.target.clone(), "mounts at one target", log);
    keyed(&mut base.secrets, later.secrets, |file| file.source.clone(), "two mounts of one secret", log);
    keyed(&mut base.configs, later.configs, |file| file.source.clone(), "two mounts of one config", log);
    base.ulimits.extend(later.ulimits);
    block(&mut base.healthcheck, later.healthcheck, |base, later| health(base, later, log));
    block(&mut base.credential_spec, later.credential_spec, |base, later| {
        over(&mut base.value.file, later.value.file, "file", log);
        over(&mut base.value.registry, later.value.registry, "registry", log);
    });
    deploy(&mut base.deploy, later.deploy, log);
}

/// One driver (or none named): options merge. Another driver: everything is replaced.
fn logging(base: &mut At<Logging>, later: At<Logging>, log: &mut Log) {
    let name = |logging: &Logging| logging.driver.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let (before, after) = (name(&base.value), name(&later.value));
    if before != after && !before.is_empty() && !after.is_empty() {
        *base = later;
        return;
    }
    if before.is_empty() {
        base.value.driver = later.value.driver;
    }
    match (base.value.options.as_mut(), later.value.options) {
        (Some(options), Some(more)) => options.extend(more),
        (None, Some(more)) if !more.is_empty() => {
            let message = "docker drops these log options: the earlier file names the driver and no options";
            log.rule(
                Rule::MergeLoggingOptions,
                later.place,
                message,
                "write `options` into the earlier file too, or the driver only here",
            );
        }
        _ => {}
    }
}

/// A map, even an empty one, replaces the aliases; `driver_opts` of a later file are dropped.
fn attachment(base: &mut At<Attachment>, later: At<Attachment>, key: &str, log: &mut Log) {
    if !later.value.written {
        return;
    }
    if !base.value.written {
        *base = later;
        return;
    }
    if later.value.aliases.is_empty() && !base.value.aliases.is_empty() {
        let message = format!("this erases the aliases that an earlier file gives on `{key}`");
        log.rule(
            Rule::MergeAliases,
            later.place,
            message,
            "repeat the aliases, or write the name without a map",
        );
    }
    if later.value.driver_opts.is_some() && later.value.driver_opts != base.value.driver_opts {
        let message = format!("docker drops `driver_opts` of `{key}` in a later file");
        log.rule(
            Rule::MergeDriverOpts,
            later.place,
            message,
            "write them into the first file that names the network",
        );
    }
    base.value.aliases = later.value.aliases;
}

/// A later port with the same number takes the earlier one's place, also when it is of another protocol.
fn refuse_other_protocol(base: &[At<Port>], later: &[At<Port>], log: &mut Log) {
    let protocol =
        |port: &Port| port.protocol.clone().filter(|word| !word.is_empty()).unwrap_or_else(|| "tcp".into());
    for at in later {
        let before = base.iter().find(|before| before.value.published == at.value.published);
        let Some(before) = before else { continue };
        let unpublished = at.value.published == 0 && before.value.target != at.value.target;
        if unpublished || protocol(&before.value) != protocol(&at.value) {
            let message =
                format!("docker drops the port {} of an earlier file for this one", describe(&before.value));
            log.rule(
                Rule::MergePortLost,
                at.place,
                message,
                "write both ports in one file that is not merged, or other numbers",
            );
        }
    }
}

fn describe(port: &Port) -> String {
    format!("{}:{}/{}", port.published, port.target, port.protocol.as_deref().unwrap_or("tcp"))
}

fn health(base: &mut Health, later: Health, log: &mut Log) {
    let both = base.test.as_ref().is_some_and(|at| !at.value.is_empty());
    match later.test {
        Some(test) if both && !test.value.is_empty() => {
            let message = "docker appends this `test` to the earlier file's, which makes a broken check";
            log.rule(Rule::MergeHealthcheckTest, test.place, message, "write `test` in one file only");
            if let Some(before) = base.test.as_mut() {
                before.value.extend(test.value);
            }
        }
        test => replace(&mut base.test, test.filter(|test| !test.value.is_empty())),
    }
    over(&mut base.interval, later.interval, "interval", log);
    over(&mut base.timeout, later.timeout, "timeout", log);
    over(&mut base.start_period, later.start_period, "start_period", log);
    over(&mut base.start_interval, later.start_interval, "start_interval", log);
    replace(&mut base.retries, later.retries);
    over(&mut base.disable, later.disable, "disable", log);
}

fn deploy(base: &mut Deploy, later: Deploy, log: &mut Log) {
    over(&mut base.mode, later.mode, "mode", log);
    over(&mut base.endpoint_mode, later.endpoint_mode, "endpoint_mode", log);
    replace(&mut base.replicas, later.replicas);
    texts(&mut base.labels, later.labels, "labels", false, log);
    block(&mut base.update_config, later.update_config, |base, later| update(base, later, log));
    block(&mut base.rollback_config, later.rollback_config, |base, later| update(base, later, log));
    block(&mut base.limits, later.limits, |base, later| resources(base, later, log));
    block(&mut base.reservations, later.reservations, |base, later| resources(base, later, log));
    block(&mut base.restart_policy, later.restart_policy, |base, later| restart(base, later, log));
    base.constraints.extend(later.constraints);
    base.preferences.extend(later.preferences);
    over(&mut base.max_replicas, later.max_replicas, "max_replicas_per_node", log);
}

fn update(base: &mut Update, later: Update, log: &mut Log) {
    replace(&mut base.parallelism, later.parallelism);
    over(&mut base.delay, later.delay, "delay", log);
    over(&mut base.failure_action, later.failure_action, "failure_action", log);
    over(&mut base.monitor, later.monitor, "monitor", log);
    over(&mut base.max_failure_ratio, later.max_failure_ratio, "max_failure_ratio", log);
    over(&mut base.order, later.order, "order", log);
}

fn resources(base: &mut Resources, later: Resources, log: &mut Log) {
    over(&mut base.cpus, later.cpus, "cpus", log);
    over(&mut base.memory, later.memory, "memory", log);
    over(&mut base.pids, later.pids, "pids", log);
    base.generic.extend(later.generic);
}

fn restart(base: &mut Restart, later: Restart, log: &mut Log) {
    over(&mut base.condition, later.condition, "condition", log);
    over(&mut base.delay, later.delay, "delay", log);
    replace(&mut base.max_attempts, later.max_attempts);
    over(&mut base.window, later.window, "window", log);
}
