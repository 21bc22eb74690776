//! What a boot makes of a host, by itself and after the power went.

use super::host::Host;

/// After a boot: everything runs as this generation has it, and the next switch to it has nothing to do.
#[track_caller]
fn whole(host: &Host, generation: &str, page: &str) {
    assert_eq!(host.failed(), "");
    for unit in ["holdfast-apply.service", "holdfast-verify.service"] {
        let ran = host
            .machine
            .sh(&format!("systemctl show --value --property=ExecMainStartTimestampMonotonic,Result {unit}"));
        assert!(ran.contains("success") && ran.lines().all(|line| line != "0"), "{unit} did not run: {ran}");
    }
    assert_eq!(host.inside("web_app", "/www/index.html"), page);
    host.has_token("canary-value-1");
    assert_eq!(host.half_written(), "");
    let seen = host.seen();
    host.green(generation);
    assert_eq!(host.seen(), seen, "the boot left something to do");
}

#[test]
fn a_boot_converges_and_so_does_one_after_the_power_went_in_the_middle_of_an_apply() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let id = || {
        host.machine
            .sh("cat /proc/sys/kernel/random/boot_id; systemctl show --value --property=UserspaceTimestamp")
    };
    let before = id();
    host.machine.reboot();
    assert_ne!(id(), before, "it is the same boot");
    whole(host, "first", "first");

    // Apply has asked for the first update, and gets no further.
    let path = host.path("second_page");
    host.machine.sh(&format!(
        "ln -sfnT {path} /var/lib/system-profile; {path}/activate {path}; systemctl daemon-reload; \
         since=$(date +%s); systemctl start --no-block holdfast-apply.service; \
         until journalctl -o cat --since @$since -u docker.service | grep -qE 'Calling POST .*/services/.*/update'; do :; done; \
         kill -STOP $(systemctl show --value --property=MainPID holdfast-apply.service)"
    ));
    assert_eq!(
        host.machine.property("holdfast-apply.service", "ActiveState"),
        "activating",
        "apply was faster"
    );
    host.machine.boot();
    whole(host, "second_page", "second");
}
