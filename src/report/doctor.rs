//! What `holdfast doctor` makes of its look at the host: what is wrong, in words, and the exit code.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::paint::{Paint, Style, count, plain};
use super::{Exit, schema_of};
use crate::observed::{Disk, HostHealth, Listener, Process, Room, Stale, StaleProcess, UnitHealth};

/// Less than this is little, except in memory.
const LITTLE: u64 = 1 << 30;
/// One part of so many is little.
const PART: u64 = 10;
/// A unit that systemd had to start again so often does not run.
const LOOP: u64 = 3;
/// So much of a container's id tells it from others.
const SHORT: usize = 12;

/// A look at the host, and what is wrong with it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// Version of this format: 1.
    pub schema: u32,
    /// `ok` when nothing is wrong, `gate-failed` otherwise.
    pub exit: Exit,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What was seen.
    #[serde(flatten)]
    pub host: HostHealth,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is about: `disk /var`, `unit docker.service`, `process 412`, `look`.
    pub about: String,
    /// What is wrong with it.
    pub text: String,
    /// What to do, or the next command.
    pub fix: String,
}

impl Diagnosis {
    /// Judges a look at the host.
    #[must_use]
    pub fn of(host: HostHealth) -> Self {
        let mut findings: Vec<Finding> = host.disks.iter().flat_map(disk).collect();
        findings.extend(host.units.iter().filter_map(unit));
        findings.extend(host.stale.iter().map(stale));
        let about = || "look".to_owned();
        findings.extend(host.failed.iter().map(|text| Finding {
            about: about(),
            text: plain(text),
            fix: "run what failed by hand, as root".to_owned(),
        }));
        if !host.not_readable.is_empty() {
            let many = host.not_readable.len();
            let text = format!("{many} process{} cannot be looked into", if many == 1 { "" } else { "es" });
            findings.push(Finding {
                about: about(),
                text,
                fix: "run `holdfast doctor` as root, with all capabilities".to_owned(),
            });
        }
        let exit = if findings.is_empty() { Exit::Ok } else { Exit::GateFailed };
        Self { schema: 1, exit, findings, host }
    }
}

fn disk(disk: &Disk) -> Vec<Finding> {
    let part = |room: &Room| room.left.saturating_mul(PART) < room.total;
    let bytes = disk.bytes.filter(|room| part(room) || (!disk.memory && room.left < LITTLE));
    let inodes = disk.inodes.filter(part);
    let finding = |text: String, fix: &str| Finding {
        about: format!("disk {}", folders(disk)),
        text,
        fix: fix.to_owned(),
    };
    let bytes = bytes.map(|room| {
        let text = format!("only {} of {} are left", size(room.left), size(room.total));
        finding(text, "make room: `holdfast collect`, `nix-collect-garbage`, `docker system df`")
    });
    let inodes = inodes.map(|room| {
        let text = format!("only {} of {} inodes are left", room.left, room.total);
        finding(text, "find the folder with many files: `du --inodes -x`")
    });
    bytes.into_iter().chain(inodes).collect()
}

fn folders(disk: &Disk) -> String {
    plain(&disk.folders.join(", "))
}

fn unit(unit: &UnitHealth) -> Option<Finding> {
    let UnitHealth { name, active, sub, result, restarts, .. } = unit;
    // A condition of `ExecCondition=` that does not hold is no failure.
    let ended_well = matches!(result.as_str(), "" | "success" | "exec-condition");
    let text = if sub == "auto-restart" || *restarts >= LOOP {
        format!(
            "systemd has started it again {restarts} times; it is `{active}`, its last run ended with `{result}`"
        )
    } else if active == "failed" || !ended_well {
        format!("it is `{active}`, its last run ended with `{result}`")
    } else {
        return None;
    };
    let fix = format!(
        "`journalctl --boot --unit={name}` says why; `systemctl reset-failed {name}` begins to count anew"
    );
    Some(Finding { about: format!("unit {name}"), text, fix })
}

