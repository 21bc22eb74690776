//! Mounts of a service and the volumes they name.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::model::{Mount, MountKind, Service, Volume, is_true};
use super::super::place::{At, Log};
use super::super::rules::Rule;
use super::{Scope, object_of, put, strings, undefined};

/// `TaskTemplate.ContainerSpec.Mounts`, in the order of the file.
pub(super) fn mounts(scope: &Scope<'_>, service: &Service, log: &mut Log) -> Vec<Value> {
    let mut targets = BTreeSet::new();
    for at in service.volumes.iter().filter(|at| !at.value.target.is_empty()) {
        if !targets.insert(at.value.target.trim_end_matches('/')) {
            let message = format!("two mounts have the target `{}`", at.value.target);
            log.rule(Rule::MountTarget, at.place, message, "give one of them another target");
        }
    }
    for at in &service.volumes {
        check(at, log);
    }
    service.volumes.iter().filter_map(|at| mount(scope, at, log)).collect()
}

/// Option blocks and source must fit the type; of mounts at one target in several files, those of the last.
fn check(at: &At<Mount>, log: &mut Log) {
    let mount = &at.value;
    let (name, own) = match mount.kind {
        MountKind::Volume => ("volume", "volume"),
        MountKind::Bind => ("bind", "bind"),
        MountKind::Tmpfs => ("tmpfs", "tmpfs"),
        MountKind::Npipe => ("npipe", "bind"),
        MountKind::Cluster => ("cluster", ""),
        MountKind::Image => ("image", ""),
    };
    let blocks = [
        ("bind", mount.propagation.is_some()),
        ("volume", mount.nocopy.is_some()),
        ("tmpfs", mount.tmpfs_size.is_some()),
    ];
    for (block, _) in blocks.into_iter().filter(|(block, there)| *there && *block != own) {
        let message = format!("`{block}` options do not fit a mount of type `{name}`");
        log.rule(
            Rule::MountOptions,
            at.place,
            message,
            format!("remove the `{block}` block, or change `type`"),
        );
    }
    match (mount.kind, &mount.source) {
        (MountKind::Npipe | MountKind::Image, None) => {
            let message = format!("the {name} mount has no `source`");
            log.rule(Rule::MountSource, at.place, message, "add `source`");
        }
        (MountKind::Tmpfs, Some(_)) => {
            log.rule(Rule::MountSource, at.place, "a tmpfs mount takes no `source`", "remove it");
        }
        _ => {}
    }
}

fn mount(scope: &Scope<'_>, at: &At<Mount>, log: &mut Log) -> Option<Value> {
    let mount = &at.value;
    let kind = match mount.kind {
        MountKind::Volume => "volume",
        MountKind::Bind => "bind",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Npipe => "npipe",
        MountKind::Cluster => "cluster",
        MountKind::Image => "image",
    };
    let mut map = Map::new();
    put(&mut map, "Type", kind);
    put(&mut map, "Target", mount.target.clone());
    put(&mut map, "ReadOnly", mount.read_only);
    put(&mut map, "Consistency", mount.consistency.clone().unwrap_or_default());
    put(&mut map, "Source", mount.source.clone().unwrap_or_default());
    match (mount.kind, &mount.source) {
        (MountKind::Volume, Some(source)) => {
            let Some(volume) = scope.file.volumes.get(source) else {
                undefined("volume", &At::new(source.clone(), at.place), &scope.file.volumes, log);
                return None;
            };
            put(&mut map, "Source", real_name(scope, source, &volume.value));
            map.insert("VolumeOptions".to_owned(), options(scope, mount, &volume.value));
        }
        (MountKind::Cluster, source) => {
            let source = source.clone().unwrap_or_default();
            if !source.starts_with("group:") {
                let Some(volume) = scope.file.volumes.get(&source) else {
                    undefined("volume", &At::new(source, at.place), &scope.file.volumes, log);
                    return None;
                };
                let name = volume.value.name.as_ref().filter(|name| !name.value.is_empty());
                put(&mut map, "Source", name.map_or_else(|| scope.full(&source), |name| name.value.clone()));
            }
            map.insert("ClusterOptions".to_owned(), json!({}));
        }
        (MountKind::Bind | MountKind::Npipe, _) => {
            if let Some(propagation) = &mount.propagation {
                let mut bind = Map::new();
                put(&mut bind, "Propagation", propagation.clone());
                map.insert("BindOptions".to_owned(), Value::Object(bind));
            }
        }
        (MountKind::Tmpfs, _) => {
            if let Some(size) = mount.tmpfs_size {
                let mut tmpfs = Map::new();
                put(&mut tmpfs, "SizeBytes", size);
                put(&mut tmpfs, "Mode", mount.tmpfs_mode.unwrap_or_default());
                map.insert("TmpfsOptions".to_owned(), Value::Object(tmpfs));
            }
        }
        (MountKind::Volume, None) | (MountKind::Image, _) => {}
    }
    Some(Value::Object(map))
}

fn real_name(scope: &Scope<'_>, key: &str, volume: &Volume) -> String {
    match volume.name.as_ref().filter(|name| !name.value.is_empty()) {
        Some(name) => name.value.clone(),
        None if is_true(&volume.external) => key.to_owned(),
        None => scope.full(key),
    }
}

fn options(scope: &Scope<'_>, mount: &Mount, volume: &Volume) -> Value {
    let mut map = Map::new();
    put(&mut map, "NoCopy", mount.nocopy.unwrap_or_default());
    put(&mut map, "Subpath", mount.subpath.clone().unwrap_or_default());
    if is_true(&volume.external) {
        return Value::Object(map);
    }
    map.insert("Labels".to_owned(), json!(scope.labels(&volume.labels)));
    let driver = volume.driver.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    if !driver.is_empty() || volume.driver_opts.is_some() {
        let mut config = Map::new();
        put(&mut config, "Name", driver);
        if let Some(options) = &volume.driver_opts {
            put(&mut config, "Options", object_of(strings(options)));
        }
        map.insert("DriverConfig".to_owned(), Value::Object(config));
    }
    Value::Object(map)
}

/// Full names of the volumes of the stack that a service mounts; external ones are not ours.
pub(super) fn names(scope: &Scope<'_>, service: &Service) -> BTreeSet<String> {
    let named = service.volumes.iter().filter(|at| at.value.kind == MountKind::Volume);
    named
        .filter_map(|at| at.value.source.as_ref())
        .filter_map(|key| scope.file.volumes.get(key).map(|volume| (key, &volume.value)))
        .filter(|(_, volume)| !is_true(&volume.external))
        .map(|(key, volume)| real_name(scope, key, volume))
        .collect()
}

/// Docker says nothing about a volume that no service mounts.
pub(super) fn check_unused(scope: &Scope<'_>, log: &mut Log) {
    let used: BTreeSet<&String> = scope
        .file
        .services
        .values()
        .flat_map(|service| &service.volumes)
        .filter_map(|at| at.value.source.as_ref())
        .collect();
    for (key, at) in &scope.file.volumes {
        if !used.contains(key) {
            let message = format!("no service mounts the volume `{key}`; it is not created");
            log.rule(Rule::Unused, at.place, message, "remove it, or mount it");
        }
    }
}
