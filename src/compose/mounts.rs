//! `volumes` of a service, short and long form.

use std::path::{Component, Path, PathBuf};

use super::fields::{self, Fields};
use super::model::{Mount, MountKind};
use super::place::{At, Log};
use super::ports::{one_of, word};
use super::rules::Rule;
use super::service::Surroundings;
use super::tree::{Kind, Tree};

const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Every mount of the list.
pub(super) fn read(tree: &Tree, around: &Surroundings<'_>, log: &mut Log) -> Vec<At<Mount>> {
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
            mount.source = mount.source.map(|source| absolute(item, &source, around, log));
        }
        mounts.push(At::new(mount, item.place));
    }
    mounts
}

/// A bind's source as docker sends it. A path of the host that runs the task, never looked at here.
fn absolute(item: &Tree, source: &str, around: &Surroundings<'_>, log: &mut Log) -> String {
    let mut path = source.to_owned();
    if source.starts_with('~') {
        let message = format!("`{source}` would depend on who runs docker");
        log.rule(Rule::VolumeHome, item.place, message, "write the absolute path");
        if let Some(home) = around.env.get("HOME") {
            path = source.replacen('~', home, 1);
        }
    }
    if path.starts_with('/') || is_windows_path(&path) {
        return path;
    }
    join(around.folder, &path).display().to_string()
}

/// `C:\x`, `C:/x` or `\\host\share\x`.
fn is_windows_path(path: &str) -> bool {
    let slash = |c: char| matches!(c, '/' | '\\');
    if let Some(rest) = path.strip_prefix(r"\\") {
        let (host, share) = rest.split_once(slash).unwrap_or_default();
        return !host.is_empty()
            && !host.starts_with('.')
            && share.split_once(slash).is_some_and(|it| !it.0.is_empty());
    }
    let mut chars = path.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next().is_some_and(slash)
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

/// The parts between colons. A letter before a colon is a Windows drive to docker, and the colon belongs to it.
fn parts(text: &str) -> (Vec<String>, bool) {
    let (mut parts, mut part, mut drive) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        let letter = part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
        if c == ':' && !letter {
            parts.push(std::mem::take(&mut part));
        } else {
            drive |= c == ':';
            part.push(c);
        }
    }
    parts.push(part);
    (parts, drive)
}

fn short(item: &Tree, text: &str, log: &mut Log) -> Option<Mount> {
    const FIX: &str = "write `NAME:/path`, `/host/path:/path` or either with `:ro`";
    // Docker takes so little text for a path, whatever it is.
    let tiny = (1..=2).contains(&text.len()) && !log.translates();
    let (parts, drive) = if tiny { (vec![text.to_owned()], false) } else { parts(text) };
    if parts.iter().any(String::is_empty) {
        log.rule(Rule::VolumeInvalid, item.place, format!("the volume `{text}` has an empty part"), FIX);
        return None;
    }
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options.as_str()),
        _ => {
            log.rule(
                Rule::VolumeInvalid,
                item.place,
                format!("the volume `{text}` has too many colons"),
                FIX,
            );
            return None;
        }
    };
    if drive {
        let message = format!("docker reads the single letter in `{text}` as a Windows drive");
        log.rule(Rule::VolumeOneLetter, item.place, message, "give the volume a longer name");
    }
    let is_path = |source: &String| {
        let mut chars = source.chars();
        let drive = chars.next().is_some_and(char::is_alphabetic) && chars.next() == Some(':');
        source.starts_with(['.', '/', '~']) || source.starts_with(r"\\") || drive
    };
    let kind = if source.is_some_and(is_path) { MountKind::Bind } else { MountKind::Volume };
    let mut mount = Mount { kind, source: source.cloned(), target: target.clone(), ..Mount::default() };
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
    if mount.kind == MountKind::Bind && mount.source.is_none() {
        // The only judgement of a mount that docker does not leave until all files are merged.
        let message = "the bind mount has no `source`";
        log.rule(Rule::MountSource, item.place, message, "add `source: /path`, the path on the host");
    }
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
            Some(match kind.value.as_str() {
                "npipe" => MountKind::Npipe,
                "cluster" => MountKind::Cluster,
                _ => MountKind::Image,
            })
        }
        _ => {
            word(Rule::MountType, Some(&kind), "type", &["volume", "bind", "tmpfs"], log);
            None
        }
    }
}