fn stale(stale: &StaleProcess) -> Finding {
    let process = &stale.process;
    let why = match stale.why {
        Stale::Deleted => "runs a file that was removed or replaced",
        Stale::NotInSystem => "runs a file that the system which was switched to does not have",
    };
    let fix = match (&process.container, &process.unit) {
        (Some(id), _) => format!("restart its container: `docker restart {}`", short(id)),
        (None, Some(unit)) if unit.ends_with(".service") => format!("`systemctl restart {}`", plain(unit)),
        _ => "start it again".to_owned(),
    };
    Finding { about: format!("process {}", process.pid), text: format!("{why}: {}", words(process)), fix }
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// A process in one line, without its id.
fn words(process: &Process) -> String {
    let Process { command, executable, cgroup, .. } = process;
    let gone = if process.deleted { " (deleted)" } else { "" };
    let place = match (&process.container, &process.unit) {
        (Some(id), _) => format!("container {}", short(id)),
        (None, Some(unit)) => format!("unit {unit}"),
        (None, None) => format!("no unit, group {cgroup}"),
    };
    plain(&format!("{command} {executable}{gone}, {place}"))
}

fn size(bytes: u64) -> String {
    let (mut tenths, mut name) = (u128::from(bytes) * 10, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if tenths < 10 << 10 {
            break;
        }
        (tenths, name) = (tenths >> 10, larger);
    }
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// One line for each thing that was seen, one for each that is wrong, one that sums up.
#[must_use]
pub fn diagnosis_text(diagnosis: &Diagnosis, color: bool) -> String {
    let (mut text, paint, host) = (String::new(), Paint(color), &diagnosis.host);
    // Writing to a string cannot fail.
    for listener in &host.listeners {
        for line in listened(listener, !host.not_readable.is_empty()) {
            let _ = writeln!(text, "{line}");
        }
    }
    for unit in host.units.iter().filter(|unit| unit.load != "not-found") {
        let UnitHealth { name, active, sub, result, restarts, .. } = unit;
        let _ = writeln!(text, "unit {name}: {active} ({sub}), {result}, restarted {restarts} times");
    }
    for disk in &host.disks {
        let bytes = disk.bytes.map_or_else(
            || "no limit of bytes".to_owned(),
            |room| format!("{} of {} left", size(room.left), size(room.total)),
        );
        let inodes = disk.inodes.map_or_else(
            || "no limit of inodes".to_owned(),
            |room| format!("{} of {} inodes left", room.left, room.total),
        );
        let _ = writeln!(text, "disk {}: {bytes}, {inodes}", folders(disk));
    }
    for reason in &host.not_asked {
        let _ = writeln!(text, "not asked: {reason}");
    }
    for Finding { about, text: wrong, fix } in &diagnosis.findings {
        let found = paint.with(Style::Red, "found:");
        let _ = writeln!(text, "{found} {about}: {wrong} (fix: {fix})");
    }
    let sum = match diagnosis.findings.len() {
        0 => paint.with(Style::Green, "nothing is wrong"),
        many => format!("{}: {} ({})", count(many, "finding"), diagnosis.exit.name(), diagnosis.exit.code()),
    };
    let _ = writeln!(text, "{sum}");
    text
}

/// One line for each process that holds the socket.
fn listened(listener: &Listener, some_unread: bool) -> Vec<String> {
    let address = std::net::SocketAddr::new(listener.address, listener.port);
    let head = format!("{} {address}:", listener.protocol.name());
    if listener.processes.is_empty() {
        let who = if some_unread { "not readable" } else { "no process" };
        return vec![format!("{head} {who}")];
    }
    let line = |process: &Process| format!("{head} pid {} {}", process.pid, words(process));
    listener.processes.iter().map(line).collect()
}

/// The diagnosis as JSON, indented, with a newline at the end.
///
/// # Errors
/// When a value cannot be written as JSON, which no diagnosis leads to.
pub fn diagnosis_json(diagnosis: &Diagnosis) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(diagnosis).map(|text| text + "\n")
}

/// The JSON Schema of the diagnosis, as `docs/reference/doctor.schema.json` holds it.
#[must_use]
pub fn diagnosis_schema() -> schemars::Schema {
    schema_of::<Diagnosis>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: HostHealth) -> String {
        let diagnosis = Diagnosis::of(host);
        assert_eq!(diagnosis.exit == Exit::Ok, diagnosis.findings.is_empty());
        let lines = diagnosis.findings.iter().map(|finding| format!("{}: {}", finding.about, finding.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn little_room_is_found_and_memory_may_be_small() {
        let of = |left, total, memory| {
            let disk = Disk { bytes: Some(Room { left, total }), memory, ..Disk::default() };
            !found(HostHealth { disks: vec![disk], ..HostHealth::default() }).is_empty()
        };
        assert!(!of(LITTLE, 10 * LITTLE, false), "a tenth and a GiB");
        assert!(of(LITTLE - 1, 5 * LITTLE, false));
        assert!(of(LITTLE, 10 * LITTLE + 1, false));
        assert!(!of(LITTLE / 2, LITTLE, true));
        assert!(of(1, 11, true));
        let inodes = Disk { inodes: Some(Room { left: 9, total: 100 }), ..Disk::default() };
        let said = found(HostHealth { disks: vec![inodes, Disk::default()], ..HostHealth::default() });
        assert_eq!(said, "disk : only 9 of 100 inodes are left", "what has no limit is never full");
        assert_eq!([size(1023), size(1536), size(5 << 40)], ["1023.0 B", "1.5 KiB", "5.0 TiB"]);
    }

    #[test]
    fn a_crash_loop_is_found_while_it_runs_and_a_skipped_unit_is_not() {
        let of = |active: &str, sub: &str, result: &str, restarts| {
            let (active, sub, result) = (active.to_owned(), sub.to_owned(), result.to_owned());
            let unit = UnitHealth { active, sub, result, restarts, ..UnitHealth::default() };
            found(HostHealth { units: vec![unit], ..HostHealth::default() })
        };
        assert_eq!(of("active", "running", "success", 2), "");
        assert!(of("active", "running", "success", 3).contains("again 3 times"));
        assert!(of("activating", "auto-restart", "exit-code", 1).contains("again 1 times"));
        assert!(of("failed", "failed", "exit-code", 0).contains("ended with `exit-code`"));
        assert_eq!(of("inactive", "dead", "exec-condition", 0), "");
        assert_eq!(of("inactive", "dead", "", 0), "", "a unit that is not there");
    }

    #[test]
    fn names_of_processes_reach_no_terminal_and_what_was_not_seen_is_said() {
        let process = Process {
            pid: 7,
            command: "a\u{1b}[2J".to_owned(),
            executable: "/a".to_owned(),
            deleted: true,
            cgroup: "/".to_owned(),
            ..Process::default()
        };
        let address = "::1".parse().unwrap();
        let protocol = crate::observed::Protocol::Tcp;
        let socket = |processes| Listener { protocol, address, port: 80, processes };
        let host = HostHealth {
            listeners: vec![socket(vec![process.clone()]), socket(Vec::new())],
            stale: vec![StaleProcess { why: Stale::Deleted, process }],
            not_readable: vec![9],
            not_asked: vec!["units: no systemd".to_owned()],
            ..HostHealth::default()
        };
        let diagnosis = Diagnosis::of(host);
        let text = diagnosis_text(&diagnosis, false);
        assert_eq!(
            text,
            "tcp [::1]:80: pid 7 a\\u{1b}[2J /a (deleted), no unit, group /\n\
             tcp [::1]:80: not readable\n\
             not asked: units: no systemd\n\
             found: process 7: runs a file that was removed or replaced: a\\u{1b}[2J /a (deleted), no unit, group / \
             (fix: start it again)\n\
             found: look: 1 process cannot be looked into (fix: run `holdfast doctor` as root, with all capabilities)\n\
             2 findings: gate-failed (3)\n"
        );
        let fine = diagnosis_text(&Diagnosis::of(HostHealth::default()), false);
        assert_eq!(fine, "nothing is wrong\n");
    }
}
