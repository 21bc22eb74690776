//! The top-level sections beside `services`: networks, volumes, secrets, configs.

use super::fields::{self, Fields};
use super::interpolate::Environment;
use super::mapping;
use super::model::{Flag, Network, Object, Pool, Text, Volume, is_true};
use super::modern;
use super::place::{At, Log, Place};
use super::rules::Rule;
use super::tree::{Kind, Tree};

/// A network; nothing at all is one with every default.
pub(super) fn network(tree: &Tree, log: &mut Log) -> Network {
    let mut out = Network::default();
    if tree.kind == Kind::Null {
        return out;
    }
    let Some(mut fields) = Fields::open(tree, "network", log) else { return out };
    out.name = fields.text("name", log);
    out.driver = fields.text("driver", log);
    out.driver_opts =
        fields.value("driver_opts").map(|tree| mapping::options(tree, "driver_opts", false, log));
    if let Some(mut ipam) = fields.value("ipam").and_then(|tree| Fields::open(tree, "ipam", log)) {
        out.ipam_driver = ipam.text("driver", log);
        for pool in ipam.value("config").map(|tree| fields::list(tree, "config", log)).unwrap_or_default() {
            let Some(mut fields) = Fields::open(pool, "ipam config", log) else { continue };
            let subnet = fields.text("subnet", log);
            let mut modern = |key: &'static str, log: &mut Log| {
                fields.modern(key, log).and_then(|tree| fields::text(tree, key, log))
            };
            // An empty one counts: docker sends it.
            out.pools.push(Pool { subnet, gateway: modern("gateway", log), range: modern("ip_range", log) });
            fields.finish(log);
        }
        ipam.finish(log);
    }
    out.external = external(&mut fields, &mut out.name, log);
    out.internal = fields.flag("internal", log);
    out.attachable = fields.flag("attachable", log);
    out.ipv6 = fields.modern("enable_ipv6", log).and_then(|tree| fields::flag(tree, "enable_ipv6", log));
    out.labels = fields.value("labels").map(|tree| mapping::labels(tree, "labels", log)).unwrap_or_default();
    fields.finish(log);
    out.pools.iter().for_each(|pool| check_pool(pool, log));
    if is_true(&out.external) {
        let others = [
            ("driver", place(&out.driver)),
            ("driver_opts", out.driver_opts.as_ref().map(|_| tree.place)),
            (
                "ipam",
                out.ipam_driver
                    .as_ref()
                    .map(|at| at.place)
                    .or_else(|| out.pools.iter().find_map(|pool| place(&pool.subnet))),
            ),
            ("enable_ipv6", out.ipv6.as_ref().map(|at| at.place)),
            ("internal", out.internal.as_ref().map(|at| at.place)),
            ("attachable", out.attachable.as_ref().map(|at| at.place)),
            ("labels", out.labels.values().next().map(|at| at.place)),
        ];
        refuse_beside_external("network", others, log);
    }
    out
}

/// Addresses and ranges that the engine could not read.
fn check_pool(pool: &Pool, log: &mut Log) {
    for subnet in [&pool.subnet, &pool.range].into_iter().flatten() {
        if !is_subnet(&subnet.value) {
            let message = format!("`{}` is not a subnet", subnet.value);
            log.rule(Rule::SubnetInvalid, subnet.place, message, "write it like `198.51.100.0/24`");
        }
    }
    if let Some(gateway) = &pool.gateway
        && gateway.value.parse::<std::net::IpAddr>().is_err()
    {
        let message = format!("`{}` is not an address", gateway.value);
        log.rule(Rule::SubnetInvalid, gateway.place, message, "write it like `198.51.100.1`");
    }
}

