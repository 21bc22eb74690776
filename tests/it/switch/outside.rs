//! What comes from outside of a switch: renewed certificates, and somebody who looks.

use std::process::Command;

use super::host::Host;

/// A new key with its certificate, where the host watches for it.
fn renew(host: &Host, serial: u32) {
    let folder = host.machine.folder("certificate");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "90",
        ])
        .args(["-subj", "/CN=app.example.org", "-addext", "subjectAltName=DNS:app.example.org"])
        .args(["-set_serial", &serial.to_string(), "-keyout", "key.pem", "-out", "chain.pem"])
        .current_dir(&folder)
        .output()
        .expect("`openssl` cannot be run; run `make setup`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    host.machine.sh("mkdir -p /var/lib/gateway; cp /srv/share/certificate/* /var/lib/gateway/");
}

#[test]
fn a_renewed_certificate_is_served_without_a_switch_and_nothing_restarts() {
    let host = Host::shared();
    let _turn = host.turn();
    renew(host, 1);
    host.green("renewed");
    let served = || {
        host.machine
            .sh("docker exec $(docker ps -q --filter label=com.docker.swarm.service.name=traefik_app) \
         /bin/busybox cat /etc/traefik/dynamic/tls.yml | sha256sum")
    };
    let (first, containers) = (served(), host.containers(""));
    let ran = ["holdfast-apply.service", "holdfast-verify.service"].map(|unit| host.invocation(unit));
    assert_eq!(host.machine.property("holdfast-renewed.path", "ActiveState"), "active");
    renew(host, 2);
    host.machine.wait("what the gateway has changes", |_| served() != first);
    host.machine.wait("the host is proven anew", |machine| {
        let units = "holdfast-apply.service holdfast-verify.service holdfast-renewed.service";
        host.invocation("holdfast-verify.service") != ran[1]
            && machine.sh(&format!("systemctl show --value --property=ActiveState {units} | sort -u")).trim()
                == "inactive"
    });
    assert_ne!(host.invocation("holdfast-apply.service"), ran[0]);
    assert_eq!(host.machine.property("holdfast-verify.service", "Result"), "success");
    assert_eq!(host.containers(""), containers);
    what_it_brought_is_collected(host);
}

/// Once no generation that is kept needs the gateway, the timer's unit removes its image, and leaves what is needed.
fn what_it_brought_is_collected(host: &Host) {
    let has =
        |image: &str| !host.machine.sh(&format!("docker images -q holdfast.invalid/{image}")).is_empty();
    host.green("first");
    host.green("forgets");
    host.machine.wait("the gateway's containers are gone", |machine| {
        machine.sh("docker ps -aq --filter label=com.docker.stack.namespace=traefik").is_empty()
    });
    assert!(has("gateway") && has("app"));
    assert_eq!(host.machine.property("holdfast-collect.timer", "ActiveState"), "active");
    let containers = host.containers("");
    host.machine.sh("systemctl start holdfast-collect.service");
    assert!(!has("gateway") && has("app"));
    assert_eq!(host.containers(""), containers);
}

#[test]
fn doctor_leads_from_a_port_to_the_unit_that_listens() {
    let host = Host::shared();
    let _turn = host.turn();
    host.green("first");
    let report = host.machine.holdfast(&["doctor", "--json"]).json();
    let listeners = report["listeners"].as_array().expect("listeners");
    let engine = host.machine.property("docker.service", "MainPID");
    for (port, program) in [(2377, "dockerd"), (8080, "docker-proxy")] {
        let found = listeners.iter().find(|one| one["port"] == port);
        let process = &found.unwrap_or_else(|| panic!("nobody listens on {port}: {report}"))["processes"][0];
        assert_eq!(process["executable"], format!("/usr/sbin/{program}"), "{process}");
        assert_eq!(process["cgroup"], "/system.slice/docker.service", "{process}");
        assert_eq!(process["unit"], "docker.service", "{process}");
        let main = if program == "dockerd" { "pid" } else { "parent" };
        assert_eq!(process[main].to_string(), engine, "{process}");
    }
    let unit =
        report["units"].as_array().expect("units").iter().find(|one| one["name"] == "holdfast-apply.service");
    assert_eq!(unit.expect("the unit of apply")["result"], "success");
}
