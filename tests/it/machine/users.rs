//! A boot: users are made from secrets, then the other secrets are installed for them, and nothing restarts.

use serde_json::json;

use super::Scenario;

const HASH: &str = "$6$holdfast$notarealhashbutlongenough";

/// A oneshot that is part of the boot.
fn early(command: &str, order: &str) -> String {
    format!(
        "[Unit]\nDefaultDependencies=no\n{order}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart={command}\n[Install]\nWantedBy=sysinit.target\n"
    )
}

#[test]
fn users_are_made_from_secrets_at_a_boot_that_restarts_nothing() {
    let host = Scenario::new("users");
    let _turn = host.machine.turn();
    let manifest = host.manifest();
    let install = format!("/srv/share/holdfast secrets install {manifest}");
    let first = "After=systemd-remount-fs.service\nBefore=systemd-sysusers.service sysinit.target";
    host.machine.unit("users-early.service", &early(&format!("{install} --for-users"), first));
    let add = "/bin/sh -c 'exec useradd -p \"$$(cat /run/holdfast-users/secrets-for-users/hash)\" visitor'";
    let second = "Requires=users-early.service\nAfter=users-early.service\nBefore=sysinit.target";
    host.machine.unit("users-make.service", &early(add, second));
    let app = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    host.machine.unit("users-app.service", app);
    let all = format!(
        "[Unit]\nAfter=users-app.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={install}\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    host.machine.unit("users-all.service", &all);
    host.seal(&[("hash", HASH), ("token", "for the visitor")]);
    let secrets = json!({
        "hash": { "needed_for_users": true, "restart_units": ["users-app.service"] },
        "token": { "owner": "visitor", "restart_units": ["users-app.service"] },
    });
    host.write(&secrets, json!({}));
    assert_eq!(host.machine.output(&["id", "visitor"]).status.code(), Some(1), "the user is there already");

    let units = "users-early.service users-make.service users-app.service users-all.service";
    host.machine.sh(&format!("systemctl -q enable {units}"));
    host.machine.boot();
    host.machine.sh(&format!("systemctl -q disable {units}"));

    assert_eq!(host.machine.sh("getent shadow visitor | cut -d: -f2"), HASH);
    let files = "stat -L -c '%U %a %n' secrets-for-users/hash secrets/token";
    let files = host.machine.sh(&format!("cd {} && {files}", host.run_dir()));
    assert_eq!(files, "root 400 secrets-for-users/hash\nvisitor 400 secrets/token");
    assert_eq!(
        host.machine.sh(&format!("ls {}/secrets", host.run_dir())),
        "token",
        "each in one folder only"
    );
    for unit in units.split(' ') {
        assert_eq!(host.machine.property(unit, "ActiveState"), "active", "{unit}");
    }
    let starts = host.machine.sh("journalctl -b -o cat -u users-app.service | grep -c ^Started");
    assert_eq!(starts, "1", "the boot restarted it");
    assert_eq!(host.install(), [""; 0]);
}