fn is_subnet(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// A volume; nothing at all is one with every default.
pub(super) fn volume(tree: &Tree, log: &mut Log) -> Volume {
    let mut out = Volume::default();
    if tree.kind == Kind::Null {
        return out;
    }
    let Some(mut fields) = Fields::open(tree, "volume", log) else { return out };
    out.name = fields.text("name", log);
    out.driver = fields.text("driver", log);
    out.driver_opts =
        fields.value("driver_opts").map(|tree| mapping::options(tree, "driver_opts", false, log));
    out.external = external(&mut fields, &mut out.name, log);
    out.labels = fields.value("labels").map(|tree| mapping::labels(tree, "labels", log)).unwrap_or_default();
    if let Kind::Map(entries) = &tree.kind
        && let Some(field) = entries.iter().find(|field| field.key == "x-cluster-spec")
    {
        let fix = "create the cluster volume by hand and mark it `external: true`";
        log.rule(Rule::ClusterSpec, field.key_place, "`x-cluster-spec` is dropped by docker stack", fix);
    }
    fields.finish(log);
    if is_true(&out.external) {
        let others = [
            ("driver", place(&out.driver)),
            ("driver_opts", out.driver_opts.as_ref().map(|_| tree.place)),
            ("labels", out.labels.values().next().map(|at| at.place)),
        ];
        refuse_beside_external("volume", others, log);
    }
    out
}

/// A secret (`level` `secret`) or config.
pub(super) fn object(tree: &Tree, level: &'static str, env: &Environment, log: &mut Log) -> Object {
    let mut out = Object::default();
    let Some(mut fields) = Fields::open(tree, level, log) else {
        out.broken = true;
        return out;
    };
    out.name = fields.text("name", log);
    out.file = fields.text("file", log);
    out.external = external(&mut fields, &mut out.name, log);
    out.labels = fields.value("labels").map(|tree| mapping::labels(tree, "labels", log)).unwrap_or_default();
    if level == "config" {
        out.template_driver = fields.text("template_driver", log);
        out.content = fields.modern("content", log).and_then(|tree| fields::text(tree, "content", log));
        let variable =
            fields.modern("environment", log).and_then(|tree| fields::text(tree, "environment", log));
        modern::fill(&mut out, variable, env, log);
    } else if log.exact() {
        drivers(&mut out, &mut fields, log);
    }
    fields.finish(log);
    if is_true(&out.external) {
        let others = [
            ("file", place(&out.file)),
            ("labels", out.labels.values().next().map(|at| at.place)),
            ("template_driver", place(&out.template_driver)),
        ];
        refuse_beside_external(level, others, log);
    }
    out
}

/// What docker's own secrets may have besides a file.
fn drivers(out: &mut Object, fields: &mut Fields<'_>, log: &mut Log) {
    out.driver = fields.text("driver", log);
    out.driver_opts = fields
        .value("driver_opts")
        .map(|tree| mapping::options(tree, "driver_opts", false, log))
        .unwrap_or_default();
    out.template_driver = fields.text("template_driver", log);
    let written = |text: &Text| text.as_ref().is_some_and(|at| !at.value.is_empty());
    if written(&out.driver) && written(&out.file) && !is_true(&out.external) {
        let place = place(&out.driver).unwrap_or(fields.place);
        log.rule(
            Rule::SecretDriverFile,
            place,
            "the secret has a driver and a file",
            "remove one of the two",
        );
    }
}

/// `external`, whose map form is an older spelling of `name`.
fn external(fields: &mut Fields<'_>, name: &mut Text, log: &mut Log) -> Flag {
    let tree = fields.value("external")?;
    if !matches!(tree.kind, Kind::Map(_)) {
        return fields::flag(tree, "external", log);
    }
    let mut inner = Fields::open(tree, "external", log)?;
    let old = inner.text("name", log);
    inner.finish(log);
    let real = old.as_ref().map_or("NAME", |at| at.value.as_str());
    let fix = format!("write `external: true` and `name: {real}`");
    log.rule(Rule::ExternalMap, tree.place, "the map form of `external` is deprecated", fix);
    let written = |text: &Text| text.as_ref().is_some_and(|at| !at.value.is_empty());
    if written(name) && written(&old) {
        log.rule(
            Rule::ExternalNameTwice,
            tree.place,
            "the name stands in `external` and in `name`",
            "keep `name`",
        );
    } else if !written(name) {
        *name = old;
    }
    Some(At::new(true, tree.place))
}

fn place(text: &Text) -> Option<Place> {
    text.as_ref().map(|at| at.place)
}

/// What stands beside `external: true` is either refused or silently dropped by docker.
fn refuse_beside_external<const N: usize>(level: &str, others: [(&str, Option<Place>); N], log: &mut Log) {
    let rule = if level == "volume" { Rule::ExternalVolumeFields } else { Rule::ExternalFields };
    for (key, place) in others {
        if let Some(place) = place {
            let message =
                format!("`{key}` has no effect beside `external: true`: the {level} is made elsewhere");
            log.rule(rule, place, message, format!("remove `{key}`, or remove `external`"));
        }
    }
}
