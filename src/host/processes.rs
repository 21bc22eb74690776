//! Processes, as `/proc` has them: what they run, where they belong, which sockets they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::observed::Process;

/// How the kernel marks a name that is gone.
const GONE: &str = " (deleted)";
/// Where Nix keeps what it built.
const STORE: &str = "/nix/store/";
/// What names of units end with that hold processes.
const UNITS: [&str; 5] = ["service", "scope", "socket", "mount", "swap"];
/// Digits of a container's id.
const ID: usize = 64;

/// All processes that can be seen.
#[derive(Default)]
pub(super) struct Walk {
    /// By id.
    pub(super) processes: BTreeMap<u32, Process>,
    /// Who holds which socket, by the socket's inode.
    pub(super) holders: BTreeMap<u64, Vec<u32>>,
    /// Processes that could not be looked into.
    pub(super) not_readable: Vec<u32>,
}

/// Looks at every process, and for these sockets. One that ends meanwhile is left out.
pub(super) fn walk(proc: &Path, sockets: &BTreeSet<u64>) -> io::Result<Walk> {
    let mut walk = Walk::default();
    let name = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse().ok());
    let pids: BTreeSet<u32> = fs::read_dir(proc)?.filter_map(|entry| entry.ok().and_then(name)).collect();
    for pid in pids {
        let folder = proc.join(pid.to_string());
        match look(&folder, pid, sockets) {
            Ok((process, held)) => {
                walk.processes.insert(pid, process);
                for inode in held {
                    walk.holders.entry(inode).or_default().push(pid);
                }
            }
            // A thread of the kernel has no command line.
            Err(error)
                if error.kind() == ErrorKind::PermissionDenied
                    && fs::read(folder.join("cmdline")).is_ok_and(|line| !line.is_empty()) =>
            {
                walk.not_readable.push(pid);
            }
            Err(_) => {}
        }
    }
    Ok(walk)
}

fn look(folder: &Path, pid: u32, sockets: &BTreeSet<u64>) -> io::Result<(Process, BTreeSet<u64>)> {
    let executable = fs::read_link(folder.join("exe"))?;
    let executable = executable.to_string_lossy();
    // What never had a name cannot lose it.
    let gone = executable.strip_suffix(GONE).filter(|name| !name.starts_with("/memfd:"));
    let file = gone.unwrap_or(&executable);
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(folder.join("fd"))? {
        let target = entry.and_then(|entry| fs::read_link(entry.path()));
        let inode = target.ok().and_then(|target| socket(&target.to_string_lossy()));
        held.extend(inode.filter(|inode| sockets.contains(inode)));
    }
    let text = |name: &str| {
        fs::read(folder.join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let (cgroups, stat) = (text("cgroup"), text("stat"));
    let cgroup = cgroup(&cgroups);
    let process = Process {
        pid,
        parent: parent(&stat).unwrap_or_default(),
        command: text("comm").trim_end().to_owned(),
        executable: file.to_owned(),
        deleted: gone.is_some(),
        store_path: store_path(file),
        unit: unit(cgroup),
        container: container(cgroup),
        cgroup: cgroup.to_owned(),
    };
    Ok((process, held))
}

/// `socket:[1222]` is 1222.
fn socket(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The fourth field of `stat`. The second is a name in parentheses, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn store_path(file: &str) -> Option<String> {
    let entry = file.strip_prefix(STORE)?.split('/').next().filter(|entry| !entry.is_empty())?;
    Some(format!("{STORE}{entry}"))
}

/// The group that says most: systemd's own of version 1, the one of version 2, or any other that is not the root.
fn cgroup(text: &str) -> &str {
    let groups = || text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let inner = |path: &&str| *path != "/";
    let of = |name: &str| groups().find(|(list, _)| *list == name).map(|(_, path)| path);
    let any = || groups().map(|(_, path)| path).find(inner);
    let path = of("name=systemd").filter(inner).or_else(|| of("").filter(inner)).or_else(any).unwrap_or("/");
    path.strip_suffix(GONE).unwrap_or(path)
}

/// The first unit of a path that is no slice: what lies below it is the unit's own matter. systemd writes `_` before a
/// name that would mean something else to the kernel.
fn unit(cgroup: &str) -> Option<String> {
    let mut parts = cgroup.split('/').filter(|part| !part.is_empty() && kind(part) != "slice");
    let first = parts.next().map(|part| part.strip_prefix('_').unwrap_or(part));
    first.filter(|part| UNITS.contains(&kind(part))).map(str::to_owned)
}

/// What stands behind the last dot.
fn kind(unit: &str) -> &str {
    unit.rsplit_once('.').map_or("", |(_, kind)| kind)
}

/// `.../docker-ID.scope`, or `.../docker/ID` where systemd does not keep the engine's groups.
fn container(cgroup: &str) -> Option<String> {
    let mut before = "";
    for part in cgroup.split('/') {
        let scope = part.strip_prefix("docker-").and_then(|part| part.strip_suffix(".scope"));
        let id = scope.or((before == "docker").then_some(part));
        if let Some(id) = id.filter(|id| id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Some(id.to_owned());
        }
        before = part;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_names_unit_and_container() {
        let id = "0f".repeat(32);
        let scope = format!("docker-{id}.scope");
        for (text, group, unit_of, in_container) in [
            (
                "0::/system.slice/docker.service\n",
                "/system.slice/docker.service",
                Some("docker.service"),
                false,
            ),
            (
                "12:pids:/x\n1:name=systemd:/system.slice/sshd.service\n0::/\n",
                "/system.slice/sshd.service",
                Some("sshd.service"),
                false,
            ),
            ("9:name=systemd:/\n4:memory:/a/b\n0::/\n", "/a/b", None, false),
            ("9:name=systemd:/\n0::/\n", "/", None, false),
            ("", "/", None, false),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service (deleted)",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
                Some("user@1000.service"),
                false,
            ),
            (
                "0::/system.slice/_cgroup.service",
                "/system.slice/_cgroup.service",
                Some("cgroup.service"),
                false,
            ),
            ("0::/init.scope", "/init.scope", Some("init.scope"), false),
            (&format!("0::/system.slice/{scope}"), &format!("/system.slice/{scope}"), Some(&scope), true),
            (&format!("3:cpu:/docker/{id}\n0::/\n"), &format!("/docker/{id}"), None, true),
            (&format!("0::/docker/{}", &id[1..]), &format!("/docker/{}", &id[1..]), None, false),
        ] {
            let found = cgroup(text);
            assert_eq!(found, group);
            assert_eq!(unit(found).as_deref(), unit_of, "{text}");
            assert_eq!(container(found), in_container.then(|| id.clone()), "{text}");
        }
    }

    #[test]
    fn names_with_parentheses_blanks_and_odd_links_are_read() {
        assert_eq!(parent("7 (a) S 1) (b c) S 412 7 7 0"), Some(412));
        assert_eq!((parent(""), parent("7 (a)")), (None, None));
        assert_eq!(socket("socket:[1222]"), Some(1222));
        assert_eq!((socket("pipe:[1222]"), socket("/dev/null"), socket("socket:[]")), (None, None, None));
        let entry = "/nix/store/0c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-app";
        assert_eq!(store_path(&format!("{entry}/bin/app")).as_deref(), Some(entry));
        assert_eq!((store_path("/nix/store/"), store_path("/usr/bin/app")), (None, None));
    }
}
