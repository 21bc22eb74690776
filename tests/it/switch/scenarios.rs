//! From one generation to another, and what it does to containers, secrets and the switch's own end.

use std::time::Instant;

use super::host::{HASH, Host, Switched};

/// What a switch must not disturb.
#[derive(Debug, PartialEq)]
struct Seen {
    /// `service=container`, sorted.
    containers: Vec<String>,
    /// Invocations of the units that use secrets, and of the engine.
    units: String,
    writes: usize,
}

impl Host {
    /// The containers of a service.
    fn containers(&self, service: &str) -> Vec<String> {
        let list =
            "docker ps --no-trunc --format '{{.Label \"com.docker.swarm.service.name\"}}={{.ID}}' | sort";
        let all = self.machine.sh(list);
        all.lines().filter(|line| line.starts_with(service)).map(str::to_owned).collect()
    }

    /// Requests that change something, by the engine's own log.
    fn writes(&self) -> usize {
        let count = "journalctl -b -o cat -u docker.service | grep -cE 'Calling (POST|PUT|DELETE)' || true";
        self.machine.sh(count).parse().expect("a number")
    }

    fn seen(&self) -> Seen {
        let units =
            "systemctl show --value --property=InvocationID of-token.service of-other.service docker.service";
        Seen { containers: self.containers(""), units: self.machine.sh(units), writes: self.writes() }
    }

    /// A file in the container of a service.
    fn inside(&self, service: &str, file: &str) -> String {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        self.machine.sh(&format!("docker exec $(docker ps -q --filter {filter}) /bin/busybox cat {file}"))
    }

    fn token(&self) -> String {
        self.machine.sh("cat /run/holdfast/secrets/token")
    }

    fn invocation(&self, unit: &str) -> String {
        self.machine.property(unit, "InvocationID")
    }

    /// A switch that must succeed.
    fn green(&self, name: &str) -> Switched {
        let began = Instant::now();
        let switched = self.switch(name).expect(0);
        eprintln!("switch to `{name}`: {:.1} s", began.elapsed().as_secs_f64());
        switched
    }
}

#[test]
fn a_switch_from_nothing_makes_the_host_and_the_next_one_changes_nothing() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let seen = host.seen();
    assert_eq!(seen.containers.len(), 2, "{seen:?}");
    assert!(seen.writes > 0, "the engine's log names no request: {seen:?}");
    assert_eq!(host.token(), "canary-value-1");
    let ran = host.invocation("holdfast-apply.service");
    host.green("first");
    assert_eq!(host.seen(), seen);
    assert_ne!(host.invocation("holdfast-apply.service"), ran, "it has to run on every switch");
    let journal = host.machine.sh("journalctl -b -o cat -u 'holdfast-*'");
    assert!(!journal.contains("canary"), "a secret is in the journal");
}

#[test]
fn a_changed_stack_restarts_itself_alone_and_a_rollback_brings_it_back() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let before = host.seen();
    let blog = host.containers("blog_");
    host.green("second_page");
    let after = host.seen();
    assert_eq!(host.inside("web_app", "/www/index.html"), "second");
    assert_eq!(host.containers("blog_"), blog);
    assert_eq!(after.units, before.units);
    assert_ne!(after.containers, before.containers);
    host.green("first");
    assert_eq!(host.inside("web_app", "/www/index.html"), "first");
    assert_eq!(host.containers("blog_"), blog);
}

#[test]
fn a_changed_secret_restarts_its_units_alone_and_a_rollback_brings_it_back() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let blog = host.containers("blog_");
    let (of_token, of_other) = (host.invocation("of-token.service"), host.invocation("of-other.service"));
    host.green("second_value");
    assert_eq!(host.token(), "canary-value-2");
    assert_eq!(host.inside("web_app", "/run/secrets/token"), "canary-value-2");
    host.machine.wait("its unit restarts", |_| host.invocation("of-token.service") != of_token);
    assert_eq!(host.invocation("of-other.service"), of_other);
    assert_eq!(host.containers("blog_"), blog);
    host.green("first");
    assert_eq!(host.token(), "canary-value-1");
    assert_eq!(host.inside("web_app", "/run/secrets/token"), "canary-value-1");
    assert_eq!(host.invocation("of-other.service"), of_other);
}

