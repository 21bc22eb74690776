//! The proofs that write, taken anew by their own unit: beside a real Gitea, whose hook calls the bridge of the host.

use super::ci::get;
use super::host::Host;
use crate::bridge::probe::make_again_by_hand;
use crate::forge::peers::{ADMIN, GITEAS, Gitea};

const PROBE: &str = "holdfast-probe.service";
const TIMER: &str = "holdfast-probe.timer";

#[test]
fn a_probe_runs_in_its_unit_a_failed_one_is_told_and_what_has_nothing_to_probe_has_no_timer() {
    let host = Host::shared();
    let _turn = host.turn();
    let gitea = Gitea::start_on(&host.machine, GITEAS[0], 3000);
    host.green("probed");
    assert_eq!(host.machine.property(TIMER, "ActiveState"), "active");
    assert_eq!(host.machine.property(TIMER, "Triggers"), PROBE);
    assert_ne!(host.machine.property(TIMER, "NextElapseUSecRealtime"), "", "it never fires");

    let heard = pushes(host);
    assert!(heard > 0, "apply has asked for no delivery");
    assert!(host.probe(), "{}", host.said());
    assert_eq!(pushes(host), heard + 1, "{}", host.said());
    assert!(host.said().contains("forge.gitea/hook.bridge"), "{}", host.said());

    make_again_by_hand(&gitea, "team/app");
    assert!(!host.probe(), "{}", host.said());
    assert_eq!(host.machine.property(PROBE, "ActiveState"), "failed");
    assert_eq!(host.machine.property(PROBE, "ExecMainStatus"), "4", "{}", host.said());
    assert!(host.said().contains("with the right signature was counted"), "{}", host.said());
    // The next switch has it mended.
    host.green("probed");
    assert!(host.probe(), "{}", host.said());
    let journal = host.machine.sh("journalctl -b -o cat -u 'holdfast-*'");
    assert!(!journal.contains("canary") && !journal.contains(ADMIN.1), "a secret is in the journal");

    host.green("first");
    for unit in [TIMER, PROBE] {
        assert_eq!(host.machine.property(unit, "LoadState"), "not-found", "{unit}");
        assert_eq!(host.machine.property(unit, "ActiveState"), "inactive", "{unit}");
    }
}

impl Host {
    /// Starts the unit; whether it ended well.
    fn probe(&self) -> bool {
        self.machine.output(&["systemctl", "start", PROBE]).status.success()
    }

    /// What the last run of the unit said.
    fn said(&self) -> String {
        let ran = self.invocation(PROBE);
        self.machine.sh(&format!("journalctl -b -o cat _SYSTEMD_INVOCATION_ID={ran}"))
    }
}

/// How many signed deliveries the bridge has counted.
fn pushes(host: &Host) -> u64 {
    let page = get(host, 8788, "/metrics");
    let line =
        page.lines().find(|line| line.starts_with(r#"holdfast_bridge_verdicts_total{verdict="other""#));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a counter")
}
