//! What a node refuses when it makes the container of a task, which then fails over and over.

use std::net::IpAddr;

use super::super::model::{MountKind, Service};
use super::super::place::Log;
use super::super::rules::Rule;

/// What the kernel can be asked for, without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Limits of processes that a container can have.
const LIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Signals by name, without `SIG`; real-time ones are judged by [`signal`].
const SIGNALS: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Judges what of a service goes into its containers.
pub(super) fn check(service: &Service, log: &mut Log) {
    words(service, log);
    for at in &service.extra_hosts {
        let (host, address) = at.value.split_once(':').unwrap_or((&at.value, ""));
        if host.is_empty() || (address != "host-gateway" && address.parse::<IpAddr>().is_err()) {
            let message = format!("`{address}` of the host `{host}` is no address");
            log.rule(
                Rule::ExtraHostsInvalid,
                at.place,
                message,
                "write `HOST:ADDRESS`, such as `db:198.51.100.7`",
            );
        }
    }
    let bare = service.bare.iter().map(|(key, place)| (key, *place));
    let named = service.environment.iter().map(|(key, at)| (key, at.place));
    for (_, place) in named.chain(bare).filter(|(key, _)| key.is_empty()) {
        log.rule(Rule::EnvironmentName, place, "a variable has no name", "write `NAME=VALUE`");
    }
    for (name, at) in &service.ulimits {
        // A name in other characters breaks a rule of its own.
        if name.bytes().all(|byte| byte.is_ascii_lowercase()) && !LIMITS.contains(&name.as_str()) {
            let message = format!("the engine knows no limit `{name}`");
            log.rule(Rule::UlimitUnknown, at.place, message, format!("write one of: {}", LIMITS.join(", ")));
        } else if at.value.hard >= 0 && (at.value.soft > at.value.hard || at.value.soft < 0) {
            let message = format!("`soft` of the limit `{name}` is above `hard`");
            log.rule(Rule::UlimitOrder, at.place, message, "write a `soft` that is at most `hard`");
        }
    }
    mounts(service, log);
}

fn words(service: &Service, log: &mut Log) {
    for at in service.cap_add.iter().chain(&service.cap_drop) {
        let name = at.value.trim().to_uppercase();
        let bare = name.strip_prefix("CAP_").unwrap_or(&name);
        if !matches!(name.as_str(), "ALL" | "RESET") && !CAPABILITIES.contains(&bare) {
            let fix = match super::super::refused::nearest(bare, &CAPABILITIES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write a capability of Linux such as `NET_ADMIN`".to_owned(),
            };
            log.rule(Rule::CapabilityUnknown, at.place, format!("`{}` is no capability", at.value), fix);
        }
    }
    if let Some(at) = service.stop_signal.as_ref().filter(|at| !at.value.is_empty() && !signal(&at.value)) {
        let message = format!("`{}` is no signal", at.value);
        log.rule(Rule::SignalUnknown, at.place, message, "write a signal such as `SIGTERM`");
    }
    let relative = |text: &str| !text.is_empty() && !text.starts_with('/');
    if let Some(at) = service.working_dir.as_ref().filter(|at| relative(&at.value)) {
        let message = format!("the working directory `{}` is not absolute", at.value);
        log.rule(Rule::WorkingDirRelative, at.place, message, "begin it with `/`");
    }
}

/// A number, or a name with or without `SIG`.
fn signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let real_time = |base: &str, most: u8| {
        name.strip_prefix(base).is_some_and(|rest| {
            let number = rest.strip_prefix(if base == "RTMIN" { '+' } else { '-' });
            rest.is_empty()
                || number.is_some_and(|number| number.parse().is_ok_and(|n| (1..=most).contains(&n)))
        })
    };
    SIGNALS.contains(&name) || real_time("RTMIN", 15) || real_time("RTMAX", 14)
}

/// Where mounts go, and what volumes are called. A template may still become a path.
fn mounts(service: &Service, log: &mut Log) {
    for at in &service.volumes {
        let target = at.value.target.as_str();
        if target.is_empty() || target.contains("{{") || at.value.kind == MountKind::Npipe {
            continue;
        }
        let message = if !target.starts_with('/') {
            format!("the target `{target}` of a mount is not absolute")
        } else if target.trim_end_matches('/').is_empty() {
            "a mount cannot take the place of the whole container".to_owned()
        } else {
            continue;
        };
        log.rule(Rule::MountPath, at.place, message, "write an absolute path below `/`");
    }
}

#[cfg(test)]
mod tests {
    use super::signal;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["SIGTERM", "usr1", "9", "-1", "SIGRTMIN", "rtmin+3", "RTMAX-14", "WINCH"] {
            assert!(signal(text), "{text}");
        }
        for text in ["0", "TERMINATE", "SIG", "RTMIN+16", "RTMIN+", "RTMAX-15"] {
            assert!(!signal(text), "{text}");
        }
    }
}
