//! One look at the host as a whole, which reads only. What cannot be found out is told, and the rest goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listeners::{self, Socket};
use super::processes::{self, Walk};
use super::{HostError, disk, has_systemd, show, systemctl, words};
use crate::observed::{HostHealth, Listener, Process, Stale, StaleProcess, UnitHealth};

/// Units that matter here, as patterns.
const UNITS: [&str; 3] = ["holdfast-*.service", "docker.service", "containerd.service"];
/// The NixOS system that runs.
const SYSTEM: &str = "/run/current-system";
/// The process that starts services.
const MANAGER: u32 = 1;

/// Who listens, how units are, what is left on the file systems of `folders`, and which processes are stale.
pub async fn examine(folders: &[PathBuf]) -> HostHealth {
    let (disks, failed) = disk::look(folders);
    let mut health = HostHealth { disks, failed, ..HostHealth::default() };
    match units().await {
        Ok(Some(units)) => health.units = units,
        Ok(None) => health.not_asked.push("units: no systemd".to_owned()),
        Err(error) => health.failed.push(format!("units: {}", words(&error))),
    }
    let closure = match closure().await {
        Ok(Some(closure)) => Some(closure),
        Ok(None) => {
            health.not_asked.push("executables against the system: no NixOS".to_owned());
            None
        }
        Err(error) => {
            health.failed.push(format!("executables against the system: {}", words(&error)));
            None
        }
    };
    look_at_processes(Path::new("/proc"), closure.as_ref(), &mut health);
    health
}

/// How Holdfast's units and those of the engine are; `None` where systemd does not run.
async fn units() -> Result<Option<Vec<UnitHealth>>, HostError> {
    if !has_systemd() {
        return Ok(None);
    }
    // With `--all`: a pattern alone does not match oneshots that ended well.
    let mut args = vec![
        "show".to_owned(),
        "--all".to_owned(),
        format!("--property={}", show::HEALTH.join(",")),
        "--".to_owned(),
    ];
    args.extend(UNITS.map(str::to_owned));
    Ok(Some(show::parse_health(&systemctl::run("systemctl", &args).await?)))
}

/// Everything of the store that the running NixOS system needs; `None` where there is no NixOS.
async fn closure() -> Result<Option<BTreeSet<String>>, HostError> {
    let Ok(system) = Path::new(SYSTEM).canonicalize() else { return Ok(None) };
    let system = system.display().to_string();
    let args = ["--query", "--requisites", "--", system.as_str()].map(str::to_owned);
    let text = systemctl::run("nix-store", &args).await?;
    Ok(Some(text.lines().map(str::to_owned).collect()))
}

fn look_at_processes(proc: &Path, closure: Option<&BTreeSet<String>>, health: &mut HostHealth) {
    let sockets = listeners::sockets(proc).unwrap_or_else(|error| {
        health.failed.push(format!("`/proc/net`: {error}"));
        Vec::new()
    });
    let inodes = sockets.iter().map(|socket| socket.inode).collect();
    let walk = processes::walk(proc, &inodes).unwrap_or_else(|error| {
        health.failed.push(format!("`/proc`: {error}"));
        Walk::default()
    });
    health.listeners = sockets.iter().map(|socket| listener(socket, &walk)).collect();
    let stale =
        |process: &Process| stale(process, closure).map(|why| StaleProcess { why, process: process.clone() });
    health.stale = walk.processes.values().filter_map(stale).collect();
    health.not_readable = walk.not_readable;
}

fn listener(socket: &Socket, walk: &Walk) -> Listener {
    let holders = walk.holders.get(&socket.inode).into_iter().flatten();
    let Socket { protocol, address, port, .. } = *socket;
    let processes = holders.filter_map(|pid| walk.processes.get(pid)).cloned().collect();
    Listener { protocol, address, port, processes }
}

/// Only what systemd itself started as a service is held against the system: builds, jobs and containers run what no
/// system has to know.
fn stale(process: &Process, closure: Option<&BTreeSet<String>>) -> Option<Stale> {
    if process.deleted {
        return Some(Stale::Deleted);
    }
    let service =
        process.unit.as_deref().is_some_and(|unit| unit.ends_with(".service") && !unit.starts_with("user@"));
    let of_the_system = service && process.parent == MANAGER && process.container.is_none();
    let (closure, path) = (closure?, process.store_path.as_ref()?);
    (of_the_system && !closure.contains(path)).then_some(Stale::NotInSystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_are_held_against_the_system() {
        let closure = BTreeSet::from(["/nix/store/new-app".to_owned()]);
        let process = |path: &str, unit: &str, parent| Process {
            parent,
            store_path: Some(path.to_owned()),
            unit: Some(unit.to_owned()),
            ..Process::default()
        };
        let of = |process: &Process| stale(process, Some(&closure));
        let old = process("/nix/store/old-app", "app.service", 1);
        assert_eq!(of(&old), Some(Stale::NotInSystem));
        assert_eq!(stale(&old, None), None, "without a system nothing is known of it");
        assert_eq!(of(&process("/nix/store/new-app", "app.service", 1)), None);
        assert_eq!(of(&process("/nix/store/old-app", "app.service", 9)), None, "a job of the service");
        assert_eq!(of(&process("/nix/store/old-app", "session-2.scope", 1)), None);
        assert_eq!(of(&process("/nix/store/old-app", "user@1000.service", 1)), None);
        assert_eq!(of(&Process { container: Some("0f".to_owned()), ..old.clone() }), None);
        assert_eq!(of(&Process { deleted: true, ..Process::default() }), Some(Stale::Deleted));
    }
}
