//! `volumes` of a service, short and long form.

use std::path::{Component, Path, PathBuf};

use super::fields::{self, Fields};
use super::model::{Mount, MountKind};
use super::place::{At, Log};
use super::ports::{one_of, word};
use super::rules::Rule;
use super::tree::{Kind, Tree};

const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Every mount of the list. `folder` is where relative paths start.
pub(super) fn read(tree: &Tree, folder: &Path, log: &mut Log) -> Vec<At<Mount>> {
    let mut mounts = Vec::new();
    for item in fields::list(tree, "volumes", log) {
        let mount = match &item.kind {
            Kind::Map(_) => long(item, log),
            Kind::Text { text, .. } => short(item, text, log),
            _ => {
                fields::wrong(
                    item,
                    "volumes",
                    "text such as `data:/var/lib/data`, or a map",
                    "quote it",
                    log,
                );
                None
            }
        };
        let Some(mut mount) = mount else { continue };
        if mount.kind == MountKind::Bind {
            mount.source = mount.source.and_then(|source| absolute(item, &source, folder, log));
        }
        mounts.push(At::new(mount, item.place));
    }
    mounts
}

/// A bind's source as docker sends it. A path of the host that runs the task, never looked at here.
fn absolute(item: &Tree, source: &str, folder: &Path, log: &mut Log) -> Option<String> {
    if source.starts_with('/') {
        return Some(source.to_owned());
    }
    if source.starts_with('~') {
        let message = format!("`{source}` would depend on who runs docker");
        log.rule(Rule::VolumeHome, item.place, message, "write the absolute path");
        return None;
    }
    Some(join(folder, source).display().to_string())
}

/// `folder/path` without `.` and `..`, as Go joins paths.
pub(super) fn join(folder: &Path, path: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}

fn short(item: &Tree, text: &str, log: &mut Log) -> Option<Mount> {
    const FIX: &str = "write `NAME:/path`, `/host/path:/path` or either with `:ro`";
    let mut refuse = |rule: Rule, message: String, fix: &str| {
        log.rule(rule, item.place, message, fix);
        None
    };
    let parts: Vec<&str> = text.split(':').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return refuse(Rule::VolumeInvalid, format!("the volume `{text}` has an empty part"), FIX);
    }
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return refuse(Rule::VolumeInvalid, format!("the volume `{text}` has too many colons"), FIX),
    };
    let drive = |part: &str| part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
    if source.is_some_and(drive) || (source.is_some() && drive(target)) {
        let message = format!("docker reads the single letter in `{text}` as a Windows drive");
        return refuse(Rule::VolumeOneLetter, message, "give the volume a longer name");
    }
    let bind = source.is_some_and(|source| source.starts_with(['.', '/', '~']) || source.starts_with(r"\\"));
    let kind = if bind { MountKind::Bind } else { MountKind::Volume };
    let mut mount =
        Mount { kind, source: source.map(str::to_owned), target: target.to_owned(), ..Mount::default() };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => mount.read_only = true,
            "rw" => mount.read_only = false,
            "nocopy" => mount.nocopy = Some(true),
            _ if PROPAGATIONS.contains(&option) => mount.propagation = Some(option.to_owned()),
            _ => {
                let message = format!("docker drops the volume option `{option}`");
                let fix = "remove it; `ro`, `rw`, `nocopy` and propagation names are known";
                log.rule(Rule::VolumeOption, item.place, message, fix);
            }
        }
    }
    Some(mount)
}