#[test]
fn a_failing_gate_fails_the_switch_whether_or_not_the_manifest_changed() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let before = host.seen();
    for _ in 0..2 {
        let failed = host.switch("failing_gate").expect(4);
        assert!(failed.said.contains("gate.nobody"), "the gate is not named: {}", failed.said);
        assert_eq!(host.seen().containers, before.containers);
    }
    let failed = host.switch("failing_gate_and_page").expect(4);
    assert!(failed.said.contains("gate.page"), "the gate is not named: {}", failed.said);
    let failed = host.switch("no_certificate").expect(4);
    assert!(failed.said.contains("gate.certificate"), "the gate is not named: {}", failed.said);
    host.green("first");
}

#[test]
fn a_dropped_stack_goes_and_a_module_that_is_off_leaves_the_others() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let web = host.containers("web_");
    host.green("one_stack");
    assert_eq!(host.containers(""), web);
    let off = host.green("off");
    assert_eq!(host.containers(""), web);
    assert!(off.said.contains("holdfast destroy"), "nobody says how to remove them: {}", off.said);
    assert_eq!(
        host.machine
            .sh("systemctl list-units --all --plain --no-legend 'holdfast-*' | grep -c loaded || true"),
        "0"
    );
    host.green("first");
    assert_eq!(host.containers("web_"), web);
}

#[test]
fn the_drift_timer_fires_and_says_what_was_changed_by_hand() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    assert_eq!(host.machine.property("holdfast-drift.timer", "ActiveState"), "active");
    host.machine.sh("docker service update -q --detach --label-add by=hand blog_app >/dev/null");
    let writes = host.writes();
    host.machine.sh("mkdir -p /run/systemd/system/holdfast-drift.timer.d; \
         printf '[Timer]\\nOnCalendar=\\nRandomizedDelaySec=0\\nAccuracySec=1s\\nOnActiveSec=1s\\n' \
         >/run/systemd/system/holdfast-drift.timer.d/soon.conf; \
         systemctl daemon-reload; systemctl restart holdfast-drift.timer");
    host.machine.wait("the timer fires", |machine| {
        machine.property("holdfast-drift.service", "ActiveState") == "failed"
    });
    let said = host.machine.sh("journalctl -b -o cat -u holdfast-drift.service");
    assert!(said.contains("stack.blog/service.app"), "{said}");
    assert_eq!(host.writes(), writes, "who looks for drift wrote");
    host.machine.sh(
        "rm -r /run/systemd/system/holdfast-drift.timer.d; systemctl daemon-reload; systemctl reset-failed",
    );
    host.green("first");
    let labels = host.machine.sh("docker service inspect --format '{{json .Spec.Labels}}' blog_app");
    assert!(!labels.contains("hand"), "{labels}");
}

#[test]
fn a_user_is_made_from_a_secret_and_its_units_read_nothing_else() {
    let host = Host::shared();
    let _turn = host.turn();
    // The run folder is made by a unit that keeps what it makes to itself.
    host.green("first");
    host.green("users");
    assert_eq!(host.machine.sh("getent shadow visitor | cut -d: -f2"), HASH);
    host.machine.sh("systemctl start reads-own.service");
    let others = host.machine.output(&["systemctl", "start", "reads-others.service"]);
    assert!(!others.status.success(), "it read a secret that is not its own");
    assert!(host.machine.sh("journalctl -b -o cat -u reads-others").contains("Permission denied"));
    host.machine.sh("systemctl reset-failed");
}
