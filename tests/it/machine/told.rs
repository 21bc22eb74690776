//! Exactly the units of what changed are told, and an unchanged run tells nobody.

use serde_json::json;

use super::{Scenario, sleeper};

const UNITS: [&str; 4] = ["told-one.service", "told-two.service", "told-other.service", "told-slow.service"];

fn secrets() -> serde_json::Value {
    json!({
        "a": { "restart_units": ["told-one.service", "told-idle.service", "told-nowhere.service"] },
        "b": { "reload_units": ["told-two.service"] },
        "c": { "restart_units": ["told-other.service"], "path": "/etc/told/c" },
        "d": { "restart_units": ["told-slow.service"] },
    })
}

fn unit(name: &str) -> String {
    format!("unit.\"{name}\"")
}

#[test]
fn units_are_told_of_what_changed_and_of_nothing_else() {
    let host = Scenario::new("told");
    let _turn = host.machine.turn();
    for name in ["told-one", "told-other", "told-idle"] {
        host.machine.unit(&format!("{name}.service"), &sleeper(""));
    }
    host.machine
        .unit("told-two.service", &sleeper("ExecReload=/bin/sh -c 'echo reloaded >>/run/told-two'\n"));
    host.machine.unit("told-slow.service", &sleeper("ExecStop=/bin/sleep 4\n"));
    host.seal(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    host.write(&secrets(), json!({}));
    host.start(&UNITS);
    let ids = || UNITS.map(|unit| host.invocation(unit));
    let first = ids();

    // What runs before the first installation is left alone.
    assert_eq!(host.install(), ["files", "link.\"/etc/told/c\""]);
    assert_eq!(host.install(), [""; 0]);
    assert_eq!(ids(), first);
    assert_eq!(host.machine.sh("cat /etc/told/c"), "1");

    // A plan says who would be told and no value, and changes nothing.
    host.seal(&[("a", "canary-77"), ("b", "1"), ("c", "1"), ("d", "1")]);
    let before =
        host.machine.sh("find /run/holdfast-told /var/lib/holdfast-told -printf '%p %T@ %i\\n' | sort");
    let planned = host.holdfast(&["secrets", "install", "--dry-run"]).expect(0);
    assert!(
        planned.out.contains(&unit("told-one.service")) && planned.out.contains("a: \"id "),
        "{}",
        planned.out
    );
    assert!(!planned.out.contains("canary-77") && !planned.err.contains("canary-77"), "{}", planned.out);
    let after =
        host.machine.sh("find /run/holdfast-told /var/lib/holdfast-told -printf '%p %T@ %i\\n' | sort");
    assert_eq!(after, before, "a dry run wrote");

    // Changed content restarts its unit, once; one that does not run, or is not there, is not started.
    assert_eq!(host.install(), ["files".to_owned(), unit("told-one.service")]);
    host.machine.wait("told-one restarts", |_| host.invocation(UNITS[0]) != first[0]);
    assert_eq!(ids()[1..], first[1..], "another unit restarted");
    assert_eq!(host.machine.property("told-idle.service", "ActiveState"), "inactive");

    // Nobody holds the former generation any more, so it goes; then there is nothing to do.
    let second = ids();
    assert_eq!(host.install(), ["files"]);
    assert_eq!(host.install(), [""; 0]);
    assert_eq!(ids(), second);

    // A reload keeps the invocation.
    host.seal(&[("a", "canary-77"), ("b", "2"), ("c", "1"), ("d", "1")]);
    assert_eq!(host.install(), ["files".to_owned(), unit("told-two.service")]);
    host.machine.wait("told-two reloads", |machine| machine.sh("cat /run/told-two || true") == "reloaded");
    assert_eq!(ids(), second);

    // Changed mode counts, and so does a link.
    let mut changed = secrets();
    changed["c"]["mode"] = json!("0440");
    host.write(&changed, json!({}));
    assert_eq!(host.install(), ["files".to_owned(), unit("told-other.service")]);
    host.machine.wait("told-other restarts", |_| host.invocation(UNITS[2]) != second[2]);
    host.install();
    let third = ids();
    changed["c"]["path"] = json!("/etc/told/moved");
    host.write(&changed, json!({}));
    let done = host.install();
    assert_eq!(
        done,
        [
            r#"link."/etc/told/moved""#.to_owned(),
            unit("told-other.service"),
            r#"link."/etc/told/c""#.to_owned()
        ]
    );
    host.machine.wait("told-other restarts", |_| host.invocation(UNITS[2]) != third[2]);
    assert_eq!(host.machine.sh("cd /etc/told && ls"), "moved");
    host.install();

    a_generation_stays_while_a_unit_still_holds_it(&host);
}

fn a_generation_stays_while_a_unit_still_holds_it(host: &Scenario) {
    let (before, old) = (host.generations(), host.invocation("told-slow.service"));
    host.seal(&[("a", "canary-77"), ("b", "2"), ("c", "1"), ("d", "2")]);
    let done = host.install();
    assert_eq!(done, ["files".to_owned(), unit("told-slow.service")]);
    assert_eq!(host.machine.property("told-slow.service", "ActiveState"), "deactivating", "it was not slow");
    assert_eq!(host.install(), [""; 0], "the run did not wait, and the next one tells nobody twice");
    let both = host.generations();
    assert!(
        both.starts_with(&before) && both.split(' ').count() > before.split(' ').count(),
        "{before} {both}"
    );
    host.machine.wait("told-slow restarts", |machine| {
        host.invocation("told-slow.service") != old && machine.property("told-slow.service", "Job").is_empty()
    });
    assert_eq!(host.install(), ["files"]);
    assert_eq!(format!("{before} {}", host.generations()), both);
}