fn long(item: &Tree, log: &mut Log) -> Option<Mount> {
    let mut fields = Fields::open(item, "mount", log)?;
    let kind = fields.text("type", log);
    let source = fields.text("source", log);
    let target = fields.text("target", log);
    let read_only = fields.flag("read_only", log);
    let consistency = fields.text("consistency", log);
    let mut mount = Mount {
        source: source.map(|at| at.value).filter(|source| !source.is_empty()),
        read_only: super::model::is_true(&read_only),
        consistency: consistency.map(|at| at.value),
        ..Mount::default()
    };
    if let Some(mut bind) = fields.value("bind").and_then(|tree| Fields::open(tree, "bind", log)) {
        let propagation = bind.text("propagation", log);
        one_of(propagation.as_ref(), "propagation", &PROPAGATIONS, log);
        mount.propagation = Some(propagation.map(|at| at.value).unwrap_or_default());
        bind.finish(log);
    }
    if let Some(mut volume) =
        fields.value("volume").and_then(|tree| Fields::open(tree, "volume options", log))
    {
        mount.nocopy = Some(super::model::is_true(&volume.flag("nocopy", log)));
        mount.subpath = volume.text("subpath", log).map(|at| at.value);
        volume.finish(log);
    }
    if let Some(mut tmpfs) = fields.value("tmpfs").and_then(|tree| Fields::open(tree, "tmpfs", log)) {
        // Docker lets no variable stand for the size.
        let size = tmpfs.value("size");
        mount.tmpfs_size = Some(0);
        if let Some(size) = size {
            let bytes = fields::whole(size, false).and_then(|value| i64::try_from(value).ok());
            match bytes.filter(|bytes| *bytes >= 0) {
                Some(bytes) => mount.tmpfs_size = Some(bytes),
                None => fields::wrong(
                    size,
                    "size",
                    "a whole number of bytes",
                    "write the number, without quotes",
                    log,
                ),
            }
        }
        mount.tmpfs_mode = tmpfs.modern("mode", log).and_then(|tree| tmpfs_mode(tree, log));
        tmpfs.finish(log);
    }
    fields.finish(log);
    match target {
        Some(target) => mount.target = target.value,
        None => log.rule(
            Rule::MountTarget,
            item.place,
            "the mount has no `target`",
            "add `target: /path`, the path in the container",
        ),
    }
    mount.kind = kind_of(item, kind, log)?;
    check(item, &mount, log);
    Some(mount)
}

fn tmpfs_mode(tree: &Tree, log: &mut Log) -> Option<u32> {
    let bits = fields::whole(tree, false).and_then(|bits| u32::try_from(bits).ok());
    let bits = bits.filter(|bits| *bits <= 0o7777);
    if bits.is_none() {
        fields::wrong(tree, "mode", "a file mode", "write an octal number such as `01777`", log);
    }
    bits
}

fn kind_of(item: &Tree, kind: Option<At<String>>, log: &mut Log) -> Option<MountKind> {
    let Some(kind) = kind else {
        log.rule(
            Rule::MountType,
            item.place,
            "the mount has no `type`",
            "add `type: volume`, `type: bind` or `type: tmpfs`",
        );
        return None;
    };
    match kind.value.as_str() {
        "volume" | "" => Some(MountKind::Volume),
        "bind" => Some(MountKind::Bind),
        "tmpfs" => Some(MountKind::Tmpfs),
        "npipe" | "cluster" | "image" => {
            let message = format!("mounts of type `{}` are not supported", kind.value);
            log.rule(Rule::MountKind, kind.place, message, "use `volume`, `bind` or `tmpfs`");
            None
        }
        _ => {
            word(Rule::MountType, Some(&kind), "type", &["volume", "bind", "tmpfs"], log);
            None
        }
    }
}

/// Option blocks must fit the type.
fn check(item: &Tree, mount: &Mount, log: &mut Log) {
    let (name, wrong) = match mount.kind {
        MountKind::Volume => {
            ("volume", [("bind", mount.propagation.is_some()), ("tmpfs", mount.tmpfs_size.is_some())])
        }
        MountKind::Bind => {
            ("bind", [("volume", mount.nocopy.is_some()), ("tmpfs", mount.tmpfs_size.is_some())])
        }
        MountKind::Tmpfs => {
            ("tmpfs", [("bind", mount.propagation.is_some()), ("volume", mount.nocopy.is_some())])
        }
    };
    for (block, _) in wrong.into_iter().filter(|(_, there)| *there) {
        let message = format!("`{block}` options do not fit a mount of type `{name}`");
        log.rule(
            Rule::MountOptions,
            item.place,
            message,
            format!("remove the `{block}` block, or change `type`"),
        );
    }
    match (mount.kind, &mount.source) {
        (MountKind::Bind, None) => {
            log.rule(
                Rule::MountSource,
                item.place,
                "the bind mount has no `source`",
                "add `source: /path`, the path on the host",
            );
        }
        (MountKind::Tmpfs, Some(_)) => {
            log.rule(Rule::MountSource, item.place, "a tmpfs mount takes no `source`", "remove it");
        }
        _ => {}
    }
}
