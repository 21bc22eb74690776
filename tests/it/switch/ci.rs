//! The units of a CI host: what each may see, and what restarts them.

use std::fs;

use super::host::Host;
use crate::forge::peers;
use crate::support::copy_program;

const BRIDGE: &str = "holdfast-bridge.service";
const RUNNER: &str = "holdfast-runner.service";

/// Status line and body of a request to a listener inside.
pub(super) fn get(host: &Host, port: u16, path: &str) -> String {
    let ask =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3");
    host.machine.sh(&ask)
}

/// One machine, and one way through its generations: each switch takes seconds.
#[test]
fn each_unit_of_a_ci_host_sees_what_is_its_own_and_is_restarted_by_nothing_else() {
    let host = with_runner();
    let _turn = host.turn();
    the_bridge_starts_without_its_bot_token_says_so_and_takes_it_when_it_comes(host);
    let all = || ([RUNNER, BRIDGE].map(|unit| host.invocation(unit)), host.containers("drone_server"));
    let before = all();
    for same in ["ci", "ci_second_page"] {
        host.green(same);
        assert_eq!(all(), before, "{same} restarted what it has nothing to do with");
    }
    sees_its_own(host);
    told_by_the_server(host);
    a_build_sees_no_secret_and_no_engine_and_all_of_it_ends_when_it_is_cancelled(host);

    // The runner again: another secret restarts it, and the server with it.
    host.green("ci");
    let (units, server) = all();
    assert_eq!((&units[1], &server), (&before.0[1], &before.1), "the runner's end restarted others");
    host.green("ci_second_value");
    host.machine.wait("the runner is told", |_| host.invocation(RUNNER) != units[0]);
    assert_eq!(host.invocation(BRIDGE), units[1], "the secret of another restarted it");
    assert_ne!(host.containers("drone_server"), server, "the server still has the former secret");
    host.green("first");
    for unit in [RUNNER, BRIDGE] {
        assert_eq!(
            host.machine.property(unit, "ActiveState"),
            "inactive",
            "{unit} left the manifest and runs on"
        );
    }
}

fn the_bridge_starts_without_its_bot_token_says_so_and_takes_it_when_it_comes(host: &Host) {
    let lacking = host.switch("ci_without_bot").expect(4);
    assert!(lacking.said.contains("secret.bot"), "nobody says what is wrong: {}", lacking.said);
    let journal = || {
        host.machine.sh(&format!("journalctl -b -o cat -n 30 -u {BRIDGE} -u holdfast-credentials.service"))
    };
    assert_eq!(host.machine.property(BRIDGE, "ActiveState"), "active", "{}\n{}", lacking.said, journal());
    let said = host.machine.property(BRIDGE, "StatusText");
    assert!(said.contains("missing the bot's token"), "{said}");
    let ready = get(host, 8788, "/readyz");
    assert!(ready.starts_with("HTTP/1.0 503") && ready.ends_with("missing: the bot's token"), "{ready}");
    assert!(get(host, 8788, "/healthz").starts_with("HTTP/1.0 200"));
    assert!(get(host, 8787, "/").starts_with("HTTP/1.0 404"), "it does not serve the socket of systemd");

    let first = host.invocation(BRIDGE);
    host.green("ci");
    host.machine.wait("the bridge is told", |_| host.invocation(BRIDGE) != first);
    host.machine.wait("it has all it needs", |machine| {
        machine.property(BRIDGE, "StatusText").starts_with("takes deliveries")
    });
    assert!(get(host, 8788, "/readyz").starts_with("HTTP/1.0 200"));
}

/// What a step of a build would do that looks around, and then is cancelled while others work for it.
const STEP: &str = r#"echo "user $(id -un) pid $$ processes $(ls -d /proc/[0-9]* | wc -l)"
echo "secrets $(ls /run/credentials/holdfast-runner.service | wc -l)"
for file in /run/docker.sock /var/run/docker.sock /run/docker /run/holdfast/secrets /run/holdfast/credentials.sock \
  /run/credentials/holdfast-bridge.service /var/lib/holdfast /var/lib/holdfast-bridge /etc/shadow /root; do
  if test -r $file || test -w $file; then echo "open $file"; fi
done
if touch /.env; then echo "open /.env"; fi
(setsid sleep 7777 &)
sleep 7777 &
echo ready
sleep 7777
"#;

fn a_build_sees_no_secret_and_no_engine_and_all_of_it_ends_when_it_is_cancelled(host: &Host) {
    assert!(get(host, 3300, "/healthz").starts_with("HTTP/1.0 200"));
    fs::write(host.machine.folder("").join("step"), STEP).expect("the step");

    let (said, left) = cancelled(host, "/bin/sh");
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("user holdfast-runner pid 1 processes "), "{said}");
    assert!(said.contains("\nsecrets 0\n") && !said.contains("open "), "{said}");
    assert_eq!(left, 0, "something of a build lives on");

    // Without the shell of steps, as the runner would have it.
    let (said, left) = cancelled(host, "/bin/bash --posix");
    assert!(said.contains("\nsecrets 1\n") && !said.contains("open "), "{said}");
    assert_eq!(left, 3, "nothing would live on anyway");
}

