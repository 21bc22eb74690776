//! From one generation to another, and what it does to containers, secrets and the switch's own end.

use std::thread;
use std::time::Duration;

use super::host::{HASH, Host};

#[test]
fn a_switch_from_nothing_makes_the_host_and_the_next_one_changes_nothing() {
    let host = Host::shared();
    let _turn = host.turn();
    host.emptied();
    // What apply is at, as systemd is told.
    let told = thread::scope(|threads| {
        let switching = threads.spawn(|| host.green("first"));
        let mut told = Vec::new();
        while !switching.is_finished() {
            told.push(host.machine.property("holdfast-apply.service", "StatusText"));
            thread::sleep(Duration::from_millis(100));
        }
        told
    });
    assert!(told.iter().any(|text| text.contains("stack.")), "nothing of a stack was told: {told:?}");
    host.has_token("canary-value-1");
    let seen = host.seen();
    assert_eq!(seen.containers.len(), 2, "{seen:?}");
    assert!(seen.writes > 0, "the engine's log names no request: {seen:?}");

    let (ran, since) = (host.invocation("holdfast-apply.service"), host.machine.sh("date +%s.%N"));
    host.green("first");
    assert_eq!(host.seen(), seen);
    let events = host.machine.sh(&format!("docker events --since {since} --until $(date +%s.%N)"));
    assert_eq!(events, "", "the engine had something to do");
    assert_ne!(host.invocation("holdfast-apply.service"), ran, "it has to run on every switch");
    let journal = host.machine.sh("journalctl -b -o cat -u 'holdfast-*'");
    assert!(!journal.contains("canary"), "a secret is in the journal");

    let dry = host.dry_activate("second_page").expect(0);
    assert!(dry.said.contains("stack.web/service.app"), "the plan is not printed: {}", dry.said);
    assert_eq!(host.seen(), seen, "a dry run changed something");
}

#[test]
fn what_changed_alone_restarts_and_one_rollback_brings_stacks_secrets_and_configs_back() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let before = host.seen();
    let blog = host.containers("blog_");
    let objects = || {
        host.machine.sh("docker service inspect web_app --format '{{json .Spec}}' | grep -oE '\"(Secret|Config)Name\":\"[^\"]+'")
    };
    let first = objects();

    host.green("second_page");
    let after = host.seen();
    assert_eq!(host.inside("web_app", "/www/index.html"), "second");
    assert_eq!(host.containers("blog_"), blog);
    assert_eq!(after.units, before.units);
    assert_ne!(after.containers, before.containers);

    let units = ["of-token.service", "of-credential.service", "of-other.service"];
    let invocations = || units.map(|unit| host.invocation(unit));
    let old = invocations();
    host.green("second_page_and_value");
    host.has_token("canary-value-2");
    assert_eq!(host.inside("web_app", "/www/index.html"), "second");
    host.machine.wait("its unit restarts", |_| host.invocation(units[0]) != old[0]);
    let new = invocations();
    assert_ne!(new[1], old[1], "it was given another credential without a restart");
    assert_eq!(new[2], old[2], "the unit of another secret restarted");
    assert_eq!(host.containers("blog_"), blog);

    host.green("first");
    host.has_token("canary-value-1");
    assert_eq!(host.inside("web_app", "/www/index.html"), "first");
    assert_eq!(objects(), first, "the former objects are there again");
    assert_eq!(host.invocation(units[2]), old[2]);
    assert_eq!(host.containers("blog_"), blog);
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
    for unit in ["holdfast-credentials.socket", "holdfast-drift.timer", "holdfast-collect.timer"] {
        assert_eq!(host.machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    let off = host.green("off");
    assert_eq!(host.containers(""), web);
    assert!(off.said.contains("its stacks go on running, and its secrets stay"), "{}", off.said);
    assert_eq!(host.token(), "canary-value-1");
    let ours = host
        .machine
        .sh("systemctl list-units --all --plain --no-legend 'holdfast-*' | grep -c loaded || true");
    assert_eq!(ours, "0");
    host.green("first");
    assert_eq!(host.containers("web_"), web);

    // What it says removes them is done as it stands there.
    let off = host.green("off");
    let (_, hint) = off.said.split_once("to remove them: ").expect("a hint");
    host.machine.sh(hint.lines().next().expect("a command"));
    assert_eq!(host.containers(""), [""; 0]);
    assert_eq!(host.machine.sh("ls /run/holdfast/secrets 2>/dev/null || true"), "");
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
