//! A unit that does not survive its restart makes `verify` fail, with its name and its last words.

use serde_json::json;

use super::{Scenario, steps};

const UNIT: &str = "failing-app.service";

#[test]
fn a_unit_that_fails_after_its_restart_is_named_by_verify() {
    let host = Scenario::new("failing");
    let _turn = host.machine.turn();
    let script = "grep -q good /run/holdfast-failing/secrets/token && exec sleep infinity; \
                  cat /run/holdfast-failing/secrets/token; echo; echo this is no good value; exit 3";
    host.machine.unit(UNIT, &format!("[Service]\nExecStart=/bin/sh -c '{script}'\n"));
    let ip = &host.machine.ip;
    host.machine.sh("systemctl start docker");
    let secrets = json!({ "token": { "restart_units": [UNIT] } });
    host.write(&secrets, json!({ "swarm": { "advertise": ip, "listen": format!("{ip}:2377") } }));
    let apply = || steps(&host.holdfast(&["apply", "--no-verify", "--json"]).expect(0).json());
    host.seal(&[("token", "good-1")]);
    assert!(apply().contains(&"files".to_owned()));
    host.start(&[UNIT]);
    host.holdfast(&["verify"]).expect(0);

    host.seal(&[("token", "canary-bad-5c1e")]);
    let address = format!("unit.\"{UNIT}\"");
    assert!(apply().contains(&address));
    host.machine.wait("the unit fails", |machine| machine.property(UNIT, "ActiveState") == "failed");
    let verified = host.holdfast(&["verify"]).expect(3);
    for said in [address.as_str(), "failed after its restart", "`exit-code`", "this is no good value"] {
        assert!(verified.out.contains(said), "`{said}` is not in:\n{}", verified.out);
    }
    assert!(
        !verified.out.contains("canary-bad") && verified.out.contains("holds a secret"),
        "{}",
        verified.out
    );
    assert!(
        host.machine.sh(&format!("journalctl -u {UNIT} -o cat")).contains("canary-bad"),
        "nothing to hide"
    );

    // The next value starts what failed by the one before.
    host.seal(&[("token", "good-2")]);
    assert!(apply().contains(&address));
    host.machine.wait("the unit runs", |machine| machine.property(UNIT, "ActiveState") == "active");
    host.holdfast(&["verify"]).expect(0);
    assert_eq!(host.machine.sh("cat /run/holdfast-failing/units.json"), "{}", "it is proven, and done with");
    assert_eq!(host.generations().split_whitespace().count(), 1);
    assert_eq!(apply(), [""; 0]);
    host.machine.sh(&format!("docker swarm leave --force && systemctl stop docker.socket docker {UNIT}"));
}