/// The real server of the stack: it runs, its secrets are in no environment, and what it tells of them reaches the journal as
/// the engine's unit, whose filter systemd knows from 253 on.
fn told_by_the_server(host: &Host) {
    let sh = |text: &str| host.machine.sh(text);
    let container = "$(docker ps -q --filter label=com.docker.swarm.service.name=drone_server)";
    let seen = sh(&format!("docker inspect {container}; docker service inspect drone_server"));
    assert!(seen.contains("DRONE_STATUS_DISABLED=true") && !seen.contains("canary"), "{seen}");
    let count = |filter: &str| -> usize {
        sh(&format!("journalctl -b -o cat _SYSTEMD_UNIT=docker.service | {filter} | wc -l"))
            .parse()
            .expect("a number")
    };
    assert!(count("grep 'starting the http server'") > 0, "its log is not in the journal");
    assert_eq!(count("grep canary | grep -v bootstrap:"), 0, "a secret that no filter drops");
    let version: u32 = sh("systemctl --version | awk 'NR == 1 {print $2}'").parse().expect("a number");
    assert_eq!(count("grep canary | grep bootstrap:") == 0, version >= 253, "systemd {version}");
}

/// Has this shell run the step in the runner's place, with all that its unit says, and kills that shell alone, as the runner
/// does: what the step said, and how many of its processes are left.
fn cancelled(host: &Host, shell: &str) -> (String, usize) {
    let machine = &host.machine;
    let change = format!(
        "[Service]\nExecStart=\nExecStart={shell} -e /srv/share/step\nRestart=no\nKillMode=process\nSyslogIdentifier=step\n"
    );
    let folder = format!("/run/systemd/system/{RUNNER}.d");
    fs::write(machine.folder("").join("step.conf"), change).expect("the change");
    machine.sh(&format!(
        "mkdir -p {folder}; cp /srv/share/step.conf {folder}/; systemctl daemon-reload; \
         systemctl restart {RUNNER}"
    ));
    let invocation = host.invocation(RUNNER);
    let said = || machine.sh(&format!("journalctl -b -o cat -t step _SYSTEMD_INVOCATION_ID={invocation}"));
    machine.wait("the step is at work", |_| said().contains("ready"));
    let said = said();
    machine.sh(&format!("systemctl kill --kill-whom=main --signal=KILL {RUNNER}; sleep 0.5"));
    let left =
        machine.sh("grep -l [7]777 /proc/[0-9]*/cmdline 2>/dev/null | wc -l").parse().expect("a number");
    machine.sh(&format!(
        "rm -r {folder}; systemctl daemon-reload; for file in $(grep -l [7]777 /proc/[0-9]*/cmdline 2>/dev/null); do \
         kill -9 $(basename $(dirname $file)) || true; done; systemctl reset-failed {RUNNER} || true"
    ));
    (said, left)
}

/// The host, with the real runner where its unit looks for it.
fn with_runner() -> &'static Host {
    let host = Host::shared();
    let place = host.machine.folder("").join("drone-runner-exec");
    if !place.exists() {
        copy_program(peers::runner_program(), place);
    }
    host
}

/// In its own namespaces, as its own user: its journal and its credentials, and nothing else of ours.
fn sees_its_own(host: &Host) {
    let pid = host.machine.property(BRIDGE, "MainPID");
    let inside = |text: &str| {
        let enter = format!(
            "nsenter -t {pid} -m setpriv --reuid=holdfast-bridge --regid=holdfast-bridge --clear-groups"
        );
        host.machine.sh(&format!("{enter} bash -c '{text}' 2>&1 || true"))
    };
    assert_eq!(inside("cat /run/credentials/holdfast-bridge.service/hook"), "canary-hook");
    assert_eq!(inside("ls /var/lib/holdfast-bridge | head -1"), "journal.db");
    for closed in ["/run/holdfast/secrets", "/var/lib/holdfast/generations", "/root"] {
        let said = inside(&format!("ls {closed}"));
        assert!(said.contains("Permission denied") || said.contains("cannot access"), "{closed}: {said}");
    }
    let engine =
        inside("exec 3<>/dev/tcp/127.0.0.1/1; ls -l /run/docker.sock; test -w /run/docker.sock && echo open");
    assert!(!engine.contains("open"), "{engine}");
    let environment =
        host.machine.sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ; tr '\\0' ' ' </proc/{pid}/cmdline"));
    assert!(!environment.contains("canary"), "a secret is in the environment or the arguments");
    let journal = host.machine.sh("journalctl -b -o cat -u 'holdfast-*'");
    assert!(!journal.contains("canary"), "a secret is in the journal");
}
