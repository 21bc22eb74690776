//! One service of one file.

use std::collections::BTreeMap;
use std::path::Path;

use super::fields::{self, Fields};
use super::interpolate::Environment;
use super::mapping;
use super::model::{Attachment, CredentialSpec, EnvFile, FileRef, Health, Logging, Service, Texts, Ulimit};
use super::place::{At, Log, Place};
use super::rules::Rule;
use super::tree::{Field, Kind, Tree};
use super::{depends, deploy, modern, mounts, ports, shell};

/// The variables of a file, in its order.
pub(super) type Variables = Vec<(String, At<String>)>;

/// What reading a service needs beside its text.
pub(super) struct Surroundings<'a> {
    /// Where relative paths start.
    pub(super) folder: &'a Path,
    /// The stack's variables.
    pub(super) env: &'a Environment,
    /// Reads an `env_file`: its variables, in order.
    pub(super) env_file: &'a dyn Fn(&At<EnvFile>, &mut Log) -> Variables,
}

/// Reads a service.
pub(super) fn read(field: &Field, around: &Surroundings<'_>, log: &mut Log) -> Service {
    let mut out = Service { place: field.key_place, ..Service::default() };
    let Some(mut fields) = Fields::open(&field.value, "service", log) else {
        out.broken = true;
        return out;
    };
    texts(&mut out, &mut fields, log);
    process(&mut out, &mut fields, log);
    network(&mut out, &mut fields, log);
    (out.environment, out.bare) = environment(&mut fields, around, log);
    out.labels = fields.value("labels").map(|tree| mapping::labels(tree, "labels", log)).unwrap_or_default();
    out.sysctls =
        fields.value("sysctls").map(|tree| mapping::texts(tree, "sysctls", log)).unwrap_or_default();
    out.logging = fields.value("logging").and_then(|tree| logging(tree, log));
    out.ports = fields.value("ports").map(|tree| ports::read(tree, log)).unwrap_or_default();
    out.volumes = fields.value("volumes").map(|tree| mounts::read(tree, around, log)).unwrap_or_default();
    out.secrets = references(&mut fields, "secrets", log);
    out.configs = references(&mut fields, "configs", log);
    out.healthcheck = fields.value("healthcheck").and_then(|tree| health(tree, log));
    out.credential_spec = fields.value("credential_spec").and_then(|tree| credential_spec(tree, log));
    out.depends_on = fields.value("depends_on").map(|tree| depends::read(tree, log)).unwrap_or_default();
    if let Some(tree) = fields.value("deploy").filter(|tree| tree.kind != Kind::Null) {
        out.deploy = deploy::read(tree, log);
    }
    fields.finish(log);
    out
}

fn texts(out: &mut Service, fields: &mut Fields<'_>, log: &mut Log) {
    out.image = fields.text("image", log);
    out.broken = out.image.is_none() && fields.value("image").is_some();
    out.platform = fields
        .modern("platform", log)
        .and_then(|tree| fields::text(tree, "platform", log))
        .and_then(|at| modern::platform(&at, log));
    // Strict mode says of it what it says of every key that nobody reads.
    if !log.translates()
        && let Some(field) = fields.take("restart")
    {
        out.restart = fields.text("restart", log);
        let message = "`restart` is reported as ignored by docker stack and used all the same";
        let fix = "write `deploy.restart_policy` with a `condition`";
        log.rule(Rule::RestartUsed, field.key_place, message, fix);
    }
    out.hostname = fields.text("hostname", log);
    out.user = fields.text("user", log);
    out.working_dir = fields.text("working_dir", log);
    out.isolation = fields.text("isolation", log);
    out.stop_signal = fields.text("stop_signal", log);
    out.stop_grace_period = fields.duration("stop_grace_period", log);
}

fn process(out: &mut Service, fields: &mut Fields<'_>, log: &mut Log) {
    out.init = fields.value("init").and_then(|tree| fields::plain_flag(tree, "init", log));
    out.read_only = fields.flag("read_only", log);
    out.tty = fields.flag("tty", log);
    out.stdin_open = fields.flag("stdin_open", log);
    out.command = command(fields, "command", log);
    out.entrypoint = command(fields, "entrypoint", log);
    out.cap_add = fields.texts("cap_add", log);
    out.cap_drop = fields.texts("cap_drop", log);
    out.groups = fields.modern("group_add", log).map(|tree| groups(tree, log)).unwrap_or_default();
    out.ulimits = fields.value("ulimits").map(|tree| ulimits(tree, log)).unwrap_or_default();
}

