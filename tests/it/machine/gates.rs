//! Gates about the host, on a real systemd: units as they really are, and the system that runs.

use serde_json::{Value, json};

use super::{Scenario, sleeper};
use crate::support::world::Ran;

/// Where a Nix store would have them.
const MANIFEST: &str = "/nix/store/0c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-holdfast-manifest";
const OTHER: &str = "/nix/store/1c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-holdfast-manifest";
const SYSTEM: &str = "/nix/store/2c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-nixos-system-a";
const BEFORE: &str = "/nix/store/3c0a3bmr1zh3lfmh9wk8mxv1rr5dglcx-nixos-system-b";

fn gates() -> Value {
    let unit = |name: &str| json!({ "unit": { "name": name }, "soak": "1s", "deadline": "4s" });
    json!({
        "runs": unit("gate-runs.service"),
        "loops": unit("gate-loops.service"),
        "listens": unit("gate-idle.service"),
        "once": unit("gate-once.service"),
        "anew": { "unit": { "name": "gate-once.service", "since": "activation" }, "deadline": "2s" },
        "system": { "closure": { "unit": "holdfast-apply.service", "booted": true }, "deadline": "2s" },
    })
}

struct Gates(Scenario);

impl Gates {
    fn verify(&self, gate: &str, more: &[&str]) -> Ran {
        let only = format!("gate.{gate}");
        self.0.machine.holdfast(&[&["verify", "--only", &only], more, &[MANIFEST]].concat())
    }

    #[track_caller]
    fn holds(&self, gate: &str) {
        self.verify(gate, &[]).expect(0);
    }

    #[track_caller]
    fn fails(&self, gate: &str, because: &str) {
        let ran = self.verify(gate, &[]).expect(3);
        assert!(ran.out.contains(because), "expected {because:?} in:\n{}", ran.out);
    }

    /// A system in the store, whose unit names this manifest, as the one that runs.
    fn activate(&self, system: &str, manifest: &str) {
        self.0.machine.sh(&format!(
            "mkdir -p {system}/etc/systemd/system; ln -sfn /boot/{system} {system}/kernel; mkdir -p /boot/{system}; \
             printf '[Service]\\nExecStart=/x/holdfast apply {manifest} --lock-wait 10m\\n' \
             >{system}/etc/systemd/system/holdfast-apply.service; ln -sfn {system} /run/current-system"
        ));
    }
}

#[test]
fn units_and_the_system_are_judged_by_what_they_are() {
    let host = Scenario::new("gates");
    let turn = host.machine.turn();
    let ip = &host.machine.ip;
    let swarm = json!({ "advertise": ip, "listen": format!("{ip}:2377") });
    host.write(&json!({}), json!({ "gates": gates(), "swarm": swarm }));
    let source = host.manifest();
    host.machine.sh("systemctl start docker");
    host.machine.holdfast(&["compile", &source, "-o", MANIFEST]).expect(0);
    host.machine.unit("gate-runs.service", &sleeper(""));
    host.machine.unit(
        "gate-loops.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'sleep 0.7; exit 1'\nRestart=always\nRestartSec=50ms\n",
    );
    host.machine.unit("gate-idle.service", &sleeper(""));
    host.machine.unit("gate-idle.socket", "[Socket]\nListenStream=/run/gate-idle.sock\n");
    host.machine.unit("gate-once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    // As a unit that a target wants: systemd remembers what became of it.
    host.machine.unit("gate-all.target", "[Unit]\nWants=gate-once.service\n");
    drop(turn);
    let gates = Gates(host);
    let _turn = gates.0.machine.turn();
    units(&gates);
    system(&gates);
}

fn units(gates: &Gates) {
    let sh = |text: &str| gates.0.machine.sh(text);
    gates.fails("runs", "has not run since");
    sh("systemctl start gate-runs.service gate-loops.service");
    gates.holds("runs");
    gates.fails("loops", "restart");
    sh("systemctl stop gate-loops.service gate-runs.service");
    // Nothing refers to it, so systemd has forgotten that it ran.
    gates.fails("runs", "has not run since");

    // A socket that listens is as good as the service; without it nothing would start.
    sh("systemctl start gate-idle.socket");
    gates.holds("listens");
    sh("systemctl stop gate-idle.socket");
    gates.fails("listens", "has not run since");

    // systemd says `success` of what never ran.
    assert_eq!(gates.0.machine.property("gate-once.service", "Result"), "success");
    gates.fails("once", "has not run since");
    sh("systemctl start gate-all.target");
    gates.holds("once");
    sh("echo >>/etc/systemd/system/gate-once.service");
    gates.fails("once", "daemon-reload");
    sh("systemctl daemon-reload");
    gates.holds("once");
}

fn system(gates: &Gates) {
    let unknown = gates.verify("system", &[]).expect(3);
    assert!(unknown.out.contains("this is no NixOS"), "{}", unknown.out);

    gates.activate(SYSTEM, MANIFEST);
    gates.0.machine.sh("ln -sfn /run/current-system/ /run/booted-system");
    gates.holds("system");
    gates.fails("anew", "before the system was activated");
    gates.0.machine.sh("systemctl start gate-once.service");
    gates.holds("anew");
    gates.verify("once", &["--expect-closure", SYSTEM]).expect(0);
    let ran = gates.verify("once", &["--expect-closure", BEFORE]).expect(3);
    assert!(ran.out.contains(SYSTEM) && ran.out.contains(BEFORE), "{}", ran.out);

    gates.activate(SYSTEM, OTHER);
    gates.fails("system", OTHER);
    gates.activate(BEFORE, MANIFEST);
    gates.0.machine.sh(&format!("ln -sfn {SYSTEM} /run/booted-system"));
    gates.fails("system", "a reboot is needed: kernel");
    gates.0.machine.sh("rm /run/current-system /run/booted-system");
}
