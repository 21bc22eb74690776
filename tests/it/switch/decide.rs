//! The rules by which NixOS handles units at a switch, as its manual publishes them; docs/reference/switch-rules.md has the
//! table. Pure: two folders of units and what runs in, what to do out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::unit::{Difference, Unit};

/// Units to be handled, each in the step that its set names.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    pub(super) stop: BTreeSet<String>,
    pub(super) start: BTreeSet<String>,
    pub(super) restart: BTreeSet<String>,
    pub(super) reload: BTreeSet<String>,
    /// Changed, and not touched.
    pub(super) skip: BTreeSet<String>,
}

/// Targets that come with what wants them.
const STANDING: [&str; 4] = ["sysinit.target", "basic.target", "multi-user.target", "graphical.target"];

/// Name → `ActiveState` of what is not inactive.
pub(super) type Active = BTreeMap<String, String>;

/// Where a switch goes.
struct To<'a> {
    /// The folder of the new units.
    units: &'a Path,
    active: &'a Active,
    /// The activation has run, so nothing can be stopped before it.
    late: bool,
}

/// What a switch from the units of one folder to those of another does, before it activates.
pub(super) fn decide(old: &Path, new: &Path, active: &Active) -> Decision {
    let mut decision = Decision::default();
    let to = To { units: new, active, late: false };
    let running = active.iter().filter(|(_, state)| matches!(state.as_str(), "active" | "activating"));
    for (name, _) in running {
        let Some(before) = Unit::read(old, name) else { continue };
        let Some(after) = Unit::read(new, name) else {
            if before.is("Unit", "X-StopOnRemoval", true) {
                decision.stop.insert(name.clone());
            }
            continue;
        };
        if name.ends_with(".target") {
            decision.target(name, &after);
            continue;
        }
        match before.difference(&after) {
            Difference::None => {}
            Difference::Reload => drop(decision.reload.insert(name.clone())),
            Difference::Restart => decision.changed(name, &after, &to),
        }
    }
    decision
}

impl Decision {
    /// What the activation script asks for.
    pub(super) fn asked(&mut self, restart: &[String], reload: &[String], new: &Path, active: &Active) {
        let to = To { units: new, active, late: true };
        for name in restart {
            match (active.contains_key(name), Unit::read(new, name)) {
                (true, Some(unit)) => self.changed(name, &unit, &to),
                _ => drop(self.start.insert(name.clone())),
            }
        }
        for name in reload {
            if active.contains_key(name) && !self.restart.contains(name) && !self.stop.contains(name) {
                self.reload.insert(name.clone());
            }
        }
    }

    /// Active targets are started again, so that they pull in what is new and what has ended.
    fn target(&mut self, name: &str, unit: &Unit) {
        let asleep = matches!(name, "suspend.target" | "hibernate.target" | "hybrid-sleep.target");
        let manual =
            unit.is("Unit", "RefuseManualStart", false) || unit.is("Unit", "X-OnlyManualStart", false);
        if !asleep && !manual {
            self.start.insert(name.to_owned());
        }
        if unit.is("Unit", "X-StopOnReconfiguration", false) {
            self.stop.insert(name.to_owned());
        }
    }

    fn changed(&mut self, name: &str, unit: &Unit, to: &To<'_>) {
        let kind = name.rsplit('.').next().unwrap_or_default();
        match kind {
            // systemd takes these over when it reloads, or nothing does.
            "path" | "slice" | "socket" => return,
            "target" if STANDING.contains(&name) => return,
            "mount" if matches!(name, "-.mount" | "nix.mount") => {
                self.reload.insert(name.to_owned());
                return;
            }
            "mount" => {
                self.restart.insert(name.to_owned());
                return;
            }
            _ => {}
        }
        if unit.is("Service", "X-ReloadIfChanged", false)
            && !self.restart.contains(name)
            && !self.stop.contains(name)
        {
            self.reload.insert(name.to_owned());
        } else if !unit.is("Service", "X-RestartIfChanged", true)
            || unit.is("Unit", "RefuseManualStop", false)
            || unit.is("Unit", "X-OnlyManualStart", false)
        {
            self.skip.insert(name.to_owned());
        } else {
            self.reload.remove(name);
            if kind != "service" || !unit.is("Service", "X-StopIfChanged", true) {
                self.restart.insert(name.to_owned());
            } else {
                self.stop_and_start(name, unit, to);
            }
        }
    }

    fn stop_and_start(&mut self, name: &str, unit: &Unit, to: &To<'_>) {
        let sockets = sockets_of(name, unit);
        let stay = || sockets.iter().filter(|socket| to.units.join(socket).exists());
        let active = |socket: &&String| to.active.contains_key(*socket);
        let (stop, start) =
            if to.late { (&mut self.restart, None) } else { (&mut self.stop, Some(&mut self.start)) };
        stop.extend(sockets.iter().filter(active).cloned());
        stop.insert(name.to_owned());
        if let Some(start) = start {
            // The sockets that stay or come start it when it is needed, unless it says that they do not.
            if stay().next().is_none() || unit.is("Service", "X-NotSocketActivated", false) {
                start.insert(name.to_owned());
            }
            start.extend(stay().filter(active).cloned());
        }
    }
}

/// Those that systemd would hand to the service.
fn sockets_of(name: &str, unit: &Unit) -> Vec<String> {
    let named: Vec<String> = unit
        .values("Service", "Sockets")
        .iter()
        .flat_map(|names| names.split_whitespace())
        .map(str::to_owned)
        .collect();
    if named.is_empty() { vec![format!("{}.socket", name.trim_end_matches(".service"))] } else { named }
}
