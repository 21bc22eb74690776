//! `tmpfs` of a service, and the newer fields of long mounts.

use super::super::place::{Log, Place};
use super::super::rules::Rule;
use super::super::tree::{Field, Kind, Tree};
use super::super::units;
use super::values::{octal_text, text_as_number};
use super::{child, map, remove};

/// Moves `tmpfs` of a service to `volumes`, where docker knows it.
pub(super) fn tmpfs(fields: &mut Vec<Field>, log: &mut Log) {
    let Some(field) = remove(fields, "tmpfs") else { return };
    let list = match field.value.kind {
        Kind::List(items) => items,
        kind => vec![Tree { kind, place: field.value.place }],
    };
    let mounts: Vec<Tree> = list.iter().filter_map(|item| of_text(item, log)).collect();
    match fields.iter_mut().find(|other| other.key == "volumes") {
        Some(Field { value: Tree { kind: Kind::List(volumes), .. }, .. }) => volumes.extend(mounts),
        Some(_) => {}
        None => {
            let value = Tree { place: field.value.place, kind: Kind::List(mounts) };
            fields.push(Field { key: "volumes".to_owned(), key_place: field.key_place, value });
        }
    }
}

/// `PATH[:OPTIONS]` as a mount.
fn of_text(item: &Tree, log: &mut Log) -> Option<Tree> {
    let Kind::Text { text, .. } = &item.kind else {
        super::super::fields::wrong(item, "tmpfs", "text such as `/run:size=64m`", "write a path", log);
        return None;
    };
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    if !target.starts_with('/') {
        log.rule(
            Rule::NewerSpelling,
            item.place,
            format!("`tmpfs: {text}` is no absolute path"),
            "write a path such as `/run`",
        );
        return None;
    }
    let mut mount = vec![("type", Kind::text("tmpfs")), ("target", Kind::text(target))];
    let mut sizes = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match of_option(option, item.place, log)? {
            Wish::Nothing => {}
            Wish::ReadOnly => mount.push(("read_only", Kind::Bool(true))),
            Wish::Size(bytes) => sizes.push(("size", Kind::Int(bytes.into()))),
            Wish::Mode(bits) => sizes.push(("mode", Kind::Int(bits.into()))),
        }
    }
    if !sizes.is_empty() {
        mount.push(("tmpfs", map(item.place, sizes).kind));
    }
    Some(map(item.place, mount))
}

/// What a mount option asks for.
enum Wish {
    /// What every tmpfs of a swarm has anyway.
    Nothing,
    ReadOnly,
    Size(i64),
    Mode(u32),
}

fn of_option(option: &str, place: Place, log: &mut Log) -> Option<Wish> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let wish = match key {
        "rw" | "noexec" | "nosuid" | "nodev" if value.is_empty() => Ok(Wish::Nothing),
        "ro" if value.is_empty() => Ok(Wish::ReadOnly),
        "size" if value.ends_with('%') => {
            Err("a share of the memory cannot be said to a swarm; write a size")
        }
        "size" => units::bytes(value).map(Wish::Size).map_err(|_| "write a size such as `size=64m`"),
        "mode" => u32::from_str_radix(value, 8)
            .ok()
            .filter(|bits| *bits <= 0o7777)
            .map(Wish::Mode)
            .ok_or("write an octal mode such as `mode=1777`"),
        _ => Err("a swarm takes `size` and `mode` of a tmpfs, and mounts it `rw,noexec,nosuid,nodev`"),
    };
    wish.map_err(|fix| {
        log.rule(Rule::NewerSpelling, place, format!("the tmpfs option `{option}` cannot be kept"), fix);
    })
    .ok()
}

/// The newer fields of one item of `volumes`.
pub(super) fn long(item: &mut Tree, log: &mut Log) {
    if let Some(Tree { kind: Kind::Map(bind), .. }) = child(item, "bind")
        && let Some(create) = remove(bind, "create_host_path")
        && create.value.kind != Kind::Bool(false)
    {
        log.rule(
            Rule::NewerSpelling,
            create.key_place,
            "a swarm does not create the path of a bind mount on its nodes",
            "create the folder on the nodes and write `create_host_path: false`",
        );
    }
    let Some(tmpfs) = child(item, "tmpfs") else { return };
    if let Some(size) = child(tmpfs, "size") {
        match &size.kind {
            Kind::Text { text, .. } => {
                if let Ok(bytes) = units::bytes(text) {
                    size.kind = Kind::Int(bytes.into());
                }
            }
            _ => text_as_number(size),
        }
    }
    if let Some(mode) = child(tmpfs, "mode") {
        octal_text(mode);
    }
}
