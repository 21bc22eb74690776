//! Each published rule of a switch, on units that differ in nothing else: `tests/machine/rules.nix`.

use std::collections::BTreeMap;

use super::host::Host;

/// What came of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Kept,
    Reloaded,
    /// Stopped before the activation, and started after it.
    StoppedAndStarted,
    /// Both after the activation.
    Restarted,
    /// Runs anew; nothing of it says when it stopped.
    Renewed,
    Stopped,
    Started,
    /// It did not run and does not.
    Idle,
}

/// What the rules say of each; the socket of a service stands under its own name.
const EXPECTED: [(&str, Fate); 39] = [
    ("basic.target", Fate::Kept),
    ("graphical.target", Fate::Kept),
    ("multi-user.target", Fate::Kept),
    ("r-asked-reload.service", Fate::Reloaded),
    ("r-asked.service", Fate::Restarted),
    ("r-asked.target", Fate::Renewed),
    ("r-changed.service", Fate::StoppedAndStarted),
    ("r-ended.service", Fate::Renewed),
    ("r-exec-reload-gone.service", Fate::Kept),
    ("r-exec-reload.service", Fate::Reloaded),
    ("r-idle.service", Fate::Idle),
    ("r-manual.service", Fate::Kept),
    ("r-new-idle.service", Fate::Idle),
    ("r-new.service", Fate::Started),
    ("r-no-restart.service", Fate::Kept),
    ("r-no-stop.service", Fate::Restarted),
    ("r-of-path.path", Fate::Kept),
    ("r-of-path.service", Fate::Idle),
    ("r-of-timer.service", Fate::Idle),
    ("r-of-timer.timer", Fate::Renewed),
    ("r-refuses-stop.service", Fate::Kept),
    ("r-reload-if-changed.service", Fate::Reloaded),
    ("r-reload-trigger.service", Fate::Reloaded),
    ("r-removed-stays.service", Fate::Kept),
    ("r-removed.service", Fate::Stopped),
    ("r-restart-trigger.service", Fate::StoppedAndStarted),
    ("r-same.service", Fate::Kept),
    ("r-socket-comes.service", Fate::Stopped),
    ("r-socket-comes.socket", Fate::Started),
    ("r-socket-no-stop.service", Fate::Restarted),
    ("r-socket-not.service", Fate::StoppedAndStarted),
    ("r-socket-not.socket", Fate::Renewed),
    ("r-socket.service", Fate::Stopped),
    ("r-socket.socket", Fate::Renewed),
    ("r-stays.service", Fate::Kept),
    ("r-target-stops.target", Fate::Renewed),
    ("r-target.target", Fate::Kept),
    ("r-words.service", Fate::Kept),
    ("sysinit.target", Fate::Kept),
];

/// Name → invocation, for what runs now or ran since the boot.
type Invocations = BTreeMap<String, (String, String)>;

fn invocations(host: &Host) -> Invocations {
    let names = EXPECTED.map(|(name, _)| name).join(" ");
    let shown = host.machine.sh(&format!("systemctl show --property=Id,ActiveState,InvocationID {names}"));
    let mut found = BTreeMap::new();
    for unit in shown.split("\n\n") {
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().to_owned()
        };
        found.insert(value("Id="), (value("ActiveState="), value("InvocationID=")));
    }
    found
}

fn fate(host: &Host, name: &str, before: &Invocations, after: &Invocations) -> Fate {
    let ((was, first), (is, second)) = (&before[name], &after[name]);
    let noted = |what: &str| host.machine.sh(&format!("cat /run/rules/{name}.{what} 2>/dev/null || true"));
    let stopped = noted("stopped");
    match (was.as_str(), is.as_str()) {
        ("active", "active") if first == second && noted("reloaded") == "reloaded" => Fate::Reloaded,
        ("active", "active") if first == second => Fate::Kept,
        ("active", "active") if stopped == host.path("rules_before") => Fate::StoppedAndStarted,
        ("active", "active") if stopped == host.path("rules_after") => Fate::Restarted,
        ("active", "active") => Fate::Renewed,
        ("active", _) => Fate::Stopped,
        (_, "active") => Fate::Started,
        _ if first == second => Fate::Idle,
        _ => Fate::Renewed,
    }
}

#[test]
fn units_are_handled_by_the_published_rules() {
    let host = Host::shared();
    let _turn = host.turn();
    host.machine.sh("mkdir -p /run/rules");
    host.switch("rules_before").expect(0);
    // A socket's service runs once somebody has asked.
    host.machine.sh(
        "systemctl start r-socket.service r-socket-comes.service r-socket-no-stop.service r-socket-not.service; \
         rm -f /run/rules/*",
    );
    let before = invocations(host);
    let switched = host.switch("rules_after").expect(0);
    let after = invocations(host);
    let wrong: Vec<_> = EXPECTED
        .iter()
        .map(|(name, expected)| (name, expected, fate(host, name, &before, &after)))
        .filter(|(_, expected, found)| *expected != found)
        .collect();
    assert!(wrong.is_empty(), "unit, expected, found: {wrong:#?}\n{}", switched.said);
}