fn network(out: &mut Service, fields: &mut Fields<'_>, log: &mut Log) {
    for (key, list) in [("dns", &mut out.dns), ("dns_search", &mut out.dns_search)] {
        let tree = fields.value(key);
        out.dns_named |= tree.is_some();
        *list = tree.map(|tree| fields::text_or_texts(tree, key, log)).unwrap_or_default();
    }
    out.dns_options =
        fields.modern("dns_opt", log).map(|tree| fields::texts(tree, "dns_opt", log)).unwrap_or_default();
    for address in &out.dns {
        if address.value.parse::<std::net::IpAddr>().is_err() {
            let message = format!("`{}` is not an address; docker would drop it", address.value);
            log.rule(Rule::DnsAddress, address.place, message, "write an address such as `198.51.100.53`");
        }
    }
    out.extra_hosts = fields.value("extra_hosts").map(|tree| extra_hosts(tree, log)).unwrap_or_default();
    out.networks = fields.value("networks").map(|tree| attachments(tree, log)).unwrap_or_default();
}

/// Names or numbers of groups.
fn groups(tree: &Tree, log: &mut Log) -> Vec<At<String>> {
    let items = fields::list(tree, "group_add", log);
    fields::refuse_repeated(items, "group_add", log);
    let group = |item: &Tree| match &item.kind {
        Kind::Int(number) => Some(At::new(number.to_string(), item.place)),
        _ => fields::text(item, "group_add", log),
    };
    items.iter().filter_map(group).collect()
}

/// A command as one text is split as a shell would; a list is taken as it stands.
fn command(fields: &mut Fields<'_>, key: &'static str, log: &mut Log) -> Option<At<Vec<String>>> {
    let tree = fields.value(key)?;
    if matches!(tree.kind, Kind::Text { .. }) {
        return fields.parsed(key, log, shell::split);
    }
    if !matches!(tree.kind, Kind::List(_)) {
        fields::wrong(tree, key, "text or a list", "write one text, or a list of words", log);
        return None;
    }
    let items = fields::list(tree, key, log);
    let words = items.iter().filter_map(|item| fields::text(item, key, log)).map(|at| at.value).collect();
    Some(At::new(words, tree.place))
}

/// `env_file` first, then `environment` over it.
fn environment(
    fields: &mut Fields<'_>,
    around: &Surroundings<'_>,
    log: &mut Log,
) -> (Texts, BTreeMap<String, Place>) {
    let mut out = Texts::new();
    let files = fields.value("env_file").map(|tree| env_files(tree, log)).unwrap_or_default();
    for file in files {
        for (key, mut at) in (around.env_file)(&file, log) {
            if !file.value.raw {
                modern::refuse_dialect(&key, &at, log);
            }
            if let Some(refill) = around.env.get(&key).filter(|_| at.value.is_empty()) {
                mapping::refuse_refill(&key, at.place, log);
                at.value.clone_from(refill);
            }
            out.insert(key, at);
        }
    }
    let Some(tree) = fields.value("environment") else { return (out, BTreeMap::new()) };
    let (values, bare) = mapping::environment(tree, around.env, log);
    out.retain(|key, _| !bare.contains_key(key));
    out.extend(values);
    (out, bare)
}

/// The short form is read as docker stack reads it.
fn env_files(tree: &Tree, log: &mut Log) -> Vec<At<EnvFile>> {
    let plain =
        |path: At<String>| At::new(EnvFile { path: path.value, required: true, raw: true }, path.place);
    let Kind::List(items) = &tree.kind else {
        return fields::text_or_texts(tree, "env_file", log).into_iter().map(plain).collect();
    };
    let map = items.iter().find(|item| matches!(item.kind, Kind::Map(_)));
    if let Some(item) = map.filter(|_| !log.translates()) {
        let fix = "write the path alone: `- FILE`";
        log.rule(
            Rule::EnvFileLong,
            item.place,
            "docker stack does not know the long form of `env_file`",
            fix,
        );
        return Vec::new();
    }
    fields::refuse_repeated(items, "env_file", log);
    let file = |entry: &Tree| match entry.kind {
        Kind::Map(_) => modern::env_file(entry, log),
        _ => fields::text(entry, "env_file", log).map(plain),
    };
    items.iter().filter_map(file).collect()
}

fn logging(tree: &Tree, log: &mut Log) -> Option<At<Logging>> {
    let mut fields = Fields::open(tree, "logging", log)?;
    let driver = fields.text("driver", log);
    let options = fields.value("options").map(|tree| mapping::options(tree, "options", true, log));
    fields.finish(log);
    Some(At::new(Logging { driver, options }, tree.place))
}

/// `HOST:ADDRESS` in the order of the file; a map is sorted.
fn extra_hosts(tree: &Tree, log: &mut Log) -> Vec<At<String>> {
    let mut hosts = Vec::new();
    if let Kind::Map(entries) = &tree.kind {
        for field in entries {
            let address = fields::text(&field.value, &field.key, log);
            hosts.extend(address.map(|at| (field.key.clone(), at.value, at.place)));
        }
    } else {
        for item in fields::texts(tree, "extra_hosts", log) {
            let pair = item.value.split_once('=').or_else(|| item.value.split_once(':'));
            if let Some((host, address)) = pair {
                hosts.push((host.to_owned(), address.to_owned(), item.place));
            } else {
                let message = format!("`{}` has no address; docker would drop it", item.value);
                log.rule(Rule::ExtraHostsAddress, item.place, message, "write `HOST:ADDRESS`");
            }
        }
    }
    let sorted = matches!(tree.kind, Kind::Map(_));
    let mut out: Vec<At<String>> = hosts
        .into_iter()
        .map(|(host, address, place)| {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            At::new(format!("{host}:{}", bare.filter(|bare| !bare.is_empty()).unwrap_or(&address)), place)
        })
        .collect();
    if sorted {
        out.sort_by(|left, right| left.value.cmp(&right.value));
    }
    out
}

/// `networks` of a service: a list of names, or a map.
fn attachments(tree: &Tree, log: &mut Log) -> BTreeMap<String, At<Attachment>> {
    let mut out = BTreeMap::new();
    if matches!(tree.kind, Kind::List(_)) {
        for name in fields::texts(tree, "networks", log) {
            out.insert(name.value, At::new(Attachment::default(), name.place));
        }
        return out;
    }
    for field in fields::map(tree, "networks", log).unwrap_or_default() {
        let mut attachment = Attachment::default();
        if field.value.kind != Kind::Null
            && let Some(mut fields) = Fields::open(&field.value, "service network", log)
        {
            attachment.written = true;
            attachment.aliases = fields.texts("aliases", log);
            attachment.driver_opts =
                fields.value("driver_opts").map(|tree| mapping::options(tree, "driver_opts", false, log));
            fields.finish(log);
        }
        out.insert(field.key.clone(), At::new(attachment, field.key_place));
    }
    out
}

/// `secrets` or `configs` of a service.
fn references(fields: &mut Fields<'_>, key: &'static str, log: &mut Log) -> Vec<At<FileRef>> {
    let Some(tree) = fields.value(key) else { return Vec::new() };
    let mut out = Vec::new();
    for item in fields::list(tree, key, log) {
        let reference = match &item.kind {
            Kind::Text { text, .. } => Some(FileRef { source: text.clone(), ..FileRef::default() }),
            _ => reference(item, key, log),
        };
        out.extend(reference.map(|reference| At::new(reference, item.place)));
    }
    out
}

fn reference(item: &Tree, key: &'static str, log: &mut Log) -> Option<FileRef> {
    let level = if key == "secrets" { "service secret" } else { "service config" };
    let mut fields = Fields::open(item, level, log)?;
    let source = fields.text("source", log);
    let mut word = |key: &'static str, log: &mut Log| {
        fields.text(key, log).map(|at| at.value).filter(|text| !text.is_empty())
    };
    let (target, uid, gid) = (word("target", log), word("uid", log), word("gid", log));
    let mode = fields.count("mode", log).and_then(|mode| {
        if mode.value > 0o7777 {
            let message = format!("`mode` is {:o} in octal, which is no file mode", mode.value);
            let fix = "write an octal number with a leading zero, such as `0440`";
            log.rule(Rule::ReferenceMode, mode.place, message, fix);
        }
        fields::low_bits(mode.value)
    });
    let missing = fields.value("source").is_none();
    fields.finish(log);
    if missing {
        log.rule(
            Rule::NameUndefined,
            item.place,
            format!("the item of `{key}` has no `source`"),
            format!("add `source: NAME`, a key of `{key}`"),
        );
    }
    Some(FileRef { source: source?.value, target, uid, gid, mode })
}

fn ulimits(tree: &Tree, log: &mut Log) -> BTreeMap<String, At<Ulimit>> {
    let mut out = BTreeMap::new();
    for field in fields::map(tree, "ulimits", log).unwrap_or_default() {
        if !field.key.bytes().all(|byte| byte.is_ascii_lowercase()) {
            let fix = "write a name such as `nofile`";
            log.rule(
                Rule::UlimitName,
                field.key_place,
                format!("`{}` is not the name of a limit", field.key),
                fix,
            );
        }
        let number = |tree: &Tree, log: &mut Log| {
            let value = fields::whole(tree, true).and_then(|value| i64::try_from(value).ok());
            if value.is_none() {
                fields::wrong(tree, &field.key, "a whole number", "write the number, without quotes", log);
            }
            value
        };
        let limit = if let Kind::Map(_) = field.value.kind {
            Fields::open(&field.value, "ulimit", log).and_then(|mut fields| {
                let soft = fields.value("soft").and_then(|tree| number(tree, log));
                let hard = fields.value("hard").and_then(|tree| number(tree, log));
                let both = fields.value("soft").is_some() && fields.value("hard").is_some();
                fields.finish(log);
                if !both {
                    log.rule(
                        Rule::ValueType,
                        field.value.place,
                        "a limit takes both `soft` and `hard`",
                        "add the missing one",
                    );
                }
                Some(Ulimit { soft: soft?, hard: hard? })
            })
        } else {
            number(&field.value, log).map(|value| Ulimit { soft: value, hard: value })
        };
        out.extend(limit.map(|limit| (field.key.clone(), At::new(limit, field.value.place))));
    }
    out
}

fn health(tree: &Tree, log: &mut Log) -> Option<Health> {
    let mut fields = Fields::open(tree, "healthcheck", log)?;
    let test = fields.value("test").map(|test| {
        let words = if let Kind::Text { text, .. } = &test.kind {
            vec!["CMD-SHELL".to_owned(), text.clone()]
        } else {
            let items = fields::list(test, "test", log);
            items.iter().filter_map(|item| fields::text(item, "test", log)).map(|at| at.value).collect()
        };
        At::new(words, test.place)
    });
    let health = Health {
        test,
        interval: fields.duration("interval", log),
        timeout: fields.duration("timeout", log),
        start_period: fields.duration("start_period", log),
        start_interval: fields.duration("start_interval", log),
        retries: fields.count("retries", log),
        disable: fields.flag("disable", log),
    };
    fields.finish(log);
    Some(health)
}

fn credential_spec(tree: &Tree, log: &mut Log) -> Option<At<CredentialSpec>> {
    let mut fields = Fields::open(tree, "credential_spec", log)?;
    let spec = CredentialSpec { file: fields.text("file", log), registry: fields.text("registry", log) };
    if let Some(config) = fields.take("config") {
        let fix = "use `file` or `registry`";
        log.rule(
            Rule::CredentialSpecConfig,
            config.key_place,
            "`credential_spec.config` is not supported",
            fix,
        );
    }
    fields.finish(log);
    Some(At::new(spec, tree.place))
}

/// The place of the first of several values, for problems about all of them.
pub(super) fn first_place<T>(items: &[At<T>], otherwise: Place) -> Place {
    items.first().map_or(otherwise, |at| at.place)
}
